"""What the options of `nbactl run` mean, and what does not go together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.dates import game_date, game_dates
from nbactl.cli.run.command import resume_command
from nbactl.cli.run.parser import split_names
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import UsageError
from nbactl.testing import FakeClock
from nbactl.workflows.model import Gaps, RunRequest
from nbactl.workflows.units import check_request

NOW = datetime(2024, 1, 16, 4, 30, tzinfo=UTC)  # still the evening of the 15th in New York


def day(number: int) -> GameDate:
    return GameDate(date(2024, 1, number))


PHASE3 = RunRequest(("phase3",), (day(14),))


@pytest.fixture
def app(tmp_path: Path) -> Container:
    made = Container(load_settings({}, {}, tmp_path), clock=FakeClock(NOW))

    class Source:
        def latest(self) -> date:
            return day(14).day

    made.__dict__["source"] = Source()
    return made


def test_without_a_date_it_is_the_newest_of_the_source_and_on_gcp_today(app: Container) -> None:
    assert game_date(app, None) == day(14)
    assert game_date(app, "today") == day(15), "Eastern, not UTC"
    app.settings = replace(app.settings, target="gcp")
    assert game_date(app, None) == day(15)


def test_a_range_is_every_date_oldest_first(app: Container) -> None:
    assert game_dates(app, None, None, None) == (day(14),)
    assert game_dates(app, None, "2024-01-05", "2024-01-08") == (day(5), day(6), day(7), day(8))
    assert game_dates(app, None, "2024-01-13", None) == (day(13), day(14)), "to the newest"
    assert game_dates(app, None, "2024-01-07", "2024-01-07") == (day(7),)


@pytest.mark.parametrize(
    ("dates", "told", "step"),
    [
        (("today", "2024-01-05", None), "--date does not go together", "--from and --to for all"),
        ((None, None, "2024-01-05"), "--to needs --from", "--from YYYY-MM-DD"),
        ((None, "2024-01-09", "2024-01-05"), "is after", "--from 2024-01-05 --to 2024-01-09"),
        (("2024-02-30", None, None), "'2024-02-30' is not a date", "YYYY-MM-DD"),
        (("tomorow", None, None), "'tomorow' is not a date", "YYYY-MM-DD"),
    ],
)
def test_dates_that_do_not_go_together_are_refused_with_a_way_out(
    app: Container, dates: Any, told: str, step: str
) -> None:
    with pytest.raises(UsageError) as refused:
        game_dates(app, *dates)
    assert told in refused.value.message
    assert step in (refused.value.next_step or "")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("options", "told", "step"),
    [
        ({"resume": "last", "force": True}, "--resume does not go together with --force", "Use one"),
        ({"mode": "sequential", "max_workers": 4}, "--max-workers 4", "Leave out --max-workers"),
        ({"only": ("a", "b"), "skip": ("b",)}, "b: in both --only and --skip", "Use one"),
    ],
)
def test_what_does_not_go_together_is_refused_with_a_way_out(options: dict[str, Any], told: str, step: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_request(replace(PHASE3, **options), [])
    assert told in refused.value.message
    assert step in (refused.value.next_step or "")
    assert refused.value.exit_code == 2


def test_task_names_may_be_repeated_and_joined() -> None:
    assert split_names(["a,b", " c ", ""]) == ("a", "b", "c")
    assert split_names(None) == ()


@pytest.mark.parametrize(
    ("options", "flags", "line"),
    [
        ({}, {}, "nbactl run phase3 --date 2024-01-14"),
        ({"force": True}, {}, "nbactl run phase3 --date 2024-01-14"),
        ({"dates": (day(5), day(6), day(7))}, {}, "nbactl run phase3 --from 2024-01-05 --to 2024-01-07"),
        ({"upstream": "run", "gaps": Gaps({})}, {}, "nbactl run phase3 --date 2024-01-14 --gaps"),
        (
            {"only": ("a", "b"), "skip": ("c",), "mode": "sequential", "timeout": 300.0, "upstream": "skip"},
            {"source": "path:my data"},
            (
                "nbactl run phase3 --date 2024-01-14 --only a --only b --skip c --mode sequential --upstream skip "
                "--timeout 300s --source 'path:my data'"
            ),
        ),
    ],
)
def test_the_command_that_resumes_does_the_same_thing(
    options: dict[str, Any], flags: dict[str, str], line: str
) -> None:
    assert resume_command(replace(PHASE3, **options), load_settings(flags, {}, Path("/"))) == line
