"""`nbactl season`: what is expected, and halts that are made, end by themselves and are taken back."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.bootstrap.season import make_idle_dates
from nbactl.cli.main import main
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from pathlib import Path


class Caller:
    """Calls nbactl in a folder, where today is the real one."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.err = ""

    def __call__(self, *words: str, code: int = 0) -> Any:
        """Return the document of `nbactl season`."""
        returned = main(["season", *words, "-o", "json"])
        out, self.err = self._capsys.readouterr()
        assert returned == code, self.err
        return json.loads(out)

    def text(self, line: str) -> str:
        """Run a command as it was printed."""
        words = shlex.split(line)
        assert main(words[1:]) == 0
        return self._capsys.readouterr().out

    def states(self, first: str, last: str) -> dict[str, str]:
        return {day["date"]: day["state"] for day in self("show", "--from", first, "--to", last)["data"]["days"]}


@pytest.fixture
def season(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.chdir(tmp_path)
    return Caller(tmp_path, capsys)


def test_a_range_has_games_breaks_and_what_is_next(season: Caller) -> None:
    found = season("show", "--from", "2024-12-23", "--to", "2024-12-25")["data"]
    assert found["season"] == {"name": "2024-25", "first": "2024-10-22", "last": "2025-06-22"}
    assert [(day["date"], day["state"]) for day in found["days"]] == [
        ("2024-12-23", "expected"), ("2024-12-24", "no_games"), ("2024-12-25", "expected"),
    ]  # fmt: skip
    monday, eve, _ = found["days"]
    assert monday["games"] == monday["over"] == 7
    assert monday["first_tip_off"] == "2024-12-24T00:00:00+00:00"
    assert (eve["games"], eve["reason"], eve["until"]) == (0, "the schedule has no games", "2024-12-24")
    assert found["next"] == [
        {"date": "2024-12-23", "what": "games", "detail": "7 games"},
        {"date": "2025-02-14", "what": "break", "detail": "All-Star break until 2025-02-18"},
        {"date": "2025-06-22", "what": "season_end", "detail": "season 2024-25 ends"},
        {"date": "2025-10-21", "what": "season_start", "detail": "season 2025-26 begins"},
    ]
    assert found["breaks"] == []
    [pause] = season("show", "--from", "2025-01-01", "--to", "2025-02-14")["data"]["breaks"]
    assert pause == {"first": "2025-02-14", "last": "2025-02-18", "reason": "All-Star break"}


def test_inv_24_dates_that_nobody_knows_are_no_answer(season: Caller) -> None:
    document = season("show", "--from", "2030-01-01", "--to", "2030-01-05", code=4)
    assert document["error"]["message"] == "the schedule does not cover 2030-01-01 to 2030-01-05"
    assert {day["games"] for day in document["data"]["days"]} == {None}
    partly = season("show", "--from", "2025-01-14", "--to", "2025-01-16")
    assert partly["warnings"] == ["the schedule does not cover 2 of 3 dates: 2025-01-15 to 2025-01-16"]


def test_a_halt_ends_by_itself_and_can_be_taken_back(season: Caller) -> None:
    span = ("--from", "2025-01-08", "--until", "2025-01-09")
    planned = season("halt", *span, "--reason", "wildfires", "--dry-run")["data"]
    assert planned["changed"] is False
    assert season.states("2025-01-08", "2025-01-08") == {"2025-01-08": "expected"}

    made = season("halt", *span, "--reason", "wildfires")["data"]
    assert season("halt", *span, "--reason", "again")["data"]["changed"] is False
    assert season.states("2025-01-07", "2025-01-10") == {
        "2025-01-07": "expected", "2025-01-08": "halted", "2025-01-09": "halted", "2025-01-10": "expected",
    }  # fmt: skip
    [undo] = made["undo"]
    season.text(undo)
    assert season.states("2025-01-07", "2025-01-08") == {"2025-01-07": "expected", "2025-01-08": "expected"}
    [kept] = season("show", "--from", "2025-01-07")["data"]["halts"]
    assert (kept["reason"], kept["resumed_on"], kept["over"]) == ("wildfires", "2025-01-08", True)


def test_what_is_refused_leaves_no_entry_in_the_audit_trail_and_the_rest_names_its_undo(season: Caller) -> None:
    season("halt", "--from", "2025-01-08", "--until", "2025-01-07", "--reason", "a typo", code=2)
    season("halt", "--from", "2025-01-08", "--until", "2025-01-09", "--reason", "wildfires")
    season("resume", season("show")["data"]["halts"][0]["id"], "--date", "2025-01-10", code=6)
    season("resume", "--date", "2025-01-09")
    changes = json.loads(season.text("nbactl audit -o json"))["data"]["changes"]
    assert [change["action"] for change in changes] == ["season.resume", "season.halt"]
    assert changes[0]["undo"] == "nbactl season halt --from 2025-01-09 --until 2025-01-09 --reason wildfires"
    assert changes[1]["undo"].startswith("nbactl season resume halt-")


def test_off_season_a_date_has_one_date_as_its_reason(season: Caller) -> None:
    text = season.text("nbactl season show --from 2024-10-20 --to 2024-10-22")
    assert "season 2024-25 begins on 2024-10-22\n" in text
    assert "until" not in text.partition("Next")[0]


def test_an_open_ended_halt_is_resumed_from_a_date_on_and_back(season: Caller) -> None:
    season("halt", "--from", "2025-01-08", "--open-ended", "--reason", "a strike")
    ended = season("resume", "--date", "2025-01-10")["data"]
    halted = {"2025-01-08": "halted", "2025-01-09": "halted", "2025-01-10": "expected"}
    assert season.states("2025-01-08", "2025-01-10") == halted
    season.text(ended["undo"][0])
    assert season.states("2025-01-08", "2025-01-10") == {**halted, "2025-01-10": "halted"}
    assert season.states("2025-01-14", "2025-01-14") == {"2025-01-14": "halted"}


def test_what_is_not_clear_is_refused(season: Caller) -> None:
    assert season("halt", "--reason", "why", code=2)["error"]["message"] == "a halt has either --until or --open-ended"
    season("halt", "--until", "tomorrow", "--open-ended", "--reason", "why", code=2)
    season("halt", "--open-ended", "--reason", " ", code=2)
    season("halt", "--from", "2025-01-09", "--until", "2025-01-08", "--reason", "why", code=2)
    assert season("resume")["data"]["halt"] is None
    season("resume", "halt-0", code=4)
    season("halt", "--open-ended", "--reason", "one")
    season("halt", "--until", "tomorrow", "--reason", "two")
    assert season("resume", code=2)["error"]["message"].startswith("2 halts hold on ")


def test_what_is_run_by_hand_says_that_its_date_is_halted_and_runs(
    season: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    season("halt", "--from", "2024-10-22", "--until", "2024-10-23", "--reason", "wildfires")
    assert main(["run", "schedule", "--date", "2024-10-22", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["data"]["runs"][0]["status"] == "succeeded"
    assert document["warnings"] == [
        "2024-10-22 is halted until 2024-10-23 (wildfires), which stops only what ticks start"
    ]
    assert main(["run", "schedule", "--date", "2024-10-25", "--dry-run", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []


def test_the_halts_of_a_folder_decide_what_is_idle_there(season: Caller) -> None:
    """What ticks ask: the end of a halt needs nobody, only time."""
    season("halt", "--from", "2025-01-08", "--until", "2025-01-08", "--reason", "wildfires")
    settings = load_settings({"state_dir": str(season.folder / ".nbactl")}, {}, season.folder)
    with Container(settings, clock=FakeClock(datetime(2025, 1, 8, 12, tzinfo=UTC))) as app:
        dates = [GameDate(date(2025, 1, number)) for number in (8, 9)]
        assert {str(day): idle.kind for day, idle in make_idle_dates(app).idle(dates).items()} == {
            "2025-01-08": "halted"
        }
