from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from nbactl.pipeline import values
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


def test_inv_14_a_time_without_zone_is_rejected_and_others_become_utc() -> None:
    assert values.instant_or_none("2024-01-15T19:30:00-05:00", "tip-off") == datetime(2024, 1, 16, 0, 30, tzinfo=UTC)
    with pytest.raises(RejectedRecordError, match="no time zone"):
        values.instant_or_none("2024-01-15T19:30:00", "tip-off")


@pytest.mark.parametrize(
    "given",
    [
        "22300061",
        "0022300061",
        22300061,
        22300061.0,
        "22300061.0",
        "22300061.00",
        "0022300061.0",
        " 22300061 ",
        "'0022300061",
        '="0022300061"',
        '"0022300061"',
        "22,300,061",
        "2.2300061E7",
        "2.2300061e+07",
    ],
)
def test_a_game_id_is_one_id_however_it_was_saved(given: object) -> None:
    assert values.league_id(given) == "0022300061"
    assert values.league_id(given, date(2023, 11, 1)) == "0022300061"
    assert values.league_id(given, date(2019, 11, 1)) is None


@pytest.mark.parametrize("given", ["x", None, "", "2023-24", 401584893, "401584893", "1022400010", "00999", True])
def test_other_ids_are_not_the_league_s(given: object) -> None:
    assert values.league_id(given) is None


@pytest.mark.parametrize("given", ["1.25E+07", "2.23E7", 22300061.5, "22300061.5"])
def test_an_id_that_lost_digits_is_rejected(given: object) -> None:
    with pytest.raises(RejectedRecordError) as caught:
        values.league_id(given)
    assert caught.value.reason == "bad_value"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (203076, "203076"),
        (203076.0, "203076"),
        ("203076.0", "203076"),
        ("203076", "203076"),
        ("jamesle01", "jamesle01"),
        ("", None),
        (None, None),
        (0, None),
        ("nan", None),
    ],
)
def test_a_player_id_is_one_id_however_it_was_saved(given: object, expected: str | None) -> None:
    assert values.whole_id(given) == expected


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
