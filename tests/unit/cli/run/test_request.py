from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from nbactl.cli.run.request import Calendar, RunOptions, resume_command, split_names, to_request
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import UsageError

NOW = datetime(2024, 1, 16, 4, 30, tzinfo=UTC)  # still the evening of the 15th in New York
PHASE3 = RunOptions(names=("phase3",))


def day(number: int) -> GameDate:
    return GameDate(date(2024, 1, number))


CALENDAR = Calendar(NOW, "latest", lambda: day(14))


def request(**options: Any) -> Any:
    return to_request(replace(PHASE3, **options), CALENDAR, "local")


def test_without_a_date_it_is_the_newest_of_the_source() -> None:
    assert request().dates == (day(14),)
    assert request(date="today").dates == (day(15),), "Eastern, not UTC"


def test_a_range_is_every_date_oldest_first() -> None:
    assert request(first="2024-01-05", last="2024-01-08").dates == (day(5), day(6), day(7), day(8))
    assert request(first="2024-01-13").dates == (day(13), day(14)), "to the newest"
    assert request(first="2024-01-07", last="2024-01-07").dates == (day(7),)


@pytest.mark.parametrize(
    ("options", "told", "step"),
    [
        ({"date": "today", "first": "2024-01-05"}, "--date does not go together", "--from and --to for all"),
        ({"last": "2024-01-05"}, "--to needs --from", "--from YYYY-MM-DD"),
        ({"first": "2024-01-09", "last": "2024-01-05"}, "is after", "--from 2024-01-05 --to 2024-01-09"),
        ({"resume": "last", "force": True}, "--resume does not go together with --force", "Leave one"),
        ({"mode": "sequential", "max_workers": 4}, "--max-workers 4", "Leave --max-workers out"),
        ({"only": ("a", "b"), "skip": ("b",)}, "b: given to --only and to --skip", "Decide"),
        ({"wait": False}, "--no-wait does not work on target local", "background"),
        ({"timeout": "soon"}, "'soon' is not a valid duration", "90s"),
        ({"date": "2024-02-30"}, "'2024-02-30' is not a date", "YYYY-MM-DD"),
        ({"date": "tomorow"}, "'tomorow' is not a date", "YYYY-MM-DD"),
    ],
)
def test_what_does_not_go_together_is_refused_with_a_way_out(options: dict[str, Any], told: str, step: str) -> None:
    with pytest.raises(UsageError) as refused:
        request(**options)
    assert told in refused.value.message
    assert step in (refused.value.next_step or "")
    assert refused.value.exit_code == 2


def test_a_timeout_is_in_seconds() -> None:
    assert request(timeout="1h30m").timeout == 5400.0


def test_task_names_may_be_repeated_and_joined() -> None:
    assert split_names(["a,b", " c ", ""]) == ("a", "b", "c")
    assert split_names(None) == ()


@pytest.mark.parametrize(
    ("options", "flags", "line"),
    [
        ({}, {}, "nbactl run phase3 --date 2024-01-14"),
        ({"force": True}, {}, "nbactl run phase3 --date 2024-01-14"),
        ({"first": "2024-01-05", "last": "2024-01-12"}, {}, "nbactl run phase3 --from 2024-01-05 --to 2024-01-12"),
        (
            {"only": ("a", "b"), "skip": ("c",), "mode": "sequential", "timeout": "5m", "upstream": "skip"},
            {"source": "path:my data"},
            (
                "nbactl run phase3 --date 2024-01-14 --only a --only b --skip c --mode sequential --upstream skip "
                "--timeout 5m --source 'path:my data'"
            ),
        ),
    ],
)
def test_the_command_that_resumes_does_the_same_thing(
    options: dict[str, Any], flags: dict[str, str], line: str
) -> None:
    given = replace(PHASE3, **options)
    settings = load_settings(flags, {}, Path("/"))
    assert resume_command(given, to_request(given, CALENDAR, "local"), settings) == line
