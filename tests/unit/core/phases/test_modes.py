from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.modes import ExpectedSet, HandOff, Tier, mode_of

FIVE = ExpectedSet(critical=("a", "b"), optional=("c", "d", "e"))
TIERS = HandOff(tiers=(Tier(1800, 4), Tier(3600, 3), Tier(14400, 0)))


def day(text: str) -> GameDate:
    return GameDate(datetime.fromisoformat(text).date())


@pytest.mark.parametrize(
    ("game_date", "mode"),
    [("2025-01-14", "overnight"), ("2025-01-15", "same_day"), ("2025-01-16", "tomorrow"), ("2025-03-01", "tomorrow")],
)
def test_inv_14_the_mode_follows_from_the_day_in_new_york(game_date: str, mode: str) -> None:
    late = datetime(2025, 1, 16, 4, 59, tzinfo=UTC)  # 23:59 of the 15th there
    assert mode_of(day(game_date), late) == mode


@pytest.mark.parametrize(
    ("midnight", "game_date"), [("2025-03-10T04:00+00:00", "2025-03-09"), ("2025-11-03T05:00+00:00", "2025-11-02")]
)
def test_inv_14_a_day_of_daylight_saving_ends_at_its_own_midnight(midnight: str, game_date: str) -> None:
    instant = datetime.fromisoformat(midnight)
    assert mode_of(day(game_date), instant) == "overnight"
    assert mode_of(day(game_date), datetime.fromtimestamp(instant.timestamp() - 1, UTC)) == "same_day"


def test_inv_09_five_names_of_which_one_critical_is_missing_are_not_complete() -> None:
    done = {"a", "c", "d", "e", "somebody"}
    for hand_off in (HandOff(), HandOff(majority=0.6), TIERS):
        assert hand_off.reason(FIVE, done, 14400) is None


def test_all_critical_names_and_most_of_the_expected_ones_are_enough_for_a_majority() -> None:
    hand_off = HandOff(majority=0.6)
    assert hand_off.reason(FIVE, {"a", "b"}, 0) is None
    assert hand_off.reason(FIVE, {"a", "b", "c"}, 0) == "critical_plus_majority_60pct"
    assert hand_off.reason(FIVE, {"a", "b", "c", "d", "e"}, 0) == "all_complete"


@pytest.mark.parametrize(
    ("waited", "there", "leads_on"),
    [
        (0, 5, True), (1799, 4, False), (1800, 4, True), (3599, 3, False), (3600, 3, True), (14399, 2, False),
        (14400, 2, True),
    ],
)  # fmt: skip
def test_tiers_ask_for_less_as_time_passes(waited: float, there: int, leads_on: bool) -> None:
    done = {"a", "b", "c", "d", "e"} if there == 5 else set("abcde"[:there])
    assert (TIERS.reason(FIVE, done, waited) is not None) is leads_on


def test_without_a_first_completion_no_tier_is_reached() -> None:
    assert TIERS.reason(FIVE, {"a", "b", "c", "d"}, None) is None


def test_the_next_tier_is_the_one_after_the_time_that_has_passed() -> None:
    assert [TIERS.next_tier(waited) for waited in (0, 1800, 14400)] == [Tier(1800, 4), Tier(3600, 3), None]


def test_inv_24_a_phase_of_which_nothing_is_expected_is_never_complete() -> None:
    assert HandOff().reason(ExpectedSet(), {"a"}, 0) is None
