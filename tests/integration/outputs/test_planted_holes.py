"""Holes of ten kinds: `expect` finds each, `run --gaps` mends them, and nothing else is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from nbactl.outputs.model import OutputState
from tests.integration.outputs import holes
from tests.integration.outputs.holes import Holes, of

if TYPE_CHECKING:
    from datetime import date

    from nbactl.outputs.model import Grid


class Walk(NamedTuple):
    """The grid before the holes, with them, and after `run daily --gaps`."""

    before: Grid
    holes: Grid
    exit_with_holes: int
    mended: Grid
    exit_mended: int
    ran: set[tuple[str, str]]
    again: str


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    planted = Holes(tmp_path_factory.mktemp("holes"))
    before = planted.draw()
    planted.plant()
    exit_with_holes, _ = planted.expect()
    found = planted.draw()
    span = ("--from", str(holes.FIRST), "--to", str(holes.LAST))
    run = planted.nbactl("run", "daily", "--gaps", *span)
    assert run.returncode == 0, run.stderr
    exit_mended, _ = planted.expect()
    again = planted.nbactl("run", "daily", "--gaps", *span)
    with planted.league.open() as app:
        newest = app.ledger.list(limit=1)[0]
        ran = {(one.name, str(one.game_date)) for one in app.ledger.list(group=newest.group, limit=None)}
    return Walk(before, found, exit_with_holes, planted.draw(), exit_mended, ran, again.stderr)


@pytest.mark.parametrize(
    ("day", "name", "state", "reason"),
    [
        (holes.GONE_PARTITION, "player_game_summary", "MISSING", "no row: the date has 1 games over"),
        (holes.GONE_RAW_FILE, "schedule", "MISSING", "no raw file of schedule"),
        (holes.CUT_PARTITION, "ml_feature_store", "PARTIAL", "5 of 10 players"),
        (holes.ZERO_BEHIND_GREEN, "upcoming_team_game_context", "MISSING", "the date has 1 games"),
        (holes.HALF_A_DATE, "p2_player_boxscores", "PARTIAL", "1 of 2 teams"),
        (holes.NO_OPTIONAL, "prediction_accuracy", "MISSING", "predictions of the day before"),
        (holes.CHANGED_SOURCE, "player_boxscores", "STALE", "the source changed"),
        (holes.DOCUMENT_WITHOUT_ROWS, "player_game_summary", "MISSING", "no row"),
        (holes.KILLED, "player_game_summary", "FAILED", "interrupted"),
        (holes.FAILED, "player_boxscores", "FAILED", "gave no box scores"),
    ],
)
def test_inv_29_a_planted_hole_is_found_and_mended(walk: Walk, day: date, name: str, state: str, reason: str) -> None:
    found = of(walk.holes, day, name)
    assert (found.state.value, reason in (found.reason or "")) == (state, True), found
    assert of(walk.mended, day, name).state in (OutputState.COMPLETE, OutputState.EMPTY_OK)


def test_a_range_with_holes_fails_and_a_mended_one_does_not(walk: Walk) -> None:
    assert (walk.exit_with_holes, walk.exit_mended) == (1, 0)
    assert walk.mended.gaps == ()
    assert "Nothing is missing" in walk.again


def test_gaps_runs_nothing_that_was_whole(walk: Walk) -> None:
    whole = {str(output.game_date) for output in walk.before.outputs} - {
        str(output.game_date) for output in walk.before.gaps
    }
    assert str(holes.CHANGED_SOURCE) in whole
    assert not {(name, day) for name, day in walk.ran if day == str(holes.FIRST)}
    assert ("phase1", str(holes.GONE_PARTITION)) not in walk.ran
    assert ("phase3", str(holes.GONE_PARTITION)) in walk.ran
