"""Tasks as calls of loopback services, through the compute port."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.cloudrun.compute import CallTools, CloudRunCompute, FollowLimits
from nbactl.adapters.cloudrun.evidence import Evidence
from nbactl.adapters.cloudrun.identity import Identities
from nbactl.adapters.cloudrun.locator import ServiceLocator
from nbactl.adapters.cloudrun.records import CallRecords
from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.deadline import deadline_scope
from nbactl.core.observe.context import bound
from nbactl.ports.compute import TaskCall, TaskContext, Work
from nbactl.testing import memory_documents
from tests.kit.cloud_run import client
from tests.kit.cloud_run_server import REGION, cloud_run_server
from tests.kit.pipeline import PlainFence
from tests.kit.pipeline_services import pipeline_services

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.compute import TaskOutcome
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import Warehouse
    from tests.kit.cloud_run_server import CloudRun
    from tests.kit.pipeline_services import PipelineServices

DAY: Final = date(2024, 1, 15)
ANALYTICS: Final = "nba-phase3-analytics-processors"
SUMMARY: Final = "player_game_summary"
CLASS: Final = "PlayerGameSummaryProcessor"
BODY: Final = {"start_date": "{game_date}", "end_date": "{game_date}", "processors": [CLASS], "backfill_mode": False}
CALL: Final = {"path": "/process-date-range", "processor": CLASS, "body": BODY}


@dataclass
class Calls:
    """A compute on gcp with everything that it works with."""

    cloud: CloudRun
    services: PipelineServices
    documents: DocumentStore
    warehouse: Warehouse
    identities: Identities = field(default_factory=lambda: Identities(timeout=5.0, anonymous=True))
    done: set[tuple[str, str]] = field(default_factory=set)
    """The tasks of runs that the ledger has as done."""
    silence: float = 30.0
    regions: dict[str, str] = field(default_factory=dict)
    phases: dict[str, str] = field(default_factory=lambda: {SUMMARY: "phase3"})

    def compute(self) -> CloudRunCompute:
        clock = SystemClock()
        tools = CallTools(
            services=ServiceLocator(lambda _: client(self.cloud.address), REGION, self.regions),
            identities=self.identities,
            records=CallRecords(self.documents, clock, lambda run_id, task: (run_id, task) in self.done),
            evidence=Evidence(self.documents, lambda: self.warehouse, self.phases.get, timeout=10.0),
            warehouse=lambda: self.warehouse,
            clock=clock,
            limits=FollowLimits(connect=2.0, poll=0.02, silence=self.silence, accept=0.3, query=10.0),
        )
        return CloudRunCompute(tools)

    async def run_async(self, call: TaskCall) -> TaskOutcome:
        with deadline_scope(call.timeout, SystemClock()), bound(correlation_id=call.correlation_id, task=call.task):
            return await self.compute().run(TaskContext(call, PlainFence()))

    def run(self, run_id: str = "run-1", **how: Any) -> TaskOutcome:
        """Make one attempt at the task."""
        return asyncio.run(self.run_async(task_call(run_id, **how)))

    def record(self, key: str = f"{SUMMARY}:{DAY}") -> dict[str, Any]:
        """Return what is kept of a call."""
        document = self.documents.get(f"service_calls/{key}")
        assert document is not None
        return document.data


def task_call(
    run_id: str = "run-1",
    *,
    service: str = ANALYTICS,
    task: str = SUMMARY,
    parameters: dict[str, Any] | None = None,
    timeout: float = 20.0,
    **how: Any,
) -> TaskCall:
    work = Work("service", service, CALL if parameters is None else parameters)
    attempt = how.pop("attempt", 1)
    return TaskCall(run_id, "phase3", task, DAY, attempt, timeout, work, f"corr-{run_id}", "sample", **how)


@contextmanager
def open_calls(folder: Path) -> Iterator[Calls]:
    """Serve all services, deployed, and reporting to a document store and a warehouse."""
    documents = memory_documents(SystemClock())
    warehouse = DuckDbWarehouse(folder / "warehouse.duckdb", clock=SystemClock(), lock_wait=5.0, holder="test")
    with cloud_run_server() as cloud, pipeline_services(documents, warehouse) as services:
        services.deploy(cloud)
        yield Calls(cloud, services, documents, warehouse)
    warehouse.close()
