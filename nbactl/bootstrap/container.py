"""The container: everything that one process works with, each part made when it is first asked for.

This file wires policy, the same on every target. Which adapter serves a port is in `local.py` and `gcp.py`;
`completions.py`, `flags.py`, `messaging.py` and `runs.py` build what takes more than a few lines.
"""

from __future__ import annotations

import logging
import os
import random
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Final, Self

from nbactl.bootstrap.completions import make_batch_resets, make_completion_tracker, make_completions_migration
from nbactl.bootstrap.flags import make_flags, make_rollouts, make_ticker
from nbactl.bootstrap.messaging import (
    make_alert_channels,
    make_alerts,
    make_dead_letters,
    make_idempotency,
    make_outbox,
    make_sentry,
    sweep_expired,
)
from nbactl.bootstrap.runs import (
    make_ledger,
    make_planner,
    make_processor_resources,
    make_row_buffer,
    make_runner,
    make_source,
    make_warehouse,
)
from nbactl.bootstrap.tables import make_table_changes
from nbactl.bootstrap.target import target_of
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.observe.events import noop_hook

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from nbactl.adapters.gcpproject.project import GoogleProject
    from nbactl.adapters.sentry.sink import SentrySink
    from nbactl.bootstrap.target import Target
    from nbactl.config.loader import Config
    from nbactl.config.settings import Settings
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.alerts import Alerts
    from nbactl.core.calls.policies import CallPolicies
    from nbactl.core.calls.shared_breakers import BreakerSync, SharedBreakers
    from nbactl.core.completions.batches import Batches
    from nbactl.core.completions.reset import Resets
    from nbactl.core.completions.stages import ModeOfBatch, StageReader
    from nbactl.core.completions.tracker import CompletionTracker
    from nbactl.core.dead_letters.dead_letters import DeadLetters
    from nbactl.core.flags.client import Flags
    from nbactl.core.flags.store import FlagStore
    from nbactl.core.lease.leases import Leases
    from nbactl.core.observe.events import Hook
    from nbactl.core.observe.failures import Failures, Sink
    from nbactl.core.once.idempotency import Idempotency
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.core.phases.modes import PhaseExpectation
    from nbactl.deployments.adoptions import Adoptions
    from nbactl.deployments.changes import ServiceChanges
    from nbactl.deployments.log import DocumentLog, FileLog
    from nbactl.migrations.completions.migration import CompletionsMigration
    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.pipeline.sources.base import GameSource
    from nbactl.ports.alerts import Alert, AlertChannel
    from nbactl.ports.bus import MessageBus
    from nbactl.ports.compute import Compute, TaskContext, TaskOutcome
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.services import DeployedServices
    from nbactl.ports.warehouse import JobHistory, Warehouse
    from nbactl.rollouts.store import RolloutStore
    from nbactl.rollouts.tick import Ticker
    from nbactl.warehouse.apply.engine import TableChanges
    from nbactl.warehouse.buffer import RowBuffer
    from nbactl.workflows.freshness import CurrentVersions, Freshness
    from nbactl.workflows.ledger import Ledger
    from nbactl.workflows.planner import Planner
    from nbactl.workflows.production import Production
    from nbactl.workflows.runner import Runner

_LOG = logging.getLogger(__name__)
_CLOSED: Final = ("warehouse", "deployed_services", "gcp_project", "engine", "sentry")
"""What is closed, in this order: what uses a thing before the thing."""


class Container:
    """Everything that one call of nbactl works with. Close it, or use it as a context manager.

    Under `settings.state_dir` lie `documents.db`, `data/<source>/` with `warehouse.duckdb` and `raw/`,
    `data/gcp-<project>/<source>/raw/`, `logs/` and `crash/`.
    """

    name: str = "nbactl"
    """The name under which failures are reported."""
    command: str = "python"
    """The command that was called, such as `schedule tick`; by default none was, but a function."""
    in_process: bool = False
    """Whether tasks run in this process though the target is gcp. Set it before anything that runs is asked for."""
    participant: str = ""
    """The service that leaves a mark of the stage that it knows. A command leaves none: it is gone in a moment."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        reads_only: bool = False,
        environ: Mapping[str, str] | None = None,
        hook: Hook = noop_hook,
        notice: Callable[[str], None] = _LOG.warning,
    ) -> None:
        """With `reads_only` a document store that is not there yet counts as an empty one, and is not made.

        `environ` is by default that of the process; `hook` gets the events of everything made here; `notice` gets a
        message about what could not be read and was left out.
        """
        self.settings = settings
        self.clock = clock or SystemClock()
        self.environ = os.environ if environ is None else environ
        self.reads_only = reads_only
        self.hook = hook
        self._notice = notice
        self._noticed: set[str] = set()
        self.rng = random.SystemRandom()
        self.ids = TimeSortedIds(self.clock, self.rng)
        self.closing = ExitStack()
        """What is to be closed before the stores are."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened."""
        with ExitStack() as last:
            for name in reversed(_CLOSED):
                if (opened := self.__dict__.get(name)) is not None:
                    last.callback(opened.close)
            self.closing.close()

    def notice(self, message: str) -> None:
        """Pass on what the operator should know beside the result, each message once."""
        if message not in self._noticed:
            self._noticed.add(message)
            self._notice(message)

    # Configuration and target

    @cached_property
    def config(self) -> Config:
        """The three YAML files. Raises ConfigError."""
        from nbactl.config.loader import load_config

        return load_config(self.settings.config_dir, self.environ)

    @cached_property
    def target(self) -> Target:
        """The target's choice of adapters."""
        return target_of(self.settings)

    @cached_property
    def policies(self) -> CallPolicies:
        """The call policy of each dependency."""
        from nbactl.core.calls.policies import CallPolicies

        return CallPolicies(self.config.timeouts.calls(), clock=self.clock, rng=self.rng, hook=self.hook)

    @cached_property
    def expectations(self) -> Mapping[str, PhaseExpectation]:
        """What is expected to report of each phase. Beside Pub/Sub's emulator services of this machine report."""
        from nbactl.config.expected import expectations

        own = self.settings.target == "local" or self.environ.get("PUBSUB_EMULATOR_HOST")
        return expectations(self.config.workflows, "local" if own else "gcp")

    # Ports

    @cached_property
    def engine(self) -> DocumentStore:
        """The document store itself, whose reads and writes are not counted."""
        return self.target.documents(self)

    @cached_property
    def documents(self) -> DocumentStore:
        """The document store of the target. Raises ConfigError where target gcp lacks its project or client."""
        if self.hook is noop_hook:
            return self.engine
        from nbactl.core.observe.counted_documents import CountedDocuments

        return CountedDocuments(self.engine, self.hook)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse of the target, with the data of the source, behind the query cache."""
        return make_warehouse(self)

    @cached_property
    def job_history(self) -> JobHistory:
        """The history of the warehouse's jobs. Raises PreconditionError on a target that keeps none."""
        return self.target.job_history(self)

    @cached_property
    def bus(self) -> MessageBus:
        """The message bus of the target."""
        return self.target.bus(self)

    @cached_property
    def compute(self) -> Compute:
        """What executes tasks."""
        return self.target.compute(self)

    @cached_property
    def deployed_services(self) -> DeployedServices:
        """The services of the region. Raises ConfigError where target gcp lacks its project or Google's packages."""
        return self.target.deployed_services(self)

    @cached_property
    def gcp_project(self) -> GoogleProject:
        """The project of target gcp, to be checked. Raises ConfigError without a project or Google's packages."""
        from nbactl.bootstrap.project import gcp_project

        return gcp_project(self)

    # Coordination

    @cached_property
    def leases(self) -> Leases:
        """The leases; those of dead processes of this machine are free."""
        from nbactl.core.lease.holder import is_dead
        from nbactl.core.lease.leases import Leases

        return Leases(self.documents, self.clock, is_dead=is_dead, notice=self.notice)

    @cached_property
    def shared_breakers(self) -> SharedBreakers:
        """The states of breakers, shared between processes."""
        from nbactl.core.calls.shared_breakers import SharedBreakers

        return SharedBreakers(self.documents, self.clock, notice=self.notice)

    @cached_property
    def breaker_beat(self) -> BreakerSync:
        """What keeps the breakers of `policies` in step with other processes once it is started."""
        from nbactl.core.calls.shared_breakers import BreakerSync

        beat = BreakerSync(
            self.shared_breakers,
            lambda: list(self.policies.breakers.values()),
            every=self.config.timeouts.interval("breakers.sync"),
            rng=self.rng,
        )
        self.closing.callback(beat.close)
        return beat

    def idempotency_of(self, owner: str) -> Idempotency:
        """Return what does work once per key that the flag is on for; `owner` names the process."""
        return make_idempotency(self, owner)

    # Flags

    @cached_property
    def flag_store(self) -> FlagStore:
        """The stored states of the feature flags."""
        from nbactl.core.flags.store import FlagStore

        return FlagStore(self.documents, self.clock)

    @cached_property
    def flags(self) -> Flags:
        """The flags as they are when a command first asks for one. Raises UnavailableError without the store."""
        flags = make_flags(self, None)
        flags.refresh()
        return flags

    @cached_property
    def rollouts(self) -> RolloutStore:
        """The staged rollouts of flags."""
        return make_rollouts(self)

    def ticker(self, alert: Callable[[Alert], None]) -> Ticker:
        """Return what decides on rollouts; `alert` gets every step. Raises ConfigError for wrong variables."""
        return make_ticker(self, alert)

    # Completions

    @cached_property
    def stages(self) -> StageReader:
        """The stage of the migration of completions."""
        from nbactl.core.completions.stages import StageReader

        ttl = self.config.timeouts["completions.stage_ttl"]
        return StageReader(self.documents, self.clock, ttl=ttl, service=self.participant)

    @cached_property
    def completion_mode(self) -> ModeOfBatch:
        """What says where the completions of a batch go. Flags are not read once the migration has begun."""
        from nbactl.core.completions.stages import mode_by_flags

        return mode_by_flags(self.stages, lambda: self.flags, self.environ)

    @cached_property
    def completions(self) -> CompletionTracker:
        """The completions of prediction batches, to be recorded."""
        return make_completion_tracker(self)

    @cached_property
    def batches(self) -> Batches:
        """The prediction batches, to be looked at."""
        from nbactl.core.completions.batches import Batches

        return Batches(self.documents, self.completion_mode)

    @cached_property
    def batch_resets(self) -> Resets:
        """What resets prediction batches, and undoes a reset."""
        return make_batch_resets(self)

    @cached_property
    def completions_migration(self) -> CompletionsMigration:
        """The migration of completions from the array to the subcollection."""
        return make_completions_migration(self)

    def table_changes(self, *, rate: float | None = None, max_bytes: int | None = None) -> TableChanges:
        """Return what applies plans to tables of the warehouse; limits in bytes a second, and a statement."""
        return make_table_changes(self, rate, max_bytes)

    # Messages, alerts and failures

    @cached_property
    def outbox(self) -> Outbox:
        """The messages that are committed together with the change that they announce."""
        return make_outbox(self)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """The messages that could not be delivered."""
        return make_dead_letters(self)

    @cached_property
    def row_buffer(self) -> RowBuffer:
        """The bookkeeping rows that are on their way into the warehouse."""
        return make_row_buffer(self)

    def sweep_expired(self) -> int:
        """Delete expired documents and return how many, unless the store does that by itself."""
        return sweep_expired(self)

    @cached_property
    def alert_channels(self) -> Mapping[str, AlertChannel]:
        """The channels of alerts outside of this process by name, except those that are configured wrongly."""
        return make_alert_channels(self)

    def alerts(self, console: AlertChannel | None = None, dispatcher: Callable[[], object] | None = None) -> Alerts:
        """Return what sends alerts; `console` shows them to the person at this terminal.

        `dispatcher` sends what is in the outbox, where something does that in the background.
        """
        return make_alerts(self, console, dispatcher)

    @cached_property
    def failures(self) -> Failures:
        """Where failures are reported that the log has already, such as those of tasks."""
        from nbactl.core.observe.failures import Failures

        return Failures(*self.failure_sinks)

    @property
    def failure_sinks(self) -> Sequence[Sink]:
        """Where failures go beside the log. Raises ConfigError for a wrong address or a missing client."""
        return () if self.sentry is None else (self.sentry,)

    @cached_property
    def sentry(self) -> SentrySink | None:
        """Sentry, if NBACTL_SENTRY_DSN is set."""
        return make_sentry(self)

    # Deployed services

    @cached_property
    def service_changes(self) -> ServiceChanges:
        """What changes services, and undoes it."""
        from nbactl.deployments.changes import ServiceChanges

        place = f"{self.settings.project}/{self.settings.region}" if self.target.HAS_DEPLOYED_SERVICES else "local"
        return ServiceChanges(self.deployed_services, clock=self.clock, ids=self.ids, place=place)

    @cached_property
    def adoptions(self) -> Adoptions:
        """What was taken over from deployed services into the flag store."""
        from nbactl.deployments.adoptions import Adoptions

        place = f"{self.settings.project}/{self.settings.region}"
        return Adoptions(self.documents, self.flag_store, clock=self.clock, ids=self.ids, place=place)

    @cached_property
    def service_change_log(self) -> DocumentLog:
        """The changes of services, in the document store."""
        from nbactl.deployments.log import DocumentLog

        return DocumentLog(self.documents)

    @cached_property
    def service_change_files(self) -> FileLog:
        """The changes of services that are made while the store is down, in files."""
        from nbactl.deployments.log import FileLog
        from nbactl.deployments.records import COLLECTION

        return FileLog(self.settings.state_dir / COLLECTION)

    def gcloud(self, verb: str, service: str, *options: str) -> str:
        """Return the command of Google's own tool for a service."""
        from nbactl.bootstrap import gcp

        return gcp.gcloud(self, verb, service, *options)

    # Pipeline

    @cached_property
    def source(self) -> GameSource:
        """The source of game data. Raises UsageError for a source that does not exist."""
        return make_source(self)

    @cached_property
    def data_dir(self) -> Path:
        """The folder of this source's raw files, which carry fencing tokens of one target, and local warehouse."""
        data = self.settings.state_dir / "data"
        return (data / f"gcp-{self.settings.project}" if self.settings.target == "gcp" else data) / self.source.key

    @cached_property
    def processor_resources(self) -> ProcessorResources:
        """What processors work with."""
        return make_processor_resources(self)

    @property
    def processors(self) -> Collection[str]:
        """The names of the registered processors."""
        from nbactl.pipeline.registry import PROCESSORS

        return PROCESSORS

    def run_processor(self, name: str, context: TaskContext) -> TaskOutcome:
        """Run a registered processor."""
        from nbactl.pipeline.registry import run

        return run(name, self.processor_resources, context)

    # Runs

    @cached_property
    def ledger(self) -> Ledger:
        """The history of runs."""
        return make_ledger(self)

    @cached_property
    def versions(self) -> CurrentVersions:
        """What says whether finished tasks are fresh, of the data of `source`."""
        return self.target.versions(self)

    @cached_property
    def freshness(self) -> Freshness:
        """What judges finished runs. Nothing is opened before there is something to judge."""
        from nbactl.bootstrap.runs import make_freshness

        return make_freshness(self)

    @cached_property
    def production(self) -> Production:
        """What reads what production did. Nothing is opened before a date is asked for."""
        from nbactl.bootstrap.runs import make_production

        return make_production(self)

    @cached_property
    def planner(self) -> Planner:
        """What turns requests into plans."""
        return make_planner(self)

    def mode_applies(self, day: GameDate) -> bool:  # noqa: ARG002 - a service looks at the date
        """Say whether execution_mode of workflows.yaml applies to a date. For a command it always does."""
        return True

    @cached_property
    def runner(self) -> Runner:
        """What executes requests; every run and task is an event for `hook`."""
        return make_runner(self)
