"""Which dates are idle: halted goes before break, break before off-season, off-season before no games."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.season.dates import SeasonIdleDates
from nbactl.core.season.halts import Halt
from nbactl.core.season.idle import Idle
from nbactl.core.season.seasons import Break, Season, Seasons
from nbactl.pipeline.season import season_of
from nbactl.ports.calendar import GameDay, KnownGames

if TYPE_CHECKING:
    from collections.abc import Sequence

AT = datetime(2025, 1, 7, 12, tzinfo=UTC)


def day(text: str) -> GameDate:
    return GameDate(date.fromisoformat(text))


def halt(first: str, until: str | None, *, resumed: str | None = None, reason: str = "strike") -> Halt:
    last, again = (None if text is None else day(text) for text in (until, resumed))
    return Halt("halt-1", day(first), last, reason, "me", AT, again)


SEASONS = (
    Season("2024-25", day("2024-10-22"), day("2025-06-22"), (Break(day("2025-02-14"), day("2025-02-18"), "All-Star"),)),
    Season("2025-26", day("2025-10-21"), day("2026-06-19")),
)


class Given:
    """Games on every Tuesday, known of 2024 and 2025; says what was asked."""

    def __init__(self, *halts: Halt, seasons: Sequence[Season] = SEASONS) -> None:
        self.asked: list[tuple[date, date]] = []
        self.reads = 0
        self._halts = halts
        self.dates = SeasonIdleDates(Seasons(seasons, lambda one: season_of(None, one.day)), self.halts, self)

    def halts(self) -> Sequence[Halt]:
        self.reads += 1
        return self._halts

    def games(self, first: date, last: date) -> KnownGames:
        self.asked.append((first, last))
        span = [one.day for one in GameDate(first).until(GameDate(last))]
        unknown = frozenset(one for one in span if one.year not in (2024, 2025))
        return KnownGames({one: GameDay(one, 3) for one in span if one.weekday() == 1 and one not in unknown}, unknown)

    def idle(self, *days: str) -> dict[str, Idle]:
        return {str(one): found for one, found in self.dates.idle([day(text) for text in days]).items()}


def test_the_first_reason_counts() -> None:
    given = Given(halt("2025-02-17", "2025-02-17"), halt("2025-07-01", "2025-07-02"))
    found = given.idle("2025-01-07", "2025-01-08", "2025-02-16", "2025-02-17", "2025-07-02", "2025-07-03", "2024-10-21")
    assert {date: idle.kind for date, idle in found.items()} == {
        "2025-01-08": "no_games",
        "2025-02-16": "break",
        "2025-02-17": "halted",
        "2025-07-02": "halted",
        "2025-07-03": "off_season",
        "2024-10-21": "off_season",
    }
    assert found["2025-02-16"] == Idle("break", "All-Star", day("2025-02-18"))
    assert found["2025-07-03"] == Idle("off_season", "season 2024-25 ended on 2025-06-22", day("2025-10-20"))
    assert found["2024-10-21"] == Idle("off_season", "season 2024-25 begins on 2024-10-22", day("2024-10-21"))
    assert found["2025-07-02"] == Idle("halted", "strike", day("2025-07-02"))


def test_halts_and_calendar_are_asked_once_and_in_the_off_season_no_calendar() -> None:
    given = Given()
    given.idle("2025-07-03", "2025-01-07", "2025-02-15", "2025-03-07")
    assert (given.reads, given.asked) == (1, [(date(2025, 1, 7), date(2025, 3, 7))])
    summer = Given()
    summer.idle("2025-07-03", "2025-08-07")
    assert (summer.reads, summer.asked) == (1, [])
    assert summer.idle() == {}
    assert summer.reads == 1


def test_inv_24_a_date_whose_games_are_unknown_is_not_idle() -> None:
    assert Given().idle("2026-03-04", "2026-03-03") == {}


@pytest.mark.parametrize(
    ("dates", "until"),
    [
        (("2025-01-08", "2025-01-14"), "2025-01-13"),  # the next games are known
        (("2025-01-08", "2025-01-10"), None),  # beyond what was asked nothing is
    ],
)
def test_until_when_there_are_no_games_is_known_if_games_follow(dates: tuple[str, ...], until: str | None) -> None:
    assert Given().idle(*dates)["2025-01-08"].until == (until and day(until))


def test_of_a_season_that_is_not_declared_the_schedule_alone_decides() -> None:
    """Also of the summer after a declared one, where the next is not declared: nobody knows when that ends."""
    given = Given(seasons=SEASONS[:1])
    assert set(given.idle("2025-07-08", "2025-07-09")) == {"2025-07-08", "2025-07-09"}
    assert given.idle("2025-07-08")["2025-07-08"].until is None
    assert given.idle("2025-10-07") == {}
    assert given.idle("2025-12-23") == {}
    apart = Given(seasons=(SEASONS[0], Season("2026-27", day("2026-10-20"), day("2027-06-20"))))
    assert apart.idle("2025-07-08")["2025-07-08"].until is None


@pytest.mark.parametrize(
    ("given", "halted"),
    [
        (halt("2025-01-08", "2025-01-09"), ["2025-01-08", "2025-01-09"]),
        (halt("2025-01-08", None), ["2025-01-08", "2025-01-09", "2025-01-10"]),
        (halt("2025-01-08", None, resumed="2025-01-09"), ["2025-01-08"]),
        (halt("2025-01-08", "2025-01-10", resumed="2025-01-08"), []),
    ],
)
def test_a_halt_ends_by_itself_on_its_date_or_is_resumed(given: Halt, halted: list[str]) -> None:
    found = Given(given).idle("2025-01-07", "2025-01-08", "2025-01-09", "2025-01-10", "2025-01-14")
    assert [date for date, idle in found.items() if idle.kind == "halted"][: len(halted) or 1] == halted
    assert ("2025-01-14" in found) == (given.last is None)


def test_of_several_halts_the_one_that_ends_last_is_named() -> None:
    found = Given(
        halt("2025-01-07", "2025-01-07"),
        halt("2025-01-07", "2025-01-20", reason="flood"),
        halt("2025-01-06", "2025-01-08"),
    ).idle("2025-01-07")
    assert found["2025-01-07"] == Idle("halted", "flood", day("2025-01-20"))
    endless = Given(halt("2025-01-07", "2025-01-20"), halt("2025-01-07", None, reason="war")).idle("2025-01-07")
    assert endless["2025-01-07"] == Idle("halted", "war", None)
