"""A store with prediction batches, the completions migration on it, and a clock to move."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from nbactl.core._support.aio import Cancellation
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.bulk import BulkWriter
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.documents import batch_path, completions_of
from nbactl.core.completions.stages import StageReader, mode_in_force
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.core.lease.leases import Leases
from nbactl.migrations.completions.limits import MigrationLimits
from nbactl.migrations.completions.migration import Caller, CompletionsMigration
from nbactl.migrations.completions.selection import Selection
from nbactl.migrations.model import Operator
from nbactl.ports.documents import Create, Query
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from nbactl.migrations.work import ProgressEvent
    from nbactl.ports.documents import DocumentStore

DAY = 86_400.0
LIMITS = MigrationLimits(
    settle=17.0,
    max_age=3600.0,
    reads_bake=7 * DAY,
    cleanup_bake=14 * DAY,
    poll=1.0,
    second_look=0.05,
    recheck=0.02,
    lease_ttl=30.0,
    lease_renew=10.0,
    mark_forgotten=30 * DAY,
)
TTL = 5.0
ALL = Selection()


class PassingClock(FakeClock):
    """A clock to move, whose pauses take a moment: for a store that has a clock of its own."""

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.02))
        super().sleep(seconds)


class Lab:
    """What a test of the migration works with."""

    def __init__(
        self, store: DocumentStore, folder: Path, *, clock: FakeClock, owner: str = "a", project: str = "local"
    ) -> None:
        self.store = store
        self.clock = clock
        self.folder = folder
        self.events: list[ProgressEvent] = []
        self.cancellation = Cancellation()
        self.caller = Caller(Operator("ada@host", "because"), self.events.append, self.cancellation)
        self.migration = CompletionsMigration(
            store,
            self.clock,
            Leases(store, self.clock, is_dead=lambda _: False),
            owner=lambda: owner,
            project=project,
            limits=LIMITS,
            bulk_writer=lambda _rate: BulkWriter(
                store, retry=RetryPolicy("test", attempts=5, base=0.01), clock=self.clock, rng=random.Random(2)
            ),
            exports=folder,
        )

    def tracker(self, environment: Mapping[str, str] | None = None) -> CompletionTracker:
        """Return a writer, with a cached stage of its own."""
        stages = StageReader(self.store, self.clock, ttl=TTL)
        return CompletionTracker(
            self.store,
            self.clock,
            mode=mode_in_force(stages, environment or {}),
            acting=10.0,
            retry=RetryPolicy("test", attempts=20, base=0.01, cap=0.1),
            rng=random.Random(1),
        )

    def batch(self, name: str, players: Iterable[Any] = (), **fields: Any) -> None:
        """Write a batch as old code left it: the array alone."""
        array = list(players)
        document = {
            "batch_id": name,
            "game_date": "2024-01-15",
            "expected_players": max(len(array), 1),
            "completed_players": array,
            "failed_players": [],
            "completed_count": len(array),
            "total_predictions": 0,
            "is_complete": False,
            "start_time": self.clock.now(),
            "completion_time": None,
            "correlation_id": "c",
            **fields,
        }
        kept = {key: value for key, value in document.items() if value is not ...}
        self.store.commit([Create(batch_path(name), kept)])

    def live_batch(self, name: str, expected: int = 10) -> None:
        """Begin a batch as the coordinator does."""
        self.tracker().create_batch(name, GameDate.parse("2024-01-15", now=self.clock.now()), expected, "c")

    def array(self, name: str) -> list[Any] | None:
        """Return the array of a batch, None if there is none."""
        found = self.store.get(batch_path(name))
        assert found is not None
        return found.data.get("completed_players")

    def counter(self, name: str) -> Any:
        """Return the counter of a batch."""
        found = self.store.get(batch_path(name))
        assert found is not None
        return found.data.get("completed_count")

    def documents(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the completions of a batch by the name of their documents."""
        return {each.id: each.data for each in self.store.query(Query(completions_of(name)))}

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.sleep(seconds)

    def settled(self) -> None:
        """Let every writer learn of the last step."""
        self.advance(LIMITS.settle + 0.1)

    def to(self, stage: str) -> None:
        """Go forward to `stage` by the steps of an operator."""
        steps = {
            "dual_write": lambda: self.migration.start_dual_write(self.caller),
            "backfilled": lambda: self.migration.backfill(ALL, self.caller),
            "validated": lambda: self.migration.validate(ALL, self.caller),
            "reads_switched": self._switch,
            "dual_write_stopped": self._stop,
            "cleaned": self._clean,
        }
        for name, step in steps.items():
            if list(steps).index(name) > self.position(steps):
                step()
                self.settled()
                assert self.migration.stage == name
            if name == stage:
                return

    def position(self, steps: Mapping[str, Any]) -> int:
        """Return where among `steps` the migration is."""
        stage = self.migration.stage.value
        return list(steps).index(stage) if stage in steps else -1

    def _switch(self) -> None:
        if self.migration.record.read().last_validation is None:  # after a rollback
            self.migration.validate(ALL, self.caller)
        self.migration.switch_reads(self.caller)

    def _stop(self) -> None:
        self.advance(LIMITS.reads_bake)
        self.migration.validate(ALL, self.caller)
        self.migration.stop_dual_write(self.caller)

    def _clean(self) -> None:
        self.advance(LIMITS.cleanup_bake)
        self.migration.clean_up(self.caller)
