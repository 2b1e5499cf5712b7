"""`nbactl schedule show` tells the night's operator what comes when, and cron the same as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["schedule", "show", *arguments, "-o", "json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["schema"] == "nbactl/schedule.show/v1"
    return {each["name"]: each for each in document["data"]["workflows"]}


def test_each_workflow_says_when_it_is_due_and_for_which_game_date(capsys: pytest.CaptureFixture[str]) -> None:
    flows = shown(capsys, "--date", "2024-01-15", "--first-game", "19:00")
    assert flows["post_game_window_2"]["due"] == [
        {"at": "2024-01-15T06:00:00+00:00", "until": None, "game_date": "2024-01-14"}
    ]
    assert flows["morning_operations"]["due"][0]["until"] == "2024-01-15T15:00:00+00:00"
    assert flows["betting_lines"]["due"][0]["at"] == "2024-01-15T12:00:00+00:00"
    assert flows["betting_lines"]["tasks"] == ["odds_events", "odds_player_props", "odds_game_lines"]


def test_a_workflow_that_counts_from_an_unknown_game_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    betting = shown(capsys, "--date", "2024-01-15")["betting_lines"]
    assert betting["due"] == []
    assert betting["reason"] == "first game not known (--first-game)"


def test_the_table_is_in_the_order_of_the_day(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule", "show", "--date", "2024-01-15"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines[1:]]
    assert names.index("post_game_window_3") < names.index("morning_recovery") < names.index("post_game_window_1")
    assert any("00:00, 02:00, 04:00 ... 22:00 (12 times)" in line for line in lines)


def test_what_is_due_is_said_with_the_reason_why_the_rest_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    moment = "2025-01-06T15:05:00-05:00"
    assert main(["schedule", "due", "--at", moment, "-o", "json"]) == 0
    decisions = json.loads(capsys.readouterr().out)["data"]["decisions"]
    assert decisions[0] | {"decision_id": ""} == {
        "decision_id": "", "name": "betting_lines", "action": "RUN", "reason": "due at 15:00 on 2025-01-06",
        "game_date": "2025-01-06", "due_at": "2025-01-06T20:00:00+00:00", "recorded": False, "taken_up": False,
        "execution": None, "error": None,
    }  # fmt: skip
    assert {one["name"]: one["action"] for one in decisions if one["action"] != "WAIT"} == {
        "betting_lines": "RUN", "early_game_window_1": "SKIP"
    }  # fmt: skip
    assert main(["schedule", "due", "--at", moment]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == ["betting_lines", "RUN", "2025-01-06"]
    assert "the first game of 2025-01-06 is at 19:00 on 2025-01-06, not before 13:00" in lines[-1]
    assert "next due at 18:00 on 2025-01-06" in "\n".join(lines)


def test_what_was_decided_is_listed_and_an_unknown_step_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule", "decisions"]) == 0
    assert "No decisions." in capsys.readouterr().err
    assert main(["schedule", "tick", "--only", "workflows", "-o", "json"]) == 0
    workflows = json.loads(capsys.readouterr().out)["data"]["workflows"]
    skipped = {one["name"] for one in workflows if one["action"] == "SKIP"}
    assert main(["schedule", "decisions", "--limit", "100", "-o", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)["data"]["decisions"]
    assert {one["name"] for one in listed} == skipped, "the sample season is over"
    assert main(["schedule", "decisions", "--action", "WAIT", "--limit", "3"]) == 0
    assert "next due at" in capsys.readouterr().out
    assert main(["schedule", "tick", "--skip", "workflow"]) == 2
    assert "a tick has no step 'workflow'" in capsys.readouterr().err


def test_a_tick_without_a_step_and_decisions_on_an_unknown_workflow_are_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["schedule", "tick", "--only", "workflows", "--skip", "workflows"]) == 2
    assert "leave no step" in capsys.readouterr().err
    assert main(["schedule", "decisions", "--name", "betting_line"]) == 4
    assert "Did you mean 'betting_lines'?" in capsys.readouterr().err


def test_the_first_game_of_the_timetable_is_that_of_the_schedule_of_games(capsys: pytest.CaptureFixture[str]) -> None:
    betting = shown(capsys, "--date", "2025-01-06")["betting_lines"]
    assert betting["due"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--date", "2024-13-01"), "'2024-13-01' is not a date"),
        *(
            (("--first-game", text), f"--first-game: '{text}' is not a valid time of day")
            for text in ("7pm", "19.30", "19:00Z", "19:00-05:00", "19", "1930", "T19:30", "19:30:00", "7:00")
        ),
    ],
)
def test_wrong_values_are_usage_errors(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert main(["schedule", "show", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["2024-01-15T22.30-05:00", "2024-W03-1T12:00Z", "20240115T1200Z", "2024-01-15T12Z", "12:00"]
)
def test_a_tick_s_time_is_a_date_and_hours_and_minutes(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert main(["schedule", "tick", "--dry-run", "--at", text]) == 2
    assert f"--at: '{text}' is not a valid time" in capsys.readouterr().err


def test_inv_21_a_typo_in_the_files_stops_the_command_with_its_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "workflows.yaml").write_text("version: 1\ntimezon: America/New_York\n")
    assert main(["schedule", "show"]) == 2
    errors = capsys.readouterr().err
    assert "workflows.yaml:2:1: unknown key 'timezon' in the file" in errors
    assert "Did you mean 'timezone'?" in errors
