"""A healer as the container composes it, on a store, with a clock, a bus and a warehouse of the test."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.bootstrap.container import Container
from nbactl.bootstrap.healing import make_healer
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.testing import memory_bus
from tests.kit.handoffs import TOPICS, Switchboard
from tests.kit.migration import PassingClock
from tests.kit.production import DAY, NIGHT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.healing.healer import Healer, HealPlan
    from nbactl.healing.model import Case
    from nbactl.ports.alerts import Alert
    from nbactl.ports.documents import DocumentStore
    from nbactl.testing import FakeClock
    from nbactl.workflows.model import RunReport, RunRequest
    from tests.kit.engines import Engine

DATE = GameDate.iso(DAY)


@dataclass
class HealingLab:
    """A project in which things went wrong. `ran` has what repairs asked to be run."""

    app: Container
    clock: FakeClock
    bus: Switchboard
    alerts: list[Alert] = field(default_factory=list)
    ran: list[RunRequest] = field(default_factory=list)
    execute: Callable[[RunRequest], RunReport] | None = None

    @property
    def store(self) -> DocumentStore:
        return self.app.documents

    def healer(self, *kinds: str) -> Healer:
        """Return the healer of some kinds, or of all."""
        healer = make_healer(self.app, alert=self.alerts.append, execute=self._execute, by="heal")
        healer._kinds = {name: kind for name, kind in healer._kinds.items() if name in kinds or not kinds}
        return healer

    def look(self, *kinds: str, **options: Any) -> HealPlan:
        plan = self.healer(*kinds).look(**options)
        assert not plan.failed, plan.failed
        return plan

    def round(self, *kinds: str, **options: Any) -> list[Case]:
        """Look and heal as `heal --auto` does."""
        healer = self.healer(*kinds)
        plan = healer.look(auto=True, **options)
        assert not plan.failed, plan.failed
        return list(healer.heal(plan, "heal"))

    def states(self, *kinds: str, **options: Any) -> dict[str, str]:
        """Heal, and return the state of each object."""
        return {case.fault.object: case.state for case in self.round(*kinds, **options)}

    def published(self, topic: str) -> int:
        """Return how many messages were published to a topic."""
        return sum(1 for _ in cast("Any", self.bus.bus).messages(topic))

    def later(self, **of: float) -> None:
        self.clock.advance(of.get("seconds", 0.0) + 60 * of.get("minutes", 0.0) + 3600 * of.get("hours", 0.0))

    def _execute(self, request: RunRequest) -> RunReport:
        self.ran.append(request)
        assert self.execute is not None, "nothing is to be run"
        return self.execute(request)


@contextmanager
def healing_lab(engine: Engine, folder: Path, **given: Any) -> Iterator[HealingLab]:
    """Compose it on an engine; an emulator is target gcp."""
    options: dict[str, Any] = {"state_dir": str(folder / "state"), **given}
    if engine.capabilities.emulator:
        options |= {"target": "gcp", "project": engine.place}
    clock = PassingClock(NIGHT)
    app = Container(load_settings(options, {}, folder), clock=clock, environ={**os.environ, **engine.environment()})
    app.engine = engine.open(clock)
    app.warehouse = DuckDbWarehouse(folder / "w.duckdb", clock=clock, lock_wait=5.0, holder="test")
    bus = Switchboard(memory_bus(clock, *TOPICS))
    app.bus = cast("Any", bus)
    with app:
        yield HealingLab(app, clock, bus)
