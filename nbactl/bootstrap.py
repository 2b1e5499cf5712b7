"""The composition root: settings to adapters to services, each made when it is first asked for."""

from __future__ import annotations

import dataclasses
import os
import random
from functools import cached_property
from typing import TYPE_CHECKING, Self

from nbactl.core.clock import SystemClock
from nbactl.core.ids import TimeSortedIds
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from pathlib import Path
    from types import TracebackType

    from nbactl.config.loader import Config
    from nbactl.config.settings import Settings
    from nbactl.core.bulk import BulkWriter
    from nbactl.core.clock import Clock
    from nbactl.core.completions.batches import Batches
    from nbactl.core.completions.mode import CompletionMode
    from nbactl.core.completions.reset import Resets
    from nbactl.core.completions.stages import StageReader
    from nbactl.core.completions.tracker import CompletionTracker
    from nbactl.core.flags.store import FlagStore
    from nbactl.core.lease import Leases
    from nbactl.migrations.completions.migration import CompletionsMigration
    from nbactl.pipeline.processor import Services
    from nbactl.pipeline.sources.base import Source
    from nbactl.ports.compute import Compute, TaskContext, TaskOutcome
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import TableSchema, Warehouse
    from nbactl.workflows.ledger import Ledger
    from nbactl.workflows.planner import Planner
    from nbactl.workflows.runner import Runner

WORKER = "nbactl.worker"
"""The module whose process runs a task with `isolate: process`."""


class Application:
    """Everything that one call of nbactl works with. Close it, or use it as a context manager.

    Under `settings.state_dir` lie `documents.db`, `data/<source>/` with `warehouse.duckdb` and `raw/`, `logs/` and
    `crash/`.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None, reads_only: bool = False) -> None:
        """With `reads_only` a ledger that is not there yet is taken for an empty one, and not made."""
        self.settings = settings
        self.clock = clock or SystemClock()
        self._reads_only = reads_only

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened."""
        made = self.__dict__
        for name in ("warehouse", "documents"):
            if name in made:
                made[name].close()

    @cached_property
    def config(self) -> Config:
        """The three YAML files. Raises ConfigError."""
        from nbactl.config.loader import load_config  # noqa: PLC0415 - loads pydantic

        return load_config(self.settings.config_dir)

    @cached_property
    def documents(self) -> DocumentStore:
        """The document store of the target. Raises ConfigError where target gcp lacks its project or client."""
        if self.settings.target == "gcp":
            return self._firestore()
        from nbactl.adapters.sqlite.documents import SqliteDocuments  # noqa: PLC0415 - loads sqlite3

        busy = self.config.timeouts["documents.busy"]
        path = self.settings.state_dir / "documents.db"
        missing = self._reads_only and not path.exists()
        return SqliteDocuments(":memory:" if missing else path, clock=self.clock, busy_timeout=busy)

    def _firestore(self) -> DocumentStore:
        from nbactl.adapters.firestore.opening import open_documents  # noqa: PLC0415

        return open_documents(
            self.settings.project,
            emulator=os.environ.get("FIRESTORE_EMULATOR_HOST"),
            timeouts=self.config.timeouts,
            clock=self.clock,
        )

    @cached_property
    def leases(self) -> Leases:
        """The leases, with the dead of this machine known."""
        from nbactl.core.holder import is_dead  # noqa: PLC0415
        from nbactl.core.lease import Leases  # noqa: PLC0415

        return Leases(self.documents, self.clock, is_dead=is_dead)

    @cached_property
    def ledger(self) -> Ledger:
        """The history of runs."""
        from nbactl.core.holder import is_dead  # noqa: PLC0415
        from nbactl.workflows.ledger import Ledger  # noqa: PLC0415

        return Ledger(self.documents, self.clock, is_dead=is_dead)

    @cached_property
    def stages(self) -> StageReader:
        """Where the migration of completions stands."""
        from nbactl.core.completions.stages import StageReader  # noqa: PLC0415

        return StageReader(self.documents, self.clock, ttl=self.config.timeouts["completions.stage_ttl"])

    @cached_property
    def completion_mode(self) -> Callable[[], CompletionMode]:
        """What says where completions go."""
        from nbactl.core.completions.mode import mode_in_force  # noqa: PLC0415

        return mode_in_force(self.stages, os.environ)

    @cached_property
    def completions(self) -> CompletionTracker:
        """Who of a prediction batch has completed."""
        from nbactl.core.completions.tracker import CompletionTracker  # noqa: PLC0415

        return CompletionTracker(
            self.documents,
            self.clock,
            mode=self.completion_mode,
            acting=self.config.timeouts["documents.write"],
            retry=self.config.timeouts.retry_policies["completions"].policy("completions"),
            rng=random.SystemRandom(),
        )

    @cached_property
    def batches(self) -> Batches:
        """The prediction batches, to look at."""
        from nbactl.core.completions.batches import Batches  # noqa: PLC0415

        return Batches(self.documents, self.completion_mode)

    @cached_property
    def batch_resets(self) -> Resets:
        """What takes back, and brings back, what a prediction batch has recorded."""
        from nbactl.core.completions.reset import Resets  # noqa: PLC0415

        retry = self.config.timeouts.retry_policies["completions"].policy("completions")
        return Resets(
            self.documents,
            self.clock,
            mode=self.completion_mode,
            ids=TimeSortedIds(self.clock),
            retry=retry,
            rng=random.SystemRandom(),
        )

    @cached_property
    def completions_migration(self) -> CompletionsMigration:
        """The migration of completions from the array to the subcollection."""
        from nbactl.core.holder import this_process  # noqa: PLC0415
        from nbactl.migrations.completions.limits import limits_from  # noqa: PLC0415
        from nbactl.migrations.completions.migration import CompletionsMigration  # noqa: PLC0415

        ids = TimeSortedIds(self.clock, random.SystemRandom())
        return CompletionsMigration(
            self.documents,
            self.clock,
            self.leases,
            owner=lambda: this_process(ids.new("migration")),
            project=self.settings.project or self.settings.target,
            limits=limits_from(self.config.timeouts),
            bulk_writer=self._bulk_writer,
            exports=self.settings.state_dir / "migrations",
        )

    def _bulk_writer(self, rate: float | None) -> BulkWriter:
        """Return what writes many documents, `rate` a second; without one as fast as Google advises for Firestore."""
        from nbactl.core.bulk import BulkWriter  # noqa: PLC0415
        from nbactl.core.throttle import Throttle  # noqa: PLC0415

        timeouts = self.config.timeouts
        in_cloud = self.settings.target == "gcp" and not os.environ.get("FIRESTORE_EMULATOR_HOST")
        return BulkWriter(
            self.documents,
            throttle=Throttle(self.clock, rate=rate) if rate is not None or in_cloud else None,
            retry=timeouts.call_policies["firestore"].settings("firestore", timeouts).retry,
            clock=self.clock,
            rng=random.SystemRandom(),
        )

    @cached_property
    def flag_store(self) -> FlagStore:
        """Where the feature flags stand."""
        from nbactl.core.flags.store import FlagStore  # noqa: PLC0415 - loads the hash

        return FlagStore(self.documents, self.clock)

    @cached_property
    def source(self) -> Source:
        """Where game data come from. Raises UsageError for a source that is none."""
        from nbactl.pipeline.sources import open_source  # noqa: PLC0415

        return open_source(self.settings.source, self.clock, self.config.timeouts)

    @cached_property
    def data_dir(self) -> Path:
        """The folder of this source's raw files and local warehouse."""
        return self.settings.state_dir / "data" / self.source.key

    @cached_property
    def tables(self) -> Mapping[str, TableSchema]:
        """The declared warehouse tables."""
        from nbactl.warehouse.tables import load_tables  # noqa: PLC0415

        return load_tables()

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse of the target, of this source's data."""
        self._require_local("the warehouse")
        from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse  # noqa: PLC0415
        from nbactl.core.holder import this_process  # noqa: PLC0415

        return DuckDbWarehouse(
            self.data_dir / "warehouse.duckdb",
            clock=self.clock,
            lock_wait=self.config.timeouts["warehouse.lock_wait"],
            holder=this_process("nbactl"),
        )

    @cached_property
    def services(self) -> Services:
        """What processors work with."""
        from nbactl.pipeline.processor import Services  # noqa: PLC0415
        from nbactl.pipeline.rawstore import RawStore  # noqa: PLC0415

        return Services(
            warehouse=lambda: self.warehouse,
            source=lambda: self.source,
            raw=RawStore(self.data_dir / "raw"),
            timeouts=self.config.timeouts,
            tables=lambda: self.tables,
        )

    @cached_property
    def planner(self) -> Planner:
        """What turns requests into plans; on a target without a ledger here, as if nothing had been run."""
        from nbactl.workflows.planner import NoHistory, Planner  # noqa: PLC0415
        from nbactl.workflows.settling import Settling  # noqa: PLC0415

        def game_dates(first: date, last: date) -> Sequence[date]:
            return self.source.game_dates(first, last)

        return Planner(
            self.config.workflows,
            self.config.timeouts,
            history=self.ledger if self.settings.target == "local" else NoHistory(),
            source=self.source.key,
            target=self.settings.target,
            game_dates=game_dates,
            settling=Settling(self.clock, self.config.timeouts["run.date_settled"]),
        )

    @cached_property
    def compute(self) -> Compute:
        """What executes tasks."""
        self._require_local("running tasks")
        from nbactl.adapters.inprocess.compute import InProcessCompute  # noqa: PLC0415

        return InProcessCompute(
            self.run_processor,
            worker=WORKER,
            # A mapping proxy cannot be sent to a child process.
            worker_setup=dataclasses.replace(self.settings, origins=dict(self.settings.origins)),
            grace=self.config.timeouts["run.stop_grace"],
        )

    def run_processor(self, name: str, context: TaskContext) -> TaskOutcome:
        """Run a registered processor."""
        from nbactl.pipeline.registry import run  # noqa: PLC0415

        return run(name, self.services, context)

    @cached_property
    def runner(self) -> Runner:
        """What executes requests."""
        from nbactl.core.holder import this_process  # noqa: PLC0415
        from nbactl.workflows.engine import Engine  # noqa: PLC0415
        from nbactl.workflows.runner import Runner  # noqa: PLC0415

        timeouts = self.config.timeouts
        rng = random.SystemRandom()
        return Runner(
            planner=self.planner,
            engine=Engine(self.compute, self.ledger, self.clock, rng, timeouts["run.stop_grace"]),
            ledger=self.ledger,
            leases=self.leases,
            timeouts=timeouts,
            clock=self.clock,
            ids=TimeSortedIds(self.clock, rng),
            owner=this_process,
        )

    def _require_local(self, what: str) -> None:
        if self.settings.target != "local":
            raise ConfigError(
                f"{what} on target {self.settings.target} is not in this version",
                cause="Of Google Cloud it has the documents only: what reads and changes them works there.",
                next_step="Use --target local; `nbactl config` and `nbactl run --dry-run` work for both targets.",
            )
