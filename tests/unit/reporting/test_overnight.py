"""What is said of a night, by records of ours and of production, and by the grid."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.expected import expectations
from nbactl.config.loader import load_config
from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.documents import read_phases
from nbactl.core.phases.history import ProcessorRun
from nbactl.core.season.idle import Idle
from nbactl.errors import NotFoundError
from nbactl.outputs.model import Grid, Output, OutputState
from nbactl.reporting.overnight.judging import Overnight
from nbactl.reporting.overnight.sessions import NightRecords
from nbactl.testing import FakeClock, memory_documents
from nbactl.workflows.ledger import Ledger
from nbactl.workflows.model import RunStatus
from tests.kit import run_records
from tests.kit.production import PHASE2, PHASE3, PHASE4, put, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.ports.documents import DocumentStore
    from nbactl.reporting.overnight.model import OvernightReport

DAY = GameDate(date(2025, 1, 15))
MIDNIGHT = datetime(2025, 1, 16, 5, tzinfo=UTC)
"""In New York, at the end of the game date."""
NOW = MIDNIGHT + timedelta(hours=12)
WORKFLOWS = load_config(None).workflows
PHASES = tuple(WORKFLOWS.phases)


def at(hour: float, day: GameDate = DAY) -> datetime:
    """Return a time of the night after a game date, in hours after midnight in New York."""
    return MIDNIGHT + timedelta(days=(day.day - DAY.day).days, hours=hour)


class Night:
    """The records of nights, in a store; the grid is that of DAY."""

    def __init__(self, store: DocumentStore) -> None:
        self.store = store
        self.ledger = Ledger(store, FakeClock(NOW), is_dead=lambda _: False)
        self.outputs: dict[str, Output] = {
            use.task: Output(DAY, name, use.task, OutputState.COMPLETE, use.required, by="run-1", rows=10, unit="rows")
            for name, phase in WORKFLOWS.phases.items()
            for use in phase.tasks
        }
        self.idle: dict[GameDate, Idle] = {}
        self.history: list[ProcessorRun] = []
        self.no_history = False
        self.questions: list[str] = []
        self._runs = 0

    def run(self, phase: str, start: float, end: float | None, status: str = "succeeded", day: GameDate = DAY) -> None:
        """Record a run of ours, in hours after midnight."""
        self._runs += 1
        record = replace(
            run_records.run(status=status),
            run_id=f"run-{self._runs}",
            name=phase,
            game_date=day,
            started_at=at(start, day),
            finished_at=None if end is None else at(end, day),
            status=RunStatus(status),
        )
        self.ledger.start(record, supersedes=None)

    def night(self, day: GameDate = DAY, *, hours: float = 0.5) -> None:
        """Record a night of ours: a phase each half hour from 02:00 on, the last ends at 05:00."""
        for number, phase in enumerate(PHASES):
            self.run(phase, 2 + 0.5 * number, 2 + 0.5 * number + hours, day=day)

    def documents(self, minutes: Sequence[float], phase: str, names: Sequence[str], **fields: Any) -> None:
        """Record a phase as production does; the names report in turn, in minutes after 04:00."""
        reports = {
            name: report(completed_at=at(4) + timedelta(minutes=minute))
            for name, minute in zip(names, minutes, strict=False)
        }
        put(self.store, {f"{phase}_completion/{DAY}": {**reports, "_triggered": True, **fields}})

    def set(self, name: str, state: OutputState, **more: Any) -> None:
        self.outputs[name] = replace(self.outputs[name], state=state, **more)

    def validate(self, target: Any = "local", now: datetime = NOW) -> OvernightReport:
        expected = expectations(WORKFLOWS, target)
        known = {name: expectation.known for name, expectation in expected.items()}

        def history(first: GameDate, last: GameDate) -> list[ProcessorRun]:
            self.questions.append(f"history {first} to {last}")
            if self.no_history:
                raise NotFoundError("there is no such table")
            return self.history

        def grid(first: GameDate, last: GameDate) -> Grid:
            self.questions.append(f"grid {first} to {last}")
            outputs = () if first in self.idle else tuple(self.outputs.values())
            return Grid(outputs, self.idle, now)

        records = NightRecords(
            self.ledger,
            "sample",
            self.store,
            expected,
            lambda days: read_phases(self.store, known, days),
            history if target == "gcp" else None,
        )
        return Overnight(WORKFLOWS, records, grid, 6 * 3600).validate(DAY, now)

    def failed(self, target: Any = "local", now: datetime = NOW) -> dict[str, str]:
        return {check.name: check.detail for check in self.validate(target, now).checks if check.ok is False}


@pytest.fixture
def night() -> Iterator[Night]:
    with closing(memory_documents(FakeClock(NOW))) as store:
        yield Night(store)


def test_a_good_night_of_ours_passes(night: Night) -> None:
    night.night()
    found = night.validate()
    assert found.ok
    assert [check.name for check in found.checks] == [
        "ran", *(f"due:{phase}" for phase in PHASES), "total", "fallback", "rows",
    ]  # fmt: skip
    assert {check.ok for check in found.checks} == {True}
    fourth = next(phase for phase in found.phases if phase.name == "phase4")
    assert fourth.session is not None
    assert (fourth.session.by, fourth.session.seconds, fourth.waited) == ("nbactl", 1800, 0)
    assert (fourth.due_at, fourth.late, fourth.rows) == (at(6), None, 50)
    assert night.questions == [f"grid {DAY} to {DAY}"]


@pytest.mark.parametrize(
    ("phase", "end", "detail"),
    [
        ("phase4", 6.0, None),
        ("phase4", 6.05, "ended at 2025-01-16 06:03, due at 2025-01-16 06:00, 3m00s late"),
        ("phase5", 7.0, None),
        ("phase5", 7.25, "ended at 2025-01-16 07:15, due at 2025-01-16 07:00, 15m00s late"),
    ],
)
def test_phase_4_is_due_at_six_and_predictions_at_seven(
    night: Night, phase: str, end: float, detail: str | None
) -> None:
    for name in PHASES:
        night.run(name, 3, end if name == phase else 3)
    failed = night.failed()
    assert failed.pop(f"due:{phase}", None) == detail
    assert not failed.keys() - {"fallback"}


def test_what_is_not_due_yet_is_no_failure(night: Night) -> None:
    for phase in PHASES[:3]:
        night.run(phase, 2, 3)
    for name, output in night.outputs.items():
        if output.phase in PHASES[3:]:
            night.set(name, OutputState.EXPECTED, by=None, rows=None)
    found = night.validate(now=at(5.5))
    open_ones = {check.name for check in found.checks if check.ok is None}
    assert {"ran", "due:phase4", "due:phase5", "due:phase6"} <= open_ones
    assert not {check.name for check in found.checks if check.ok is False} - {"fallback"}
    assert {"due:phase4", "due:phase5", "due:phase6"} <= night.failed(now=at(9)).keys()


@pytest.mark.parametrize(("start", "failed"), [(-0.9, False), (-1.0, True)])
def test_a_cascade_of_six_hours_is_too_long(night: Night, start: float, failed: bool) -> None:
    for phase in PHASES:
        night.run(phase, *{"phase1": (start, 0.0), "phase6": (4.0, 5.0)}.get(phase, (3.0, 3.0)))
    found = {check.name: check for check in night.validate().checks}
    assert (found["total"].ok is False) is failed
    assert found["total"].detail.endswith(" from the first start to the last end, of 6h00m")


@pytest.mark.parametrize("status", ["failed", "cancelled", "running"])
def test_a_phase_that_did_not_end_well_is_not_done(night: Night, status: str) -> None:
    for phase in PHASES:
        night.run(phase, 3, None if status == "running" else 3, "succeeded" if phase != "phase5" else status)
    night.set("player_prop_predictions", OutputState.FAILED, by="run-9", rows=None, reason="boom")
    failed = night.failed()
    assert failed["ran"] == "not there: all of phase5"
    assert failed["due:phase5"] == "not done, due at 2025-01-16 07:00"


def test_the_run_that_came_first_counts_not_a_repair_at_noon(night: Night) -> None:
    night.night()
    night.run("phase4", 11, 11.5)
    assert not night.failed()


def test_work_of_the_same_day_is_not_that_of_the_night(night: Night) -> None:
    for phase in PHASES:
        night.run(phase, -13.5, -13)  # 10:30 on the game date, for the players of the evening
    found = night.validate()
    assert all(phase.session is None for phase in found.phases)
    assert {check.name: check.ok for check in found.checks}["due:phase4"] is None


# What went on with less than everything


def test_a_partial_run_is_a_fallback_unless_a_whole_one_made_up_for_it(night: Night) -> None:
    for phase in PHASES:
        night.run(phase, 3, 3, "partial" if phase == "phase2" else "succeeded")
    assert night.failed() == {"fallback": "phase2: run-2 ended as partial"}
    night.run("phase2", 3, 3)
    assert not night.failed()


def test_a_phase_that_began_before_what_it_needs_was_done_is_a_fallback(night: Night) -> None:
    """As with --upstream skip."""
    for number, phase in enumerate(PHASES):
        night.run(phase, 2 + 0.5 * number - (0.25 if phase == "phase4" else 0), 2.5 + 0.5 * number)
    assert night.failed() == {"fallback": "phase4: it began before phase3 had ended"}


def test_a_phase_that_began_without_what_it_needs_is_a_fallback(night: Night) -> None:
    for phase in PHASES:
        if phase != "phase3":
            night.run(phase, 3, 3.5 if phase in PHASES[3:] else 3)
    for name, output in night.outputs.items():
        if output.phase == "phase3":
            night.set(name, OutputState.MISSING, by=None, rows=None)
    assert "phase4: it began without phase3" in night.failed()["fallback"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"_trigger_reason": "all_complete"}, None),
        ({"_trigger_reason": "critical_plus_majority_80pct"}, "handed on as critical_plus_majority_80pct"),
        ({"_trigger_reason": "deadline_with_4_of_5"}, "handed on as deadline_with_4_of_5"),
        (
            {"_partial": True, "_missing": ["team_offense_game_summary"]},
            "handed on at its deadline without team_offense_game_summary",
        ),
    ],
)
def test_how_production_handed_a_phase_on_tells_fallbacks(
    night: Night, fields: dict[str, Any], said: str | None
) -> None:
    night.documents([0, 1, 2, 3, 4], "phase3", PHASE3, **fields)
    phase = next(phase for phase in night.validate("gcp").phases if phase.name == "phase3")
    assert phase.fallback == said


def test_a_processor_with_part_of_its_data_is_a_fallback(night: Night) -> None:
    night.documents([0, 1, 2, 3, 4], "phase3", PHASE3, player_game_summary=report("partial", completed_at=at(4)))
    assert "phase3: partial: player_game_summary" in night.failed("gcp")["fallback"]


# Rows


def test_green_without_rows_is_found(night: Night) -> None:
    night.night()
    night.set("ml_feature_store", OutputState.MISSING, rows=0, reason="0 rows: the date has 9 games")
    assert night.failed()["rows"] == "ml_feature_store MISSING (0 rows: the date has 9 games)"


def test_half_of_the_games_is_found_and_what_is_optional_is_not(night: Night) -> None:
    night.night()
    night.set("p2_injuries", OutputState.PARTIAL)
    assert not night.failed()
    night.set("player_game_summary", OutputState.PARTIAL, reason="7 of 18 teams")
    assert night.failed().keys() == {"rows"}


def test_inv_24_rows_that_nobody_counted_are_no_success(night: Night) -> None:
    night.night()
    for name in night.outputs:
        night.set(name, OutputState.COMPLETE, rows=None)
    assert {check.name: check.ok for check in night.validate().checks}["rows"] is None


# Production


def production(night: Night) -> None:
    night.documents([0, 1, 2, 3, 4], "phase2", PHASE2)
    night.documents([10, 11, 12, 13, 14], "phase3", PHASE3, _trigger_reason="all_complete")
    night.documents([30, 31, 32, 33, 45], "phase4", PHASE4, _trigger_reason="all_complete")
    batch = {
        "game_date": str(DAY), "expected_players": 2, "is_complete": True, "completed_players": ["a", "b"],
        "start_time": at(4.8), "completion_time": at(6.5), "correlation_id": "corr-1",
    }  # fmt: skip
    put(night.store, {"prediction_batches/batch-1": batch})


def test_the_night_of_production_is_read_from_its_documents_history_and_batch(night: Night) -> None:
    production(night)
    night.history = [
        ProcessorRun(processor=name, raw_name=name, run_id=name, status="success", game_date=DAY, started_at=at(hour))
        for name, hour in (("ml_feature_store", 4.4), ("player_daily_cache", 4.3), ("player_game_summary", -13))
    ]
    found = night.validate("gcp")
    by_name = {phase.name: phase.session for phase in found.phases}
    fourth, fifth = by_name["phase4"], by_name["phase5"]
    assert fourth is not None
    assert (fourth.started_at, fourth.ended_at) == (at(4.3), at(4.75))
    assert (fourth.by, fourth.complete) == ("production", True)
    assert by_name["phase3"] is not None
    assert by_name["phase3"].started_at == at(4) + timedelta(minutes=10), "the history has only the day's run"
    assert fifth is not None
    assert (fifth.run_id, fifth.ended_at) == ("batch-1", at(6.5))
    assert not night.failed("gcp")
    assert {check.name: check.ok for check in found.checks}["due:phase1"] is None
    assert night.questions[0] == f"grid {DAY} to {DAY}"
    assert night.questions[1] == f"history {DAY.plus(-30)} to {DAY}"


def test_without_a_run_history_the_first_completion_is_the_start(night: Night) -> None:
    production(night)
    night.no_history = True
    fourth = next(phase.session for phase in night.validate("gcp").phases if phase.name == "phase4")
    assert fourth is not None
    assert fourth.started_at == at(4.5)


def test_a_phase_without_a_critical_processor_is_not_done(night: Night) -> None:
    production(night)
    night.documents([30, 31, 32, 33], "phase4", PHASE4)
    assert "due:phase4" in night.failed("gcp")


def test_a_batch_that_was_closed_because_it_stalled_is_a_fallback(night: Night) -> None:
    production(night)
    path = "prediction_batches/batch-1"
    stored = night.store.get(path)
    assert stored is not None
    put(night.store, {path: {**stored.data, "stall_completed": True, "stall_reason": "96 % done, quiet for 10m"}})
    assert night.failed("gcp")["fallback"] == "phase5: the batch was closed early: 96 % done, quiet for 10m"
    put(night.store, {path: {**stored.data, "is_complete": False, "completion_time": None}})
    assert night.failed("gcp")["due:phase5"] == "not done, due at 2025-01-16 07:00"


def test_a_batch_that_cannot_be_read_is_named(night: Night) -> None:
    put(night.store, {"prediction_batches/odd": {"game_date": str(DAY), "start_time": "in the evening"}})
    [warning] = night.validate("gcp").warnings
    assert "start_time" in warning


# Timing


def test_a_night_is_compared_with_the_nights_before(night: Night) -> None:
    for number in range(1, 31):
        night.night(DAY.plus(-number), hours=0.5 if number > 1 else 1.0)
    night.night(DAY.plus(-31), hours=24)  # too long ago
    night.night()
    timing = {one.name: one for one in night.validate().timing}
    assert (timing["phase4"].nights, timing["phase4"].median, timing["phase4"].p95) == (30, 1800, 1800)
    assert (timing["phase4"].this_night, timing["phase4"].slow) == (1800, False)
    assert timing["cascade"].this_night == 3 * 3600


@pytest.mark.parametrize(("hours", "slow"), [(0.74, False), (0.76, True)])
def test_half_as_long_again_as_the_slow_nights_is_slow(night: Night, hours: float, slow: bool) -> None:
    for number in range(1, 6):
        night.run("phase4", 3, 3.5, day=DAY.plus(-number))
    night.run("phase4", 3, 3 + hours)
    found = night.validate()
    [fourth] = [one for one in found.timing if one.name == "phase4"]
    assert fourth.slow is slow
    said = "phase4 took 45m36s, and 95 of 100 nights at most 30m00s"
    assert (said in found.warnings) is slow
    assert not [check for check in found.checks if check.ok is False and "phase4 took" in check.detail]


def test_with_few_nights_nothing_is_slow(night: Night) -> None:
    for number in range(1, 5):
        night.run("phase4", 3, 3.1, day=DAY.plus(-number))
    night.run("phase4", 3, 5)
    [fourth] = [one for one in night.validate().timing if one.name == "phase4"]
    assert (fourth.nights, fourth.slow) == (4, False)


# Nothing to look at


def test_an_idle_date_passes_without_a_further_question(night: Night) -> None:
    night.idle = {DAY: Idle("no_games", "the schedule has no games")}
    found = night.validate("gcp")
    assert found.ok
    assert [(check.name, check.detail) for check in found.checks] == [
        ("idle", "no_games: the schedule has no games")
    ]  # fmt: skip
    assert night.questions == [f"grid {DAY} to {DAY}"]


def test_inv_24_without_any_record_there_is_nothing_to_say(night: Night) -> None:
    night.outputs = {}
    found = night.validate()
    assert (found.seen, found.ok, found.checks) == (False, False, ())
