"""A runner on an in-memory store with a clock that jumps: nothing sleeps."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from nbactl.adapters.inprocess.compute import InProcessCompute
from nbactl.config.timeouts import TimeoutsFile
from nbactl.config.workflows import WorkflowsFile
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.gamedate import GameDate
from nbactl.core.lease.leases import Leases
from nbactl.testing import FakeClock, SequentialIds, memory_documents
from nbactl.workflows.engine import Engine
from nbactl.workflows.freshness import NoVersions
from nbactl.workflows.journal import DirectJournal
from nbactl.workflows.ledger import Ledger
from nbactl.workflows.model import RunRequest
from nbactl.workflows.planner import Planner
from nbactl.workflows.runner import Runner
from nbactl.workflows.settling import Settling
from tests.kit.config_models import model_of
from tests.kit.workflow_tasks import WORLD, World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.compute import TaskContext, TaskOutcome
    from nbactl.workflows.model import RunEvent, RunPlan, RunRecord, RunReport

DAY = GameDate(date(2024, 1, 15))
DAY_AFTER = datetime(2024, 1, 16, 12, 0, tzinfo=UTC)
SETTLED = 28 * 3600.0
"""Seconds from midnight Eastern: DAY is settled at 9:00 UTC of the day after."""
GRACE = 1.0
_WHY = "because a test wants it"


def timeouts() -> TimeoutsFile:
    """Return timeouts: tasks 60 s, retry policy `thrice` without jitter, deadlines, leases."""
    limits = {"task": "60s", "short": "5s", "run.cancel_poll": "1s", "run.stop_grace": "1s"}
    return model_of(
        TimeoutsFile,
        {
            "version": 1,
            "timeouts": {name: {"limit": limit, "why": _WHY} for name, limit in limits.items()},
            "retry_policies": {
                "thrice": {"attempts": 3, "base": "2s", "cap": "10s", "jitter": False, "why": _WHY},
                "at_once": {"attempts": 3, "base": "1ms", "cap": "1ms", "jitter": False, "why": _WHY},
                "jittered": {"attempts": 3, "base": "2s", "cap": "10s", "why": _WHY},
            },
            "deadlines": {"soon": {"limit": "30s", "why": _WHY}},
            "breakers": {},
            "call_policies": {},
            "leases": {"run": {"ttl": "30s", "renew_every": "10s", "why": _WHY}},
            "retention": {},
        },
    )


def workflows(
    tasks: Mapping[str, Mapping[str, Any]],
    *,
    phases: Mapping[str, Mapping[str, Any]] | None = None,
    uses: Sequence[Any] | None = None,
    **workflow: Any,
) -> WorkflowsFile:
    """Return a file with these tasks, and a workflow `w` of all of them (or of `uses`)."""
    alert = {"severity": "info", "channels": ("log",)}
    declared = {name: {"description": name, "timeout": "task", **_does(task)} for name, task in tasks.items()}
    chosen = tuple({"task": use} if isinstance(use, str) else use for use in (uses or tasks))
    return model_of(
        WorkflowsFile,
        {
            "version": 1,
            "timezone": "America/New_York",
            "tasks": declared,
            "phases": {
                name: {"description": name, "service": "s", "topic": "t", **phase}
                for name, phase in (phases or {}).items()
            },
            "workflows": {"w": {"description": "w", "tasks": chosen, **workflow}},
            "alerts": {"run_failed": alert, "run_partial": alert},
        },
    )


def _does(task: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(task)
    if not {"call", "command", "processor", "service"} & given.keys():
        given["call"] = "tests.kit.workflow_tasks:work"
    return given


def _no_processor(name: str, context: TaskContext) -> TaskOutcome:
    raise AssertionError(f"no test declares a processor: {name}, {context}")


@dataclass
class Harness:
    """Runs workflows; `events` has what observers were told, `sets` the processors that take sets of dates."""

    workflows: WorkflowsFile
    clock: FakeClock = field(default_factory=lambda: FakeClock(DAY_AFTER, autojump=True))
    documents: Any = None
    target: Any = "local"
    owner: str = "me"
    dead: set[str] = field(default_factory=set)
    game_dates: Any = None
    versions: Any = field(default_factory=NoVersions)
    sets: Any = None
    events: list[RunEvent] = field(default_factory=list)
    cancellation: Cancellation = field(default_factory=Cancellation)

    def __post_init__(self) -> None:
        if self.documents is None:
            self.documents = memory_documents(self.clock)
        self.timeouts = timeouts()
        self.world = World(self.clock)
        WORLD[:] = [self.world]
        self.ids = SequentialIds()
        self.ledger = Ledger(self.documents, self.clock, is_dead=self.dead.__contains__)
        self.leases = Leases(self.documents, self.clock, is_dead=self.dead.__contains__)
        self.runner = self._runner(self.workflows)

    def _runner(self, workflows: WorkflowsFile) -> Runner:
        processor = self.sets.run_one if self.sets is not None else _no_processor
        compute = InProcessCompute(processor, worker="none", worker_setup=None, grace=GRACE, sets=self.sets)
        planner = Planner(
            workflows,
            self.timeouts,
            self.ledger,
            "sample",
            self.target,
            self.game_dates or (lambda *_: []),
            Settling(self.clock, SETTLED),
            lambda: self.versions,
        )
        return Runner(
            planner=planner,
            engine=Engine(compute, self.ledger, self.clock, random.Random(1), GRACE, compute),
            ledger=self.ledger,
            leases=self.leases,
            timeouts=self.timeouts,
            clock=self.clock,
            ids=self.ids,
            owner=lambda run_id: f"{self.owner}:{run_id}",
            journal=DirectJournal,
        )

    def declare(self, workflows: WorkflowsFile) -> None:
        """Go on with another configuration."""
        self.workflows = workflows
        self.runner = self._runner(workflows)

    def plan(self, *names: str, **request: Any) -> list[RunPlan]:
        return self.runner.plan(self.request(*names, **request))

    def run(self, *names: str, **request: Any) -> RunReport:
        return self.runner.execute(
            self.request(*names, **request), observer=self.events.append, cancellation=self.cancellation
        )

    def run_one(self, *names: str, **request: Any) -> RunRecord:
        (run,) = self.run(*names, **request).runs
        return run

    def request(self, *names: str, **request: Any) -> RunRequest:
        return RunRequest(names or ("w",), **{"dates": (DAY,), **request})


def statuses(run: RunRecord) -> dict[str, str]:
    """Return the status of each task."""
    return {task.name: task.status.value for task in run.tasks}
