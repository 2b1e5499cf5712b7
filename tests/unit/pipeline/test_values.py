from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from nbactl.pipeline import values
from nbactl.pipeline.dates import day_of
from nbactl.pipeline.quarantine import RejectedRecordError
from nbactl.pipeline.teams import TEAM_NAMES, team_abbr


@pytest.mark.parametrize(
    ("given", "minutes"),
    [
        (34, 34.0),
        (34.2, 34.2),
        ("34", 34.0),
        ("06", 6.0),
        ("00", 0.0),
        ("34.5", 34.5),
        ("34:12", 34.2),
        ("34.000000:12", 34.2),
        ("PT34M12.00S", 34.2),
        ("PT34M", 34.0),
        (" 7:30 ", 7.5),
        ("", None),
        (None, None),
    ],
)
def test_minutes_are_read_in_every_form_the_sources_use(given: object, minutes: float | None) -> None:
    assert values.minutes_played(given) == minutes


@pytest.mark.parametrize("given", ["34:75", "DNP", "3 4", "PT", "1:2:3", True, ["34"], "-3", "12:3"])
def test_minutes_in_no_known_form_are_rejected(given: object) -> None:
    with pytest.raises(RejectedRecordError) as caught:
        values.minutes_played(given)
    assert caught.value.reason == "bad_minutes"


@pytest.mark.parametrize(("given", "number"), [(7, 7), ("7", 7), ("7.0", 7), (7.0, 7), ("0", 0)])
def test_counts_are_whole_numbers_however_written(given: object, number: int) -> None:
    assert values.count(given, "points") == number


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "missing_value"),
        ("", "missing_value"),
        (-1, "negative_value"),
        ("-1", "negative_value"),
        ("7.5", "bad_value"),
        ("seven", "bad_value"),
        ("nan", "bad_value"),
        ("inf", "bad_value"),
        (True, "bad_value"),
        ([7], "bad_value"),
    ],
)
def test_counts_that_are_none_are_rejected_with_the_reason(given: object, reason: str) -> None:
    with pytest.raises(RejectedRecordError) as caught:
        values.count(given, "points")
    assert caught.value.reason == reason


@pytest.mark.parametrize("given", ["2024-01-15", "2024-01-15T00:00:00", "01/15/2024", "JAN 15, 2024"])
def test_dates_are_read_in_every_form_the_sources_use(given: str) -> None:
    assert day_of(given) == date(2024, 1, 15)


@pytest.mark.parametrize("given", ["2024-13-01", "soon", "XYZ 15, 2024", "15.01.2024", "1/2"])
def test_dates_that_are_none_are_rejected(given: str) -> None:
    with pytest.raises(RejectedRecordError) as caught:
        day_of(given)
    assert caught.value.reason == "wrong_date"


def test_inv_14_a_time_without_zone_is_rejected_and_others_become_utc() -> None:
    assert values.instant_or_none("2024-01-15T19:30:00-05:00", "tip-off") == datetime(2024, 1, 16, 0, 30, tzinfo=UTC)
    with pytest.raises(RejectedRecordError, match="no time zone"):
        values.instant_or_none("2024-01-15T19:30:00", "tip-off")


@pytest.mark.parametrize(
    ("given", "league_id"),
    [("22300061", "0022300061"), ("0022300061", "0022300061"), (22300061, "0022300061"), ("x", None), (None, None)],
)
def test_game_ids_get_back_the_zeros_that_spreadsheets_drop(given: Any, league_id: str | None) -> None:
    assert values.league_id(given) == league_id


@pytest.mark.parametrize(
    ("given", "abbr"),
    [
        ("BRK", "BKN"),
        ("PHO", "PHX"),
        ("CHO", "CHA"),
        ("LA Clippers", "LAC"),
        ("Los Angeles Clippers", "LAC"),
        ("los angeles lakers", "LAL"),
        ("Philadelphia 76ers", "PHI"),
        ("Seattle SuperSonics", "OKC"),
        ("Team LeBron", None),
        ("", None),
    ],
)
def test_teams_are_known_by_all_their_names(given: str, abbr: str | None) -> None:
    assert team_abbr(given) == abbr


def test_there_are_thirty_teams_and_each_knows_itself() -> None:
    assert len(TEAM_NAMES) == 30
    assert all(team_abbr(abbr) == team_abbr(name) == abbr for abbr, name in TEAM_NAMES.items())
