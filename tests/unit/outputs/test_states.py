"""The state of an output: what is there, what is recorded, and whether it is due."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from nbactl.core._support.gamedate import GameDate
from nbactl.outputs.counts import Counts
from nbactl.outputs.judging import Evidence, Finding, find, state_of
from nbactl.outputs.made import Made
from nbactl.outputs.measures import facts_of
from nbactl.outputs.model import Output, OutputState
from nbactl.pipeline.rawlist import Held
from nbactl.pipeline.recipes import Recipe
from nbactl.ports.calendar import GameDay, KnownGames
from nbactl.workflows.freshness import Judgement
from nbactl.workflows.model import TaskRecord, TaskStatus

DAY = date(2025, 1, 15)
DONE = Made("done", by="run-1", run_id="run-1", rows=4)
NOTHING = Finding(None)
WHOLE = Finding(OutputState.COMPLETE)


@pytest.mark.parametrize(
    ("found", "made", "overdue", "pending", "state"),
    [
        (WHOLE, DONE, True, False, "COMPLETE"),
        (NOTHING, DONE, False, False, "MISSING"),  # recorded, and not there
        (NOTHING, Made("open"), False, False, "EXPECTED"),
        (NOTHING, Made("open"), False, True, "EXPECTED"),
        (NOTHING, Made("open"), True, False, "MISSING"),
        (NOTHING, Made("open"), True, True, "LATE"),
        (NOTHING, Made("at work"), False, True, "EXPECTED"),
        (NOTHING, Made("at work"), True, True, "LATE"),
        (NOTHING, Made("failed"), False, False, "FAILED"),
        (WHOLE, Made("failed"), True, False, "FAILED"),  # the last attempt counts
        (WHOLE, Made("open"), True, False, "COMPLETE"),  # whoever made it
        (Finding(OutputState.PARTIAL), Made("open"), False, False, "PARTIAL"),
        (Finding(OutputState.PARTIAL), Made("at work"), True, True, "LATE"),
        (Finding(OutputState.EMPTY_OK), Made("open"), True, False, "MISSING"),  # nobody looked
        (Finding(OutputState.EMPTY_OK), DONE, True, False, "EMPTY_OK"),
    ],
)
def test_the_state_of_an_output(found: Finding, made: Made, overdue: bool, pending: bool, state: str) -> None:
    assert state_of(found, made, overdue=overdue, pending=pending)[0].value == state


def evidence(
    games: int | None, counts: dict[str, int] | None, raw: dict[Any, dict[date, Held]] | None = None, *, over: int = 0
) -> Evidence:
    days = {} if games is None else {DAY: GameDay(DAY, games, over)}
    known = KnownGames(days, frozenset() if games is not None else frozenset({DAY}))
    counted = None if counts is None else Counts({DAY: counts})
    return Evidence(facts_of(DAY, counted, known), counted, raw or {})


def held(records: int, given: str | None = "digest") -> dict[date, Held]:
    return {DAY: Held("sha", given, filled_in=False, records=records)}


CONTEXT = Recipe("code", writes=("nba_analytics.upcoming_team_game_context",))
SUMMARY = Recipe("code", writes=("nba_analytics.player_game_summary",))
FEATURES = Recipe("code", writes=("nba_precompute.ml_feature_store",))
INJURIES = Recipe("code", raw=("injuries",), writes=("nba_raw.injuries", "nba_raw.injuries_quarantine"))
SCHEDULE = Recipe("code", collects="schedule")
INJURY_FILES = Recipe("code", collects="injuries")
IN_RAW = {"games": 2, "games in nba_raw": 2}


@pytest.mark.parametrize(
    ("recipe", "made", "there", "state", "reason"),
    [
        (CONTEXT, DONE, evidence(2, {**IN_RAW, CONTEXT.writes[0]: 4}), "COMPLETE", None),
        (CONTEXT, DONE, evidence(2, {**IN_RAW, CONTEXT.writes[0]: 3}), "PARTIAL", "3 of 4 teams"),
        (CONTEXT, DONE, evidence(2, IN_RAW), "MISSING", "no row: the date has 2 games"),
        # The warehouse lacks the games as well: the calendar knows of them.
        (CONTEXT, DONE, evidence(2, {}), "MISSING", "no row: the date has 2 games"),
        # None of the games is over.
        (SUMMARY, DONE, evidence(2, IN_RAW), "EMPTY_OK", "the date has no games over"),
        (SUMMARY, DONE, evidence(2, {**IN_RAW, "games over": 2}), "MISSING", "no row: the date has 2 games over"),
        # Nobody can say who played lately where the games of the date are not in the warehouse.
        (FEATURES, DONE, evidence(2, {}), "MISSING", "no row: nothing proves that there is none"),
        (FEATURES, DONE, evidence(2, IN_RAW), "EMPTY_OK", "the date has no teams that played lately"),
        # The schedule does not cover the date.
        (CONTEXT, DONE, evidence(None, {}), "MISSING", "no row: nothing proves that there is none"),
        # Incident 13: the files lay there, and were reported as no data.
        (INJURIES, DONE, evidence(2, IN_RAW, {"injuries": held(59)}), "MISSING", "59 records"),
        (INJURIES, DONE, evidence(2, IN_RAW, {"injuries": held(0)}), "EMPTY_OK", "the source has none"),
        (INJURIES, DONE, evidence(2, IN_RAW), "MISSING", "nothing proves"),
        (SCHEDULE, DONE, evidence(2, IN_RAW, {"schedule": held(2)}), "COMPLETE", None),
        (SCHEDULE, DONE, evidence(2, IN_RAW, {"schedule": held(1)}), "PARTIAL", "1 of 2 games"),
        (SCHEDULE, DONE, evidence(2, IN_RAW, {"schedule": held(0)}), "MISSING", "is empty: the date has 2 games"),
        (None, Made("done", rows=0), evidence(2, IN_RAW), "MISSING", "nothing proves"),
        # The raw files are on another machine.
        (
            INJURY_FILES,
            Made("done", run_id="run-1", rows=0),
            evidence(2, IN_RAW),
            "MISSING",
            "0 records, and nothing proves",
        ),
        (INJURY_FILES, Made("done", run_id="run-1", rows=5), evidence(2, IN_RAW), "COMPLETE", None),
        (None, Made("done", rows=7), evidence(2, IN_RAW), "COMPLETE", None),
    ],
)
def test_inv_15_rows_are_counted_and_no_data_is_proven(
    recipe: Recipe | None, made: Made, there: Evidence, state: str, reason: str | None
) -> None:
    found = find(recipe, made, DAY, there)
    assert found.state is not None
    assert found.state.value == state, found
    assert (reason or "") in (found.reason or "")


@pytest.mark.parametrize(
    ("judgement", "state"),
    [
        (Judgement("stale", "gone", "it is gone"), "MISSING"),
        (Judgement("stale", "input", "the source changed"), "STALE"),
        (Judgement("incomplete", "incomplete", "a game is not over"), "PARTIAL"),
        (Judgement("fresh"), "COMPLETE"),
    ],
)
def test_what_is_there_may_be_made_of_old_data(judgement: Judgement, state: str) -> None:
    record = TaskRecord("upcoming_team_game_context", required=True, status=TaskStatus.SUCCEEDED, rows=4)
    made = Made("done", by="run-1", run_id="run-1", rows=4, judgement=judgement, record=record)
    found = find(CONTEXT, made, DAY, evidence(2, {**IN_RAW, CONTEXT.writes[0]: 4}))
    assert found.state is not None
    assert found.state.value == state


def test_rows_of_a_table_that_nothing_measures_are_compared_with_what_was_written() -> None:
    recipe = Recipe("code", writes=("nba_predictions.player_prop_predictions",))
    record = TaskRecord("player_prop_predictions", required=True, status=TaskStatus.SUCCEEDED, rows=6)
    made = Made("done", by="run-1", run_id="run-1", rows=6, record=record)
    found = find(recipe, made, DAY, evidence(2, {**IN_RAW, recipe.writes[0]: 3}))
    assert (found.state, found.reason) == (OutputState.PARTIAL, "3 of the 6 rows that run-1 wrote")


def test_an_output_is_on_time_if_it_was_made_before_it_was_due() -> None:
    due = datetime(2025, 1, 16, 11, tzinfo=UTC)
    output = Output(GameDate(DAY), "phase4", "x", OutputState.COMPLETE, required=True, due_at=due, made_at=due)
    assert output.on_time
    late = Output(
        GameDate(DAY),
        "phase4",
        "x",
        OutputState.COMPLETE,
        required=True,
        due_at=due,
        made_at=due + timedelta(minutes=1),
    )
    assert not late.on_time
