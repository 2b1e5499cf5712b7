"""The ledger: every run and task with its state, in the document store."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, cast

from nbactl.core._support.durations import format_duration
from nbactl.core._support.gamedate import GameDate
from nbactl.core.lease.leases import Leases
from nbactl.errors import NotFoundError, PreconditionError, StillRunningError, UsageError
from nbactl.ports.compute import Versions
from nbactl.ports.documents import MAX_WRITES, SERVER_TIME, Create, Filter, Order, Query, Update
from nbactl.workflows.model import RunRecord, RunStatus, TaskRecord, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Document, DocumentStore, FieldPath, Transaction, Write

    Runs = list[RunRecord]
    Writes = list[Write]

RUNS = "runs"


def run_path(run_id: str) -> str:
    """Return the path of a run."""
    return f"{RUNS}/{run_id}"


def task_path(run_id: str, task: str) -> str:
    """Return the path of a task of a run."""
    return f"{RUNS}/{run_id}/tasks/{task}"


def run_document(run: RunRecord) -> dict[str, Any]:
    """Return a run as a document; `task_order` names its tasks in declared order."""
    return {
        "run_id": run.run_id,
        "name": run.name,
        "kind": run.kind,
        "game_date": str(run.game_date),
        "source": run.source,
        "target": run.target,
        "status": run.status.value,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "rows": None,
        "error": None,
        "correlation_id": run.correlation_id,
        "owner": run.owner,
        "lease": run.lease,
        "resumed_from": run.resumed_from,
        "group": run.group,
        "mode": run.mode,
        "reason": run.reason,
        "task_order": [task.name for task in run.tasks],
        "requested": list(run.requested),
        "cancel_requested_at": None,
    }


def run_ending(run: RunRecord) -> dict[str, Any]:
    """Return the fields of a run that its end changes."""
    counted = [task.rows for task in run.tasks if task.rows is not None]
    return {
        "status": run.status.value,
        "finished_at": run.finished_at,
        "reason": run.reason,
        "rows": sum(counted) if counted else None,
        "error": first_error(run.tasks),
    }


def first_error(tasks: Sequence[TaskRecord]) -> dict[str, Any] | None:
    """Return the error of the first task that has one and is not done, required tasks before optional ones."""
    failed = [task for task in tasks if task.error is not None and not task.status.done]
    failed.sort(key=lambda task: not task.required)
    return {"task": failed[0].name, **failed[0].error} if failed and failed[0].error else None


def task_document(run: RunRecord, task: TaskRecord) -> dict[str, Any]:
    """Return a task as a document."""
    return {
        "name": task.name,
        "kind": "task",
        "run_id": run.run_id,
        "game_date": str(run.game_date),
        "target": run.target,
        "correlation_id": run.correlation_id,
        "resumed_from": run.resumed_from,
        "required": task.required,
        **task_changes(task),
    }


def task_changes(task: TaskRecord) -> dict[str, Any]:
    """Return the fields of a task that change while it runs."""
    return {
        "status": task.status.value,
        "attempt": task.attempts,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
        "rows": task.rows,
        "error": dict(task.error) if task.error is not None else None,
        "reason": task.reason,
        "carried_from": task.carried_from,
        "detail": dict(task.detail),
        "versions": versions_document(task.versions),
        "incomplete": list(task.incomplete),
    }


def versions_document(versions: Versions | None) -> dict[str, Any] | None:
    """Return versions as a document."""
    if versions is None:
        return None
    return {"code": versions.code, "reads": dict(versions.reads), "writes": dict(versions.writes)}


def read_run(data: Mapping[str, Any], tasks: Sequence[TaskRecord]) -> RunRecord:
    """Return the run that a document holds."""
    return RunRecord(
        run_id=data["run_id"],
        name=data["name"],
        kind=data["kind"],
        game_date=GameDate(date.fromisoformat(data["game_date"])),
        source=data["source"],
        target=data["target"],
        status=RunStatus(data["status"]),
        started_at=data["started_at"],
        finished_at=data["finished_at"],
        correlation_id=data["correlation_id"],
        owner=data["owner"],
        resumed_from=data["resumed_from"],
        group=data["group"],
        tasks=tuple(tasks),
        reason=data["reason"],
        mode=data["mode"],
        lease=data["lease"],
        requested=tuple(data.get("requested", ())),
    )


def read_task(data: Mapping[str, Any]) -> TaskRecord:
    """Return the task that a document holds."""
    return TaskRecord(
        name=data["name"],
        required=data["required"],
        status=TaskStatus(data["status"]),
        attempts=data["attempt"],
        started_at=data["started_at"],
        finished_at=data["finished_at"],
        rows=data["rows"],
        error=data["error"],
        reason=data["reason"],
        carried_from=data["carried_from"],
        detail=data["detail"],
        versions=Versions(**found) if (found := data.get("versions")) is not None else None,
        incomplete=tuple(data.get("incomplete", ())),
    )


_AMBIGUOUS_SHOWN = 5
_AFTER_ALL_IDS = "~"
_ID = re.compile(r"[A-Za-z0-9-]+")
_GROUP_PREFIX = "group-"
INTERRUPTED = "interrupted"
"""The state of a run that is recorded as running and has no worker."""
_BY_OWNER = (INTERRUPTED, RunStatus.RUNNING)
"""The states that depend on whether the owner of a run is alive."""


class Ledger:
    """Reads and writes runs. `is_dead` says of a run's owner whether its process provably ended."""

    def __init__(self, store: DocumentStore, clock: Clock, *, is_dead: Callable[[str], bool]) -> None:
        self._store = store
        self._clock = clock
        self._is_dead = is_dead
        self._leases = Leases(store, clock, is_dead=is_dead)

    def find(self, run: str) -> RunRecord:
        """Return a run by id, by the unique beginning of an id (with or without `run-`), or the `last` started.

        Raises NotFoundError, UsageError for a beginning that fits several runs.
        """
        if run == "last":
            newest = self.list(limit=1)
            if not newest:
                raise NotFoundError("no runs yet", next_step="Start one: nbactl run phase3")
            return newest[0]
        if not _ID.fullmatch(run):
            raise _no_run(run)
        document = self._store.get(run_path(run)) or self._store.get(run_path(self._complete(run)))
        if document is None:
            raise _no_run(run)
        return self._with_tasks([document])[0]

    def list(
        self,
        name: str | None = None,
        date: GameDate | None = None,
        since: datetime | None = None,
        status: str | None = None,
        limit: int | None = 20,
        *,
        group: str | None = None,
    ) -> Runs:
        """Return runs, newest first. `status` is a RunStatus or `interrupted`."""
        query = _query(name, date, since, status, group)
        if status in _BY_OWNER:
            return self._with_tasks(list(itertools.islice(self._alive_or_not(query, status), limit)))
        return self._with_tasks(list(self._store.query(replace(query, limit=limit))))

    def count(
        self,
        name: str | None = None,
        date: GameDate | None = None,
        since: datetime | None = None,
        status: str | None = None,
        *,
        group: str | None = None,
    ) -> int:
        """Return how many runs `list` has without a limit."""
        query = _query(name, date, since, status, group)
        if status in _BY_OWNER:
            return sum(1 for _ in self._alive_or_not(query, status))
        return self._store.count(query)

    def find_group(self, text: str) -> Runs:
        """Return the runs of one request, oldest first.

        `text` is the id of a group or the beginning of one, or a run as `find` takes it: `last` is the whole group of
        the run that was started last, an id is that run alone. Raises NotFoundError, UsageError.
        """
        if text.startswith(_GROUP_PREFIX):
            return self.list(group=self._complete_group(text), limit=None)[::-1]
        run = self.find(text)
        return [run] if text != "last" or run.group is None else self.list(group=run.group, limit=None)[::-1]

    def state(self, run: RunRecord) -> str:
        """Return the status of a run; `interrupted` for one that is recorded as running and has no worker."""
        return INTERRUPTED if self.interrupted(run) else run.status.value

    def wait_for_end(self, run_id: str, seconds: float, *, poll_every: float) -> RunRecord:
        """Return the run when it has ended. Raises StillRunningError if it has not after that time."""
        deadline = self._clock.monotonic() + seconds
        while True:
            run = self.find(run_id)
            if self.state(run) != RunStatus.RUNNING:
                return run
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise StillRunningError(
                    f"{run_id} is still running after {format_duration(seconds)}",
                    cause="A task may be busy with something that cannot be stopped.",
                    next_step=f"Check again: nbactl runs show {run_id}",
                )
            self._clock.sleep(min(left, poll_every))

    def latest(self, name: str, game_date: GameDate, source: str) -> RunRecord | None:
        """Return the run of `name` for this date and source that was started last."""
        return self.latest_between((name,), game_date, game_date, source).get((name, game_date))

    def latest_between(
        self, names: Iterable[str], first: GameDate, last: GameDate, source: str
    ) -> dict[tuple[str, GameDate], RunRecord]:
        """Return the last started run of each name and date; one pass over the runs of the dates."""
        wanted = set(names)
        filters = (Filter("source", "==", source), *_between(first, last))
        newest: dict[tuple[str, str], Document] = {}
        for document in self._store.query(Query(RUNS, filters)):
            key = (document.data["name"], document.data["game_date"])
            if key[0] in wanted and (key not in newest or _age(newest[key]) < _age(document)):
                newest[key] = document
        return {(run.name, run.game_date): run for run in self._with_tasks(list(newest.values()))}

    def interrupted(self, run: RunRecord) -> bool:
        """Say whether the run is recorded as running though its process is dead or has lost its lease."""
        return run.status is RunStatus.RUNNING and self._abandoned({"owner": run.owner, "lease": run.lease})

    def request_cancel(self, run_id: str) -> None:
        """Ask the process that executes a run to stop it. Raises NotFoundError, PreconditionError if it has ended."""
        run = self.find(run_id)
        if self.interrupted(run):
            raise PreconditionError(
                f"run {run.run_id} is not running: its process died or lost its lease",
                next_step=f"Resume it: nbactl run {run.name} --date {run.game_date}",
            )

        def ask(transaction: Transaction) -> None:
            document = transaction.get(run_path(run.run_id))
            status = document.data["status"] if document is not None else "deleted"
            if status != RunStatus.RUNNING:
                raise PreconditionError(
                    f"run {run.run_id} is not running: it ended as {status}",
                    next_step=f"See what it did: nbactl runs show {run.run_id}",
                )
            transaction.write(Update(run_path(run.run_id), {"cancel_requested_at": SERVER_TIME}))

        self._store.transaction(ask)

    def cancel_requested(self, run_id: str) -> bool:
        """Say whether a stop of the run was requested."""
        document = self._store.get(run_path(run_id))
        return document is not None and document.data["cancel_requested_at"] is not None

    def start(self, run: RunRecord, *, supersedes: RunRecord | None) -> None:
        """Record a run and all its tasks; a run that died before it is given its end in the same commit."""
        tasks: Writes = [Create(task_path(run.run_id, task.name), task_document(run, task)) for task in run.tasks]
        head: Writes = [Create(run_path(run.run_id), run_document(run))]
        if supersedes is not None and supersedes.status is RunStatus.RUNNING:
            head += self._mark_superseded(supersedes, run)
        # The run exists when its own document does: with more tasks than a commit holds, that one comes last.
        while len(tasks) + len(head) > MAX_WRITES:
            self._store.commit(tasks[:MAX_WRITES])
            del tasks[:MAX_WRITES]
        self._store.commit([*tasks, *head])

    def task_writes(self, run_id: str, tasks: Iterable[TaskRecord]) -> Writes:
        """Return the writes that bring the ledger up to these records."""
        return [_update(task_path(run_id, task.name), task_changes(task)) for task in tasks]

    def end_write(self, run: RunRecord) -> Write:
        """Return the write that records a run's end."""
        return _update(run_path(run.run_id), run_ending(run))

    def commit(self, writes: Sequence[Write]) -> None:
        """Apply writes: all or none, up to MAX_WRITES; more are applied in order."""
        for begin in range(0, len(writes), MAX_WRITES):
            self._store.commit(writes[begin : begin + MAX_WRITES])

    def _abandoned(self, run: Mapping[str, Any]) -> bool:
        """Say whether a run has no worker: its process is dead, or a process elsewhere let the lease expire."""
        if self._is_dead(run["owner"]):
            return True
        lease = self._leases.current(run["lease"])
        return lease is None or lease.owner != run["owner"] or lease.expires_at <= self._clock.now()

    def _alive_or_not(self, query: Query, status: str | None) -> Iterator[Document]:
        wanted = status == INTERRUPTED
        return (document for document in self._store.query(query) if self._abandoned(document.data) is wanted)

    def _mark_superseded(self, dead: RunRecord, successor: RunRecord) -> Writes:
        now = self._clock.now()
        reason = f"its process died; {successor.run_id} took over"
        tasks = tuple(
            replace(task, status=TaskStatus.CANCELLED, finished_at=now, reason=reason)
            if task.status in (TaskStatus.RUNNING, TaskStatus.PENDING)
            else task
            for task in dead.tasks
        )
        ended = replace(dead, status=RunStatus.FAILED, finished_at=now, reason=reason, tasks=tasks)
        changed = [task for task, before in zip(tasks, dead.tasks, strict=True) if task is not before]
        return [*self.task_writes(dead.run_id, changed), self.end_write(ended)]

    def _complete(self, beginning: str) -> str:
        prefixes = (beginning, f"run-{beginning}")
        matches = [run_id for run_id in self._store.list_ids(RUNS) if run_id.startswith(prefixes)]
        if not matches:
            raise _no_run(beginning)
        if len(matches) > 1:
            shown = ", ".join(matches[-_AMBIGUOUS_SHOWN:])
            raise UsageError(f"{len(matches)} runs begin with {beginning}", next_step=f"Type more of it: {shown}")
        return matches[0]

    def _complete_group(self, beginning: str) -> str:
        within = (Filter("group", ">=", beginning), Filter("group", "<", beginning + _AFTER_ALL_IDS))
        groups = sorted({document.data["group"] for document in self._store.query(Query(RUNS, within))})
        if not groups:
            raise NotFoundError(f"no group of runs '{beginning}'", next_step="List them: nbactl runs list -o wide")
        if len(groups) > 1 and beginning not in groups:
            shown = ", ".join(groups[-_AMBIGUOUS_SHOWN:])
            raise UsageError(f"{len(groups)} groups begin with {beginning}", next_step=f"Type more of it: {shown}")
        return beginning if beginning in groups else str(groups[0])

    def _with_tasks(self, runs: Sequence[Document]) -> Runs:
        paths = [task_path(run.id, task) for run in runs for task in run.data["task_order"]]
        found: dict[str, Any] = {d.path: d.data for d in self._store.get_all(paths) if d is not None}
        return [
            read_run(run.data, [read_task(found[task_path(run.id, task)]) for task in run.data["task_order"]])
            for run in runs
        ]


def _no_run(run: str) -> NotFoundError:
    return NotFoundError(f"no run '{run}'", next_step="List them: nbactl runs list")


def _query(
    name: str | None, date: GameDate | None, since: datetime | None, status: str | None, group: str | None
) -> Query:
    stored = RunStatus.RUNNING.value if status in _BY_OWNER else status
    equal = {"name": name, "game_date": str(date) if date else None, "status": stored, "group": group}
    filters = [Filter(field, "==", value) for field, value in equal.items() if value is not None]
    if since is not None:
        filters.append(Filter("started_at", ">=", since))
    return Query(RUNS, tuple(filters), (Order("started_at", descending=True),))


def _update(path: str, changes: dict[str, Any]) -> Update:
    return Update(path, cast("dict[FieldPath, Any]", changes))


def _between(first: GameDate, last: GameDate) -> tuple[Filter, ...]:
    if first == last:
        return (Filter("game_date", "==", str(first)),)
    return Filter("game_date", ">=", str(first)), Filter("game_date", "<=", str(last))


def _age(run: Document) -> tuple[datetime, str]:
    return run.data["started_at"], run.id
