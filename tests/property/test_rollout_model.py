"""Staged rollouts against a plain model: ticks, operators, numbers and health in any order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nbactl.core.flags.moves import OFF, UNSET, Position, move, position_of
from nbactl.core.flags.store import FlagStore
from nbactl.errors import UnavailableError
from nbactl.rollouts.guards import MetricReading
from nbactl.rollouts.health import ServiceHealth
from nbactl.rollouts.model import RolloutAction, RolloutStatus
from nbactl.rollouts.rules import RolloutRules
from nbactl.rollouts.store import RolloutStore
from nbactl.rollouts.tick import Ticker
from nbactl.testing import FakeClock, memory_documents
from tests.kit.budget import budget
from tests.kit.rollouts import rollout_file

if TYPE_CHECKING:
    from nbactl.ports.alerts import Alert

KEY: Final = "query_caching"
HOUR: Final = 3600.0
FILE: Final = rollout_file(KEY)
STAGES: Final = FILE.rollout.plans["staged"].stages
READINGS: Final[dict[str, MetricReading | None]] = {
    "good": MetricReading(0.02, 50),
    "bad": MetricReading(0.021, 50),
    "few": MetricReading(1.0, 49),
    "none": None,
    "down": None,
}
HEALTH: Final[dict[str, list[ServiceHealth] | None]] = {
    "well": [ServiceHealth("worker", green=True, detail="pass")],
    "ill": [ServiceHealth("worker", green=False, detail="fail")],
    "unknown": None,
}
BAKED = st.sampled_from([3.99, 4.0, 23.99, 24.0])
HOURS = st.sampled_from([0.0, 0.01, 3.99, 4.0, 24.0])
NUMBERS = st.sampled_from(["good", "good", "bad", "few", "none", "down"])
WELL = st.sampled_from(["well", "well", "ill", "unknown"])
PLACES = st.sampled_from([UNSET, Position(5.0, enabled=True), Position(30.0, enabled=True), OFF])


@dataclass(frozen=True)
class Model:
    """What is expected. `flag` is where the flag stands, `moved` whether by hand; `steps` are those that were taken."""

    flag: Position = UNSET
    status: RolloutStatus | None = None
    stage: int = 0
    entered: datetime | None = None
    before: Position = UNSET
    moved: bool = False
    steps: tuple[RolloutAction, ...] = ()

    def step(self, action: RolloutAction, **changes: Any) -> Model:
        return replace(self, steps=(*self.steps, action), **changes)

    def at(self, stage: int, now: datetime) -> dict[str, Any]:
        flag = Position(STAGES[stage - 1].percent, enabled=True)
        return {"flag": flag, "stage": stage, "entered": now, "moved": False, "status": RolloutStatus.RUNNING}

    def aborted(self) -> Model:
        lower = self.flag.enabled and (not self.before.enabled or self.before.percent < self.flag.percent)
        return self.step(RolloutAction.ABORT, status=RolloutStatus.ABORTED, flag=self.before if lower else self.flag)

    def ticked(self, numbers: str, health: str, now: datetime) -> Model:
        if self.status is not RolloutStatus.RUNNING:
            return self
        if self.moved:
            return self.step(RolloutAction.PAUSE, status=RolloutStatus.PAUSED)
        if numbers == "bad":
            return self.aborted()
        assert self.entered is not None
        if now - self.entered < timedelta(seconds=STAGES[self.stage - 1].bake) or numbers != "good":
            return self
        if self.stage == len(STAGES):
            return self.step(RolloutAction.COMPLETE, status=RolloutStatus.COMPLETED)
        return self.step(RolloutAction.ADVANCE, **self.at(self.stage + 1, now)) if health == "well" else self


class Rollouts(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.store = memory_documents(self.clock)
        self.flags = FlagStore(self.store, self.clock)
        rules = RolloutRules(FILE, lambda: HEALTH[self.health])
        self.rollouts = RolloutStore(self.store, self.flags, self.clock.now, rules)
        self.told: list[Alert] = []
        self.numbers, self.health = "good", "well"
        self.ticker = Ticker(self.rollouts, self.flags, [self], lambda: HEALTH[self.health], self.told.append)
        self.model = Model()
        self.expected_told: list[str] = []

    name = "numbers"

    def read(self, _number: str, _since: datetime, _until: datetime) -> MetricReading | None:
        if self.numbers == "down":
            raise UnavailableError("no answer")
        return READINGS[self.numbers]

    def is_open(self) -> bool:
        return self.model.status in (RolloutStatus.RUNNING, RolloutStatus.PAUSED)

    def is_running(self) -> bool:
        return self.model.status is RolloutStatus.RUNNING

    def take(self, action: RolloutAction) -> None:
        rollout = self.rollouts.get(KEY)
        assert rollout is not None
        self.rollouts.mark_alerted(self.rollouts.take(rollout, action, by="ann", why="by hand"))

    @initialize(place=PLACES)
    def stand(self, place: Position) -> None:
        """Begin where an operator left the flag."""
        if place != UNSET:
            self.set_by_hand(place)

    @precondition(lambda self: not self.is_open())
    @rule()
    def start(self) -> None:
        here = self.model.flag
        stages = list(enumerate(STAGES, start=1))
        there = (n for n, each in stages[:-1] if 0 < here.percent == each.percent)
        stage = next(there, next((n for n, each in stages if each.percent > here.percent), None))
        if stage is None:
            return
        self.health = "well"  # what is refused otherwise: tests/unit/rollouts/test_rules.py
        self.rollouts.start(KEY, by="ann", why="new")
        self.model = replace(
            self.model, before=here, steps=(RolloutAction.START,), **self.model.at(stage, self.clock.now())
        )

    @rule(hours=BAKED)
    def go_well(self, hours: float) -> None:
        """What nearly always happens; without it hardly a rollout of a test would get to its end."""
        self.tick(hours, "good", "well", 1)

    @rule(hours=HOURS, numbers=NUMBERS, health=WELL, times=st.integers(1, 3))
    def tick(self, hours: float, numbers: str, health: str, times: int) -> None:
        """One tick, or several that all have read before the first steps: one step, told once."""
        self.clock.advance(hours * HOUR)
        self.numbers, self.health = numbers, health
        rollout = self.rollouts.get(KEY)
        if rollout is None or not self.is_running():
            assert self.ticker.tick(self.clock.now(), dry_run=False) == []
            return
        before, self.model = self.model, self.model.ticked(numbers, health, self.clock.now())
        decided = [self.ticker._step(rollout, self.clock.now(), dry_run=False) for _ in range(times)]
        stepped = self.model.steps != before.steps
        assert [each.done for each in decided] == [stepped] + [False] * (times - 1)
        if stepped:
            self.expected_told.append(self.model.steps[-1].value)

    @rule(numbers=NUMBERS, health=WELL)
    def look(self, numbers: str, health: str) -> None:
        """Looking changes nothing, and says what a tick would do."""
        self.numbers, self.health = numbers, health
        told = self.ticker.tick(self.clock.now(), dry_run=True)
        would = self.model.ticked(numbers, health, self.clock.now())
        action = RolloutAction.HOLD if would.steps == self.model.steps else would.steps[-1]
        assert [each.decision.action for each in told] == ([action] if self.is_running() else [])

    @precondition(lambda self: not self.is_running() or self.model.stage == len(STAGES))
    @rule(place=PLACES)
    def set_by_hand(self, place: Position) -> None:
        planned = move(KEY, self.flags.get(KEY), place, salt="salt", stages=[])
        self.flags.change([planned.change], by="bob", reason="by hand")
        self.model = replace(self.model, flag=place, moved=self.model.status is not None)

    @precondition(lambda self: self.is_running() and self.model.stage > 1)
    @rule()
    def pause(self) -> None:
        self.take(RolloutAction.PAUSE)
        self.model = self.model.step(RolloutAction.PAUSE, status=RolloutStatus.PAUSED)

    @precondition(lambda self: self.model.status is RolloutStatus.PAUSED)
    @rule()
    def resume(self) -> None:
        self.health = "well"
        resumed = self.rollouts.start(KEY, by="ann", why="by hand")
        self.rollouts.mark_alerted(resumed)
        self.model = self.model.step(RolloutAction.RESUME, **self.model.at(self.model.stage, self.clock.now()))

    @precondition(lambda self: self.is_running() and not self.model.moved and self.model.stage < len(STAGES))
    @rule()
    def advance(self) -> None:
        self.take(RolloutAction.ADVANCE)
        self.model = self.model.step(RolloutAction.ADVANCE, **self.model.at(self.model.stage + 1, self.clock.now()))

    @precondition(lambda self: self.model.status is RolloutStatus.PAUSED)
    @rule()
    def abort(self) -> None:
        self.take(RolloutAction.ABORT)
        self.model = self.model.aborted()

    @invariant()
    def the_flag_is_where_the_model_has_it(self) -> None:
        assert position_of(self.flags.get(KEY)) == self.model.flag

    @invariant()
    def the_rollout_is_where_the_model_has_it_and_no_step_is_missing_or_doubled(self) -> None:
        rollout = self.rollouts.get(KEY)
        if rollout is None:
            assert self.model.status is None
            return
        assert (rollout.status, rollout.stage) == (self.model.status, self.model.stage)
        assert tuple(entry.action for entry in rollout.history) == self.model.steps

    @invariant()
    def each_step_of_a_tick_is_told_once(self) -> None:
        assert [alert.title.partition(": ")[2].partition(",")[0] for alert in self.told] == self.expected_told
        assert len({alert.key for alert in self.told}) == len(self.told)


TestRollouts = Rollouts.TestCase
TestRollouts.settings = budget(150, steps=50)
