"""The hand-offs of the shipped phases on a store: what is reported goes in, and triggers come out on a bus."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from nbactl.bootstrap.phases import successors
from nbactl.config.expected import expectations
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.core._support.gamedate import GameDate
from nbactl.core.outbox.outbox import KEY_ATTRIBUTE, Outbox
from nbactl.core.phases.decision import CompletionDeadline
from nbactl.core.phases.documents import document_path
from nbactl.core.phases.handoff import HandOffs
from nbactl.core.phases.messages import Completion
from nbactl.core.phases.publishing import HandOffLimits
from nbactl.core.phases.recording import PhaseRecorder
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock, memory_bus
from tests.kit.production import DAY, NIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Event
    from nbactl.core.phases.documents import PhaseDocument
    from nbactl.core.phases.messages import CompletionStatus
    from nbactl.core.phases.recording import Recording
    from nbactl.core.phases.sweeping import PhaseSweep
    from nbactl.ports.alerts import Alert
    from nbactl.ports.bus import MessageBus, OutgoingMessage
    from nbactl.ports.documents import DocumentStore

DATE: Final = GameDate(date.fromisoformat(DAY))
PENDING, CONFIRM, OVERDUE = 180.0, 600.0, 7200.0


@cache
def shipped() -> WorkflowsFile:
    """Return the workflows.yaml that comes with nbactl."""
    return load_config(shipped_config_dir()).workflows


TOPICS: Final = ("nba-phase3-trigger", "nba-phase4-trigger", "nba-predictions-trigger", "nba-phase6-export-trigger")


class Switchboard:
    """A bus that can be down."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.down = False

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None, *, ordering_key: str = ""
    ) -> str:
        if self.down:
            raise UnavailableError("the bus is down")
        return self.bus.publish(topic, data, attributes, ordering_key=ordering_key)

    def publish_many(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:
        if self.down:
            raise UnavailableError("the bus is down")
        return self.bus.publish_many(topic, messages)


class Night:
    """A game date under way, on any store. `began` has the phases that left a trace; `enforced` is the flag."""

    def __init__(
        self,
        store: DocumentStore,
        *,
        start: datetime = NIGHT,
        day: GameDate = DATE,
        target: str = "gcp",
        clock: Clock | None = None,
        bus: MessageBus | None = None,
    ) -> None:
        self.store = store
        self.day = day
        self.clock = cast("FakeClock", clock or FakeClock(start))
        self._kept = memory_bus(self.clock, *TOPICS) if bus is None else bus
        self.bus = Switchboard(self._kept)
        self.alerts: list[Alert] = []
        self.events: list[Event] = []
        self.began: set[str] = set()
        self.enforced = False
        self.outbox = Outbox(store, self.bus, self.clock, redrive_after=120.0, keep=3600.0)
        expected = expectations(shipped(), cast("Any", target))
        self.recorder = PhaseRecorder(
            HandOffs(
                store,
                self.outbox,
                self.clock,
                {name: expectation for name, expectation in expected.items() if name != "phase1"},
                successors(shipped()),
                limits=HandOffLimits(PENDING, CONFIRM, OVERDUE),
                deadline=self._deadline,
                alert=self.alerts.append,
                hook=self.events.append,
            ),
            lambda phase, _day, _since: phase in self.began,
        )

    def _deadline(self, phase: str, _: GameDate) -> CompletionDeadline | None:
        return CompletionDeadline(1800.0, self.enforced) if phase == "phase2" else None

    def completion(
        self, phase: str, name: str, status: str = "success", rows: int | None = 120, **more: Any
    ) -> Completion:
        fields = {"execution_id": f"exec-{name}", "at": self.clock.now(), **more}
        return Completion(name, phase, self.day, cast("CompletionStatus", status), rows, **fields)

    def report(
        self, phase: str, *names: str, status: str = "success", rows: int | None = 120, **more: Any
    ) -> list[Recording]:
        """Record the completion of each name."""
        return [self.recorder.record(self.completion(phase, name, status, rows, **more)) for name in names]

    def later(self, **of: float) -> PhaseSweep:
        """Let time pass, and sweep."""
        self.clock.advance(timedelta(**of).total_seconds())
        return self.recorder.sweep()

    def document(self, phase: str) -> PhaseDocument:
        stored = self.store.get(document_path(phase, self.day))
        return self.recorder._hand_offs.parse(phase, self.day, stored)

    def raw(self, phase: str) -> dict[str, Any]:
        stored = self.store.get(document_path(phase, self.day))
        assert stored is not None
        return stored.data

    def triggers(self, topic: str) -> list[dict[str, Any]]:
        """Return what was published to start a phase, each message under `key`."""
        messages = self._kept.messages(topic)  # type: ignore[attr-defined]
        return [{**json.loads(one.data), "key": one.attributes[KEY_ATTRIBUTE]} for one in messages]

    def keys(self, topic: str) -> list[str]:
        return [trigger["key"] for trigger in self.triggers(topic)]

    @contextmanager
    def bus_down(self) -> Iterator[None]:
        self.bus.down = True
        yield
        self.bus.down = False


PHASE3_TOPIC, PHASE4_TOPIC, PHASE5_TOPIC, PHASE6_TOPIC = TOPICS
