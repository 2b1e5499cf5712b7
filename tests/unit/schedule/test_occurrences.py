"""Workflows are due at Eastern wall-clock times, on clock-change nights and past midnight too."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.config.schedules import Schedule
from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.schedule.occurrences import occurrences
from tests.kit.config_models import model_of

PLAIN, SPRING, AUTUMN = date(2024, 1, 15), date(2024, 3, 10), date(2024, 11, 3)


def schedule(**keys: Any) -> Schedule:
    return model_of(Schedule, keys)


def utc(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def due(plan: Schedule, day: date, first_game: datetime | None = None) -> list[datetime]:
    return [each.due_at for each in occurrences(plan, day, first_game)]


def eastern(plan: Schedule, day: date, first_game: datetime | None = None) -> list[str]:
    return [each.astimezone(EASTERN).strftime("%d %H:%M") for each in due(plan, day, first_game)]


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        (PLAIN, "22:00", utc(2024, 1, 16, 3)),
        (date(2024, 7, 1), "22:00", utc(2024, 7, 2, 2)),
        (SPRING, "01:00", utc(2024, 3, 10, 6)),
        (SPRING, "02:00", utc(2024, 3, 10, 7)),  # does not exist: 03:00 EDT
        (SPRING, "02:30", utc(2024, 3, 10, 7, 30)),  # does not exist: 03:30 EDT
        (SPRING, "04:00", utc(2024, 3, 10, 8)),
        (AUTUMN, "01:00", utc(2024, 11, 3, 5)),  # the first of two, EDT
        (AUTUMN, "02:00", utc(2024, 11, 3, 7)),  # EST
    ],
)
def test_inv_14_a_time_of_day_is_eastern_also_when_clocks_change(day: date, at: str, expected: datetime) -> None:
    assert due(schedule(at=at), day) == [expected]


def test_inv_14_after_midnight_the_game_date_is_yesterday_where_the_schedule_says_so() -> None:
    [late] = occurrences(schedule(at="01:00", game_date="yesterday"), date(2024, 1, 16))
    assert (late.due_at, late.game_date) == (utc(2024, 1, 16, 6), GameDate(PLAIN))
    [evening] = occurrences(schedule(at="22:00"), PLAIN)
    assert evening.game_date == GameDate(PLAIN)


def test_a_window_is_one_chance_with_an_end() -> None:
    [once] = occurrences(schedule(once_between={"start": "06:00", "end": "10:00"}), PLAIN)
    assert (once.due_at, once.until) == (utc(2024, 1, 15, 11), utc(2024, 1, 15, 15))
    [late] = occurrences(schedule(once_between={"start": "23:00", "end": "02:00"}), PLAIN)
    assert (late.due_at, late.until, late.game_date) == (utc(2024, 1, 16, 4), utc(2024, 1, 16, 7), GameDate(PLAIN))


def test_every_repeats_in_its_window_both_ends_included() -> None:
    plan = schedule(every="6h", between={"start": "05:00", "end": "23:00"})
    assert eastern(plan, PLAIN) == ["15 05:00", "15 11:00", "15 17:00", "15 23:00"]


def test_a_repeating_window_past_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    plan = schedule(every="2h", between={"start": "22:00", "end": "03:00"})
    assert eastern(plan, PLAIN) == ["15 22:00", "16 00:00", "16 02:00"]
    assert {each.game_date for each in occurrences(plan, PLAIN)} == {GameDate(PLAIN)}


def test_every_counts_back_from_the_first_game_and_stays_in_its_window() -> None:
    plan = schedule(every="2h", between={"start": "05:00", "end": "23:00"}, before_first_game="12h")
    at_seven = datetime(2024, 1, 15, 19, tzinfo=EASTERN)
    assert eastern(plan, PLAIN, at_seven)[:2] == ["15 07:00", "15 09:00"]
    assert eastern(plan, PLAIN, at_seven)[-1] == "15 23:00"
    at_noon = datetime(2024, 1, 15, 12, tzinfo=EASTERN)
    assert eastern(plan, PLAIN, at_noon)[0] == "15 05:00"
    assert due(plan, PLAIN, None) == []


@pytest.mark.parametrize(("day", "hours"), [(PLAIN, 24), (SPRING, 23), (AUTUMN, 25)])
def test_inv_14_every_counts_real_hours_on_days_of_23_and_25(day: date, hours: int) -> None:
    assert len(due(schedule(every="1h"), day)) == hours


def test_max_per_day_keeps_the_first() -> None:
    assert len(due(schedule(every="2h", max_per_day=12), AUTUMN)) == 12
    assert eastern(schedule(every="2h", max_per_day=2), PLAIN) == ["15 00:00", "15 02:00"]


@given(
    day=st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    at=st.times(),  # to the minute: seconds are cut
    game_date=st.sampled_from(["today", "yesterday"]),
)
def test_inv_14_whatever_the_day_it_is_due_once_in_utc_and_on_that_day(day: date, at: time, game_date: str) -> None:
    [only] = occurrences(schedule(at=f"{at:%H:%M}", game_date=game_date), day)
    assert only.due_at.utcoffset() == timedelta(0)
    assert only.due_at.astimezone(EASTERN).date() == day
    assert only.game_date.day == (day if game_date == "today" else day - timedelta(days=1))


def test_the_shipped_workflows_are_due_when_the_season_needs_them() -> None:
    flows = load_config(shipped_config_dir()).workflows.workflows
    tip_off = datetime(2024, 1, 15, 19, tzinfo=EASTERN)
    plans = {name: flow.schedule for name, flow in flows.items() if flow.schedule}
    counts = {name: len(occurrences(plan, PLAIN, tip_off)) for name, plan in plans.items()}
    repeated = {"betting_lines": 9, "injury_discovery": 12, "referee_discovery": 12}
    assert counts == dict.fromkeys(flows, 1) | repeated
    assert eastern(plans["morning_operations"], PLAIN) == ["15 06:00"]
