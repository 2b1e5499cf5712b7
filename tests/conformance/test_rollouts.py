"""What staged rollouts must do on every engine of documents."""

from __future__ import annotations

import itertools
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.audit.trail import AuditTrail
from nbactl.core.flags.moves import OFF, Position, move
from nbactl.core.flags.store import FlagStore
from nbactl.errors import PreconditionError, UnavailableError
from nbactl.ports.documents import Filter, Query
from nbactl.rollouts.guards import MetricReading
from nbactl.rollouts.health import ServiceHealth
from nbactl.rollouts.model import Rollout, RolloutAction, RolloutStatus
from nbactl.rollouts.rules import RolloutRules
from nbactl.rollouts.store import RolloutStore
from nbactl.rollouts.tick import BY, RolloutStep, Ticker
from nbactl.testing import FakeClock, faults
from tests.kit.rollouts import rollout_file

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.ports.alerts import Alert
    from nbactl.ports.documents import DocumentStore

HOUR = 3600.0


class Numbers:
    """A source that says what it is told to say."""

    name = "numbers"

    def __init__(self) -> None:
        self.reading: MetricReading | None = MetricReading(0.0, 100)
        self.down = False
        self.asked: list[tuple[datetime, datetime]] = []

    def read(self, number: str, since: datetime, until: datetime) -> MetricReading | None:
        assert number == "workflow_failure_rate"
        self.asked.append((since, until))
        if self.down:
            raise UnavailableError("no answer")
        return self.reading


class Lab:
    def __init__(self, store: DocumentStore) -> None:
        self.clock = FakeClock()
        self.store = store
        self.key = f"flag_{uuid.uuid4().hex}"
        self.flags = FlagStore(store, self.clock)
        self.file = rollout_file(self.key)
        self.rollouts = RolloutStore(store, self.flags, self.clock.now, RolloutRules(self.file, lambda: self.health))
        self.numbers = Numbers()
        self.health: list[ServiceHealth] | None = []
        self.alerts: list[Alert] = []
        self.ticker = Ticker(self.rollouts, self.flags, [self.numbers], lambda: self.health, self.alerts.append)
        ids, nowhere = TimeSortedIds(self.clock), Path("/nowhere")
        trail = AuditTrail(lambda: store, nowhere, self.clock, ids, patience=lambda: 9.0, notice=print)
        self.ticker = replace(self.ticker, audit=trail)

    def start(self, *, force: bool = False) -> Rollout:
        return self.rollouts.start(self.key, by="ann", why="new", force=force)

    def tick(self) -> RolloutStep | None:
        """Tick; returns what became of this lab's rollout. Other tests of the engine may have left theirs."""
        rollout = self.rollouts.get(self.key)
        if rollout is not None and rollout.alerted_version < rollout.version:
            self.ticker._send_alert(rollout)
            rollout = self.rollouts.get(self.key)
        if rollout is None or rollout.status is not RolloutStatus.RUNNING:
            return None
        return self.ticker._step(rollout, self.clock.now(), dry_run=False)

    def action(self) -> RolloutAction:
        decided = self.tick()
        assert decided is not None
        return decided.decision.action

    def percent(self) -> float | None:
        state = self.flags.get(self.key)
        assert state is not None
        return state.percent if state.enabled else None

    def set(self, to: Position) -> None:
        state = self.flags.get(self.key)
        self.flags.change([move(self.key, state, to, salt="salt", stages=[]).change], by="bob", reason="by hand")


class TestRollouts:
    @pytest.fixture
    def lab(self, store: DocumentStore) -> Lab:
        return Lab(store)

    def test_a_flag_goes_through_its_stages_when_each_has_baked_and_its_guards_passed(self, lab: Lab) -> None:
        lab.start()
        seen = [lab.percent()]
        for _ in range(4 + 4 + 24):
            assert lab.action() is RolloutAction.HOLD
            lab.clock.advance(HOUR)
            if lab.clock.monotonic() in (4 * HOUR, 8 * HOUR, 32 * HOUR):
                lab.tick()
                seen.append(lab.percent())
        rollout = lab.rollouts.get(lab.key)
        assert rollout is not None
        assert seen == [10.0, 50.0, 100.0, 100.0]
        assert [entry.action for entry in rollout.history] == [
            RolloutAction.START, RolloutAction.ADVANCE, RolloutAction.ADVANCE, RolloutAction.COMPLETE
        ]  # fmt: skip
        assert rollout.status is RolloutStatus.COMPLETED
        assert [(state.percent, state.stage, state.updated_by) for state in lab.flags.history(lab.key)] == [
            (100.0, 3, BY), (50.0, 2, BY), (10.0, 1, "ann")
        ]  # fmt: skip
        assert [alert.severity for alert in lab.alerts] == ["info"] * 3
        assert lab.tick() is None

    def test_each_step_of_a_tick_is_in_the_audit_trail(self, lab: Lab) -> None:
        lab.start()
        assert lab.action() is RolloutAction.HOLD
        lab.clock.advance(4 * HOUR)
        lab.tick()
        lab.numbers.reading = MetricReading(0.5, 50)
        lab.clock.advance(60.0)
        lab.tick()
        found = lab.store.query(Query("audit", (Filter("touches", "==", [f"rollout {lab.key}"]),)))
        entries = sorted((document.data for document in found), key=lambda entry: entry["at"])
        assert [(entry["action"], entry["by"], entry["outcome"]) for entry in entries] == [
            ("rollout.advance", "tick", "done"), ("rollout.abort", "tick", "done")
        ]  # fmt: skip
        assert entries[0]["undo"] == f"nbactl flags rollout abort {lab.key}"

    def test_a_breach_takes_the_flag_back_at_once_and_is_critical(self, lab: Lab) -> None:
        lab.start()
        lab.clock.advance(4 * HOUR)
        lab.tick()
        lab.numbers.reading = MetricReading(0.021, 50)
        lab.clock.advance(60.0)
        assert lab.action() is RolloutAction.ABORT
        assert lab.percent() == 0.0
        assert lab.alerts[-1].severity == "critical"
        assert "failures: 2.1% is above 2.0%" in lab.alerts[-1].text
        assert lab.tick() is None
        again = lab.start()
        assert (again.status, lab.percent()) == (RolloutStatus.RUNNING, 10.0)

    def test_what_stood_before_the_rollout_is_what_an_abort_goes_back_to(self, lab: Lab) -> None:
        lab.set(Position(5.0, enabled=True))
        lab.start()
        lab.numbers.reading = MetricReading(1.0, 50)
        assert lab.action() is RolloutAction.ABORT
        assert lab.percent() == 5.0

    def test_a_flag_that_was_off_goes_back_to_off(self, lab: Lab) -> None:
        lab.set(OFF)
        lab.start()
        lab.numbers.reading = MetricReading(1.0, 50)
        lab.tick()
        assert lab.percent() is None

    @pytest.mark.parametrize("silence", ["no data", "too little", "no answer", "ill", "unknown"])
    def test_silence_moves_nothing_neither_forward_nor_back(self, lab: Lab, silence: str) -> None:
        lab.start()
        lab.clock.advance(100 * HOUR)
        if silence == "no data":
            lab.numbers.reading = None
        elif silence == "too little":
            lab.numbers.reading = MetricReading(1.0, 49)
        elif silence == "no answer":
            lab.numbers.down = True
        elif silence == "ill":
            lab.health = [ServiceHealth("worker", green=False, detail="fail: documents")]
        else:
            lab.health = None
        for _ in range(3):
            decided = lab.tick()
            assert decided is not None
            assert (decided.decision.action, decided.done) == (RolloutAction.HOLD, False)
            lab.clock.advance(HOUR)
        assert lab.percent() == 10.0
        assert lab.alerts == []

    def test_only_what_came_since_the_stage_began_counts(self, lab: Lab) -> None:
        lab.start()
        begun = lab.clock.now()
        lab.clock.advance(60.0)
        lab.tick()
        assert lab.numbers.asked[-1] == (begun, lab.clock.now())
        lab.clock.advance(10 * HOUR)
        lab.tick()
        since, until = lab.numbers.asked[-1]
        assert (until - since).total_seconds() == 4 * HOUR

    @pytest.mark.parametrize("to", [Position(30.0, enabled=True), OFF])
    def test_a_flag_that_an_operator_moved_is_left_to_the_operator(self, lab: Lab, to: Position) -> None:
        lab.start()
        lab.set(to)
        lab.numbers.reading = MetricReading(1.0, 500)
        lab.clock.advance(100 * HOUR)
        decided = lab.tick()
        assert decided is not None
        assert decided.decision.action is RolloutAction.PAUSE
        assert "bob set the flag" in decided.decision.why
        assert lab.percent() == (to.percent if to.enabled else None)
        assert lab.alerts[-1].severity == "warning"
        assert lab.alerts[-1].title.endswith(f"pause, at {to.percent:g} %")
        assert lab.tick() is None, "a paused one is not moved"

    def test_a_paused_rollout_goes_on_at_its_stage_and_bakes_again(self, lab: Lab) -> None:
        rollout = lab.start()
        lab.clock.advance(3 * HOUR)
        paused = lab.rollouts.take(rollout, RolloutAction.PAUSE, by="ann", why="game night")
        assert lab.tick() is None or lab.rollouts.get(lab.key).status is RolloutStatus.PAUSED  # type: ignore[union-attr]
        paused = lab.rollouts.get(lab.key) or paused
        lab.clock.advance(100 * HOUR)
        lab.start()
        assert lab.percent() == 10.0
        assert lab.action() is RolloutAction.HOLD
        lab.clock.advance(4 * HOUR)
        assert lab.action() is RolloutAction.ADVANCE

    @pytest.mark.parametrize(("percent", "begins"), [(10.0, 10.0), (50.0, 50.0), (30.0, 50.0), (0.0, 10.0)])
    def test_a_flag_that_is_at_a_stage_already_bakes_there_first(self, lab: Lab, percent: float, begins: float) -> None:
        lab.set(Position(percent, enabled=True))
        lab.clock.advance(100 * HOUR)
        lab.start()
        assert lab.percent() == begins
        assert lab.action() is RolloutAction.HOLD
        lab.clock.advance(4 * HOUR)
        assert lab.action() is RolloutAction.ADVANCE

    def test_a_second_start_is_refused_and_a_flag_beyond_its_plan_too(self, lab: Lab) -> None:
        lab.start()
        with pytest.raises(PreconditionError, match="is being rolled out already"):
            lab.start()
        lab.set(Position(100.0, enabled=True))
        with pytest.raises(PreconditionError, match="its plan ends there"):
            lab.start(force=True)

    def test_of_two_operators_one_learns_that_the_other_was_faster(self, lab: Lab) -> None:
        rollout = lab.start()
        lab.rollouts.take(rollout, RolloutAction.PAUSE, by="ann", why="")
        with pytest.raises(PreconditionError, match="changed by somebody else"):
            lab.rollouts.take(rollout, RolloutAction.ADVANCE, by="bob", why="")
        assert lab.percent() == 10.0

    def test_an_operator_overrules_a_hold_by_force_but_neither_a_breach_nor_another_operator(self, lab: Lab) -> None:
        rollout, now = lab.start(), lab.clock.now()
        with pytest.raises(PreconditionError, match="does not advance: hold"):
            lab.ticker.next_step(rollout, now)
        assert lab.ticker.next_step(rollout, now, force=True) is RolloutAction.ADVANCE
        lab.numbers.reading = MetricReading(1.0, 500)
        with pytest.raises(PreconditionError, match="does not advance: abort"):
            lab.ticker.next_step(rollout, now, force=True)
        lab.set(OFF)
        with pytest.raises(PreconditionError, match="does not advance: pause"):
            lab.ticker.next_step(rollout, now, force=True)

    def test_inv_08_of_many_ticks_at_once_one_takes_the_step(self, lab: Lab) -> None:
        lab.start()
        lab.clock.advance(4 * HOUR)
        rollout = lab.rollouts.get(lab.key)
        assert rollout is not None
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda _: lab.ticker._step(rollout, lab.clock.now(), dry_run=False), range(8)))
        assert [each.done for each in done].count(True) == 1
        assert lab.percent() == 50.0
        assert len({alert.key for alert in lab.alerts}) == 1

    @pytest.mark.parametrize("point", ["rollout.before_step", "rollout.after_step", "documents.after_commit"])
    @pytest.mark.parametrize("breach", [False, True])
    def test_inv_20_a_tick_that_dies_anywhere_is_carried_on_by_the_next(
        self, lab: Lab, point: str, breach: bool
    ) -> None:
        class Killed(BaseException):
            """As a SIGKILL: nobody catches it."""

        lab.start()
        lab.clock.advance(4 * HOUR)
        if breach:
            lab.numbers.reading = MetricReading(1.0, 500)
        with faults.failing(point, Killed()), pytest.raises(Killed):
            lab.tick()
        for _ in range(2):
            lab.tick()
        assert lab.percent() == (0.0 if breach else 50.0)
        rollout = lab.rollouts.get(lab.key)
        assert rollout is not None
        assert [entry.action for entry in rollout.history] == [
            RolloutAction.START, RolloutAction.ABORT if breach else RolloutAction.ADVANCE
        ]  # fmt: skip
        assert {alert.key for alert in lab.alerts} == {f"rollout/{lab.key}/2"}, "and it is told, under one key"

    def test_a_store_that_is_down_for_an_hour_changes_nothing(self, lab: Lab) -> None:
        lab.start()
        lab.clock.advance(4 * HOUR)
        with faults.failing("documents.before_commit", UnavailableError("down"), times=10_000):
            for _ in range(3):
                decided = lab.tick()
                assert decided is not None
                assert decided.error is not None
                lab.clock.advance(1200.0)
        assert lab.percent() == 10.0
        assert lab.action() is RolloutAction.ADVANCE

    def test_whatever_comes_the_flag_is_only_where_the_plan_or_somebody_put_it(self, lab: Lab) -> None:
        lab.start()
        moves = itertools.cycle([0.0, 0.5, 0.0, 0.0, 0.01])
        for number, value in zip(range(60), moves, strict=False):
            lab.numbers.reading = MetricReading(value, 40 + number)
            lab.clock.advance(1.5 * HOUR)
            lab.tick()
            assert lab.percent() in {0.0, 10.0, 50.0, 100.0}
            rollout = lab.rollouts.get(lab.key)
            assert rollout is not None
            if rollout.status is RolloutStatus.ABORTED:
                assert lab.percent() == 0.0
                lab.start()
