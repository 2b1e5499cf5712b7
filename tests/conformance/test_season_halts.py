"""Halts of the season, on every engine of the document port."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.core.season.halts import Halts
from nbactl.errors import NotFoundError, PreconditionError, UsageError
from nbactl.ports.documents import Set
from nbactl.testing import FakeClock, SequentialIds

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

FIRST, LAST = GameDate(date(2025, 1, 8)), GameDate(date(2025, 1, 12))


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def halts(store: DocumentStore, notices: list[str]) -> Halts:
    return Halts(store, FakeClock(), SequentialIds(), notices.append)


def test_a_halt_is_kept_with_its_reason_and_who_made_it(halts: Halts) -> None:
    made = halts.halt(FIRST, LAST, " wild\nfires ", by="ann@host")
    endless = halts.halt(FIRST.plus(-1), None, "strike", by="bob@host")
    assert halts.all() == [endless, made]
    assert halts.find(made.id) == made
    assert (made.reason, made.by, made.at, made.last) == ("wild fires", "ann@host", FakeClock().now(), LAST)
    assert LAST in made
    assert LAST.plus(1) not in made
    assert LAST.plus(1000) in endless


def test_resuming_keeps_the_halt_and_its_dates_before(halts: Halts) -> None:
    made = halts.halt(FIRST, LAST, "wildfires", by="ann@host")
    ended = halts.resume(made, FIRST.plus(2), by="bob@host")
    assert halts.all() == [ended]
    assert (ended.until, ended.last, ended.resumed_by) == (LAST, FIRST.plus(1), "bob@host")
    assert not halts.resume(ended, FIRST, by="bob@host").last >= FIRST  # type: ignore[operator]


def test_a_halt_is_resumed_once_and_not_after_its_end(halts: Halts) -> None:
    made = halts.halt(FIRST, LAST, "wildfires", by="ann@host")
    halts.resume(made, FIRST.plus(2), by="bob@host")
    with pytest.raises(PreconditionError, match="changed meanwhile"):
        halts.resume(made, FIRST.plus(1), by="cyd@host")
    with pytest.raises(PreconditionError, match="ends on 2025-01-09"):
        halts.resume(halts.find(made.id), LAST, by="cyd@host")


def test_a_halt_does_not_end_before_it_begins(halts: Halts) -> None:
    with pytest.raises(UsageError):
        halts.halt(LAST, FIRST, "wildfires", by="ann@host")
    assert halts.all() == []


def test_an_unknown_halt_is_not_found(halts: Halts) -> None:
    made = halts.halt(FIRST, LAST, "wildfires", by="ann@host")
    with pytest.raises(NotFoundError) as refused:
        halts.find(f"{made.id}x")
    assert refused.value.next_step == f"Did you mean '{made.id}'?"


def test_a_halt_that_cannot_be_read_is_named_and_hides_no_other(
    halts: Halts, store: DocumentStore, notices: list[str]
) -> None:
    made = halts.halt(FIRST, LAST, "wildfires", by="ann@host")
    store.commit([Set("season_halts/old", {"from": "8 January"})])
    assert halts.all() == [made]
    [notice] = notices
    assert "season_halts/old cannot be read" in notice
