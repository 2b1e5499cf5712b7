"""The season of a game: by its id, and by its date only without one."""

from __future__ import annotations

from datetime import date

import pytest

from nbactl.pipeline.season import first_year_of, is_before_opening, season_of, stated_season


@pytest.mark.parametrize(
    ("game_id", "day", "season"),
    [
        ("0021901281", date(2020, 8, 1), "2019-20"),
        ("0041900406", date(2020, 10, 11), "2019-20"),
        ("0022000001", date(2020, 12, 22), "2020-21"),
        ("0012500001", date(2025, 10, 5), "2025-26"),
        ("0029900001", date(1999, 11, 2), "1999-00"),
        ("0024600001", date(1946, 11, 1), "1946-47"),
        ("0022400559", date(2024, 9, 1), "2024-25"),
    ],
)
def test_the_id_names_the_season(game_id: str, day: date, season: str) -> None:
    assert season_of(game_id, day) == season
    assert season_of(game_id, day, "1950-51") == season


@pytest.mark.parametrize(
    ("day", "season"),
    [
        (date(2024, 10, 4), "2024-25"),
        (date(2024, 9, 30), "2024-25"),
        (date(2025, 6, 22), "2024-25"),
        (date(2021, 7, 20), "2020-21"),
        (date(2020, 8, 31), "2019-20"),
        (date(2020, 9, 30), "2019-20"),
        (date(2020, 10, 11), "2019-20"),
        (date(2020, 12, 11), "2020-21"),
    ],
)
def test_without_an_id_it_is_stated_or_the_date_s(day: date, season: str) -> None:
    assert season_of(None, day) == season
    assert season_of(f"{day}-LAL-MIA", day) == season
    assert season_of(None, day, "1950-51") == "1950-51"


@pytest.mark.parametrize(
    ("value", "season"),
    [
        ("2023-24", "2023-24"),
        ("2023-2024", "2023-24"),
        ("1999-00", "1999-00"),
        ("22023", "2023-24"),
        (22023, "2023-24"),
        (22023.0, "2023-24"),
        ("2023", None),
        (2024, None),
        ("2023-25", None),
        ("", None),
        (None, None),
    ],
)
def test_a_stated_season_is_taken_where_it_is_sure(value: object, season: str | None) -> None:
    assert stated_season(value) == season


def test_before_the_middle_of_october_nothing_counts() -> None:
    assert is_before_opening(date(2024, 10, 4))
    assert not is_before_opening(date(2024, 10, 22))
    assert not is_before_opening(date(2020, 10, 11))
    assert not is_before_opening(date(2024, 8, 1))
    assert first_year_of(date(2024, 8, 31)) == 2023
