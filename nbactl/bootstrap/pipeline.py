"""The pipeline: sources, warehouse, processors, and the engine that runs them."""

from __future__ import annotations

import dataclasses
import random
from functools import cached_property
from typing import TYPE_CHECKING

from nbactl.bootstrap.resilience import Resilience
from nbactl.core._support.ids import TimeSortedIds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.calls.policy import CallPolicy
    from nbactl.pipeline.processor import Services
    from nbactl.pipeline.sources.base import Source
    from nbactl.ports.compute import Compute, TaskContext, TaskOutcome
    from nbactl.ports.warehouse import TableSchema, Warehouse
    from nbactl.workflows.ledger import Ledger
    from nbactl.workflows.planner import Planner
    from nbactl.workflows.runner import Runner


WORKER = "nbactl.bootstrap.task_process"
"""The module whose process runs a task with `isolate: process`."""


class Pipeline(Resilience):
    """The pipeline: sources, warehouse, processors, and the engine that runs them."""

    @cached_property
    def ledger(self) -> Ledger:
        """The history of runs."""
        from nbactl.core.lease.holder import is_dead  # noqa: PLC0415
        from nbactl.workflows.ledger import Ledger  # noqa: PLC0415

        return Ledger(self.documents, self.clock, is_dead=is_dead)

    @cached_property
    def source(self) -> Source:
        """Where game data come from. Raises UsageError for a source that is none."""
        from nbactl.pipeline.sources import open_source  # noqa: PLC0415

        return open_source(self.settings.source, self.clock, self.config.timeouts, policy=self._scraper_policy)

    def _scraper_policy(self) -> CallPolicy:
        """Return how scrapers call: one breaker and one budget for all, in step with other processes."""
        policy = self.policies["scraper"]
        self.breaker_beat.start()
        return policy

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
        from nbactl.core import flags  # noqa: PLC0415 - loads the hash
        from nbactl.core.lease.holder import process_identity  # noqa: PLC0415
        from nbactl.warehouse.gateway import QueryGateway  # noqa: PLC0415

        engine = DuckDbWarehouse(
            self.data_dir / "warehouse.duckdb",
            clock=self.clock,
            lock_wait=self.config.timeouts["warehouse.lock_wait"],
            holder=process_identity("nbactl"),
        )
        return QueryGateway(
            engine,
            self.clock,
            enabled=lambda request: flags.on("query_caching", request),
            ttl=lambda: float(flags.parameter("QUERY_CACHE_TTL_SECONDS", 0)),
            project=self.settings.project,
            hook=self.hook,
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
            heeds_mode=self.heeds_mode,
        )

    def heeds_mode(self, day: GameDate) -> bool:  # noqa: ARG002 - a service looks at the date
        """Say whether execution_mode of workflows.yaml counts for a date. For a command it always does."""
        return True

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
        from nbactl.core.lease.holder import process_identity  # noqa: PLC0415
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
            owner=process_identity,
        )
