"""Tasks that read and write a shelf of values, and the versions of what lies there: freshness without a warehouse."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import RLock
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError, UnavailableError
from nbactl.ports.compute import TaskOutcome, Versions
from nbactl.testing import FakeClock
from nbactl.workflows.model import RunStatus
from tests.kit.workflow import DAY, Harness, workflows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from nbactl.core._support.gamedate import GameDate
    from nbactl.ports.compute import TaskContext, Work
    from nbactl.workflows.model import RunReport


class Shelf:
    """Values by resource and day; `asked` counts the queries, `changes` has when a value became another one."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.values: dict[tuple[str, date], str] = {}
        self.changes: dict[tuple[str, date], datetime] = {}
        self.code: dict[str, str] = {}
        self.lacks: dict[date, tuple[str, ...]] = {}
        self.away = False
        self.lock = RLock()
        self.asked: list[tuple[int, int]] = []

    def put(self, resource: str, day: date, value: str) -> None:
        if self.values.get((resource, day)) != value:
            self.values[resource, day] = value
            self.changes[resource, day] = self.clock.now()

    def read(self, resource: str, day: date) -> str:
        """Return the value of a date; of a table with its history."""
        if ":" in resource:
            return self.values.get((resource, day), "")
        return "+".join(
            f"{when}={value}" for (name, when), value in sorted(self.values.items()) if name == resource and when <= day
        )

    def versions_of(self, work: Work, day: date) -> Versions:
        reads = {name: self.read(name, day) for name in work.parameters["reads"]}
        out = work.parameters["writes"]
        writes = {out: self.values[out, day]} if (out, day) in self.values else {}
        return Versions(self.code.get(out, "1"), reads, writes)

    def current(self, works: Mapping[str, Work], days: Sequence[date]) -> Mapping[tuple[str, date], Versions]:
        if self.away:
            raise UnavailableError("the shelf is away")
        self.asked.append((len(works), len(days)))
        with self.lock:
            return {
                (name, day): self.versions_of(work, day)
                for name, work in works.items()
                if "reads" in work.parameters
                for day in days
            }

    def changed_in_source(self, works: Collection[Work]) -> None:  # noqa: ARG002
        return None

    def changed(self, work: Work, day: date, since: datetime) -> Sequence[str]:
        return [
            f"{name} {when}"
            for (name, when), at in sorted(self.changes.items(), key=lambda item: item[0][1])
            if name in work.parameters["reads"] and when <= day and at > since
        ]


SHELF: list[Shelf] = []


async def work(context: TaskContext) -> TaskOutcome:
    """Write what is read, shortened to its last letters (`keeps`), so that a change may stop here.

    Fails for a bad value unless it `trusts`; reports what the date lacks if it `looks`.
    """
    with SHELF[-1].lock:
        return _work(SHELF[-1], context)


def _work(shelf: Shelf, context: TaskContext) -> TaskOutcome:
    call, given = context.call, context.parameters
    before = shelf.versions_of(call.work, call.game_date)
    read = "|".join(before.reads.values())
    if "bad" in read.rpartition("=")[2] and not given.get("trusts"):
        raise DataError("the value is bad", next_step="Repair it.")
    shelf.put(given["writes"], call.game_date, read[-given.get("keeps", 10_000) :])
    lacks = shelf.lacks.get(call.game_date, ()) if given.get("looks") else ()
    return TaskOutcome(
        1,
        versions=Versions(before.code, before.reads, shelf.versions_of(call.work, call.game_date).writes),
        incomplete=lacks,
    )


SETTLED_LONG_AGO = datetime(2024, 3, 1, 12, tzinfo=UTC)
DAYS = tuple(DAY.until(DAY.plus(3)))


def step(reads: str, writes: str, **more: Any) -> dict[str, Any]:
    return {"call": "tests.kit.versioned:work", "with": {"reads": reads.split(), "writes": writes, **more}}


TASKS = {
    "collect": step("source:box", "raw:box", looks=True),
    "odds": step("source:odds", "raw:odds"),
    "load": step("raw:box", "raw.box"),
    "load_odds": step("raw:odds", "raw.odds"),
    "summary": step("raw.box", "sum.player"),
    "context": step("sum.player", "sum.context", keeps=3),
    "features": step("sum.context", "pre.features"),
}
PHASES: dict[str, Any] = {
    "phase1": {"tasks": ({"task": "collect"}, {"task": "odds", "required": False})},
    "phase2": {"tasks": ({"task": "load"}, {"task": "load_odds", "required": False}), "needs": ("phase1",)},
    "phase3": {"tasks": ({"task": "summary"}, {"task": "context", "needs": ("summary",)}), "needs": ("phase2",)},
    "phase4": {"tasks": ({"task": "features"},), "needs": ("phase3",)},
}


class Project:
    """Four phases over a shelf, for four dates that are long settled."""

    def __init__(self, **given: Any) -> None:
        clock = FakeClock(SETTLED_LONG_AGO, autojump=True)
        self.shelf = Shelf(clock)
        SHELF[:] = [self.shelf]
        for number, day in enumerate(DAYS):
            self.source(day, f"{number}aaa")
            self.shelf.put("source:odds", day.day, f"odds{number}")
        self.harness = Harness(
            workflows(TASKS, phases=PHASES, uses=("collect",)),
            clock,
            versions=self.shelf,
            game_dates=lambda first, last: [day.day for day in DAYS if first <= day.day <= last],
            **given,
        )

    def declare(self, **tasks: dict[str, Any]) -> None:
        self.harness.declare(workflows({**TASKS, **tasks}, phases=PHASES, uses=("collect",)))

    def source(self, day: GameDate, value: str) -> None:
        self.shelf.put("source:box", day.day, value)

    def run(self, *names: str, **request: Any) -> RunReport:
        self.harness.clock.advance(60)
        return self.harness.run(*names, **request)

    def did(self, *names: str, **request: Any) -> list[str]:
        """Run, and return the tasks that were executed, each with its date and the reason."""
        return ran(self.run(*names, **request))


def ran(report: RunReport) -> list[str]:
    return [
        f"{task.name} {run.game_date.day.day}" + (f" {task.reason}" if task.reason else "")
        for run in report.runs
        if run.status is not RunStatus.SKIPPED
        for task in run.tasks
        if task.carried_from is None and task.status.done
    ]
