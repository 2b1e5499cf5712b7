"""What ran in a time: the ledger of nbactl, and the logs of production's programs."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.errors import DataError, NbactlError
from nbactl.frozen import frozen
from nbactl.ports.documents import Filter, Order, Query
from nbactl.workflows.production import FAILED
from nbactl.workflows.writing import RUNS, task_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nbactl.core.phases.logs import LoggedRun
    from nbactl.ports.documents import Document, Reader

    Logs = Callable[[GameDate, GameDate], tuple[Sequence[LoggedRun], Sequence[str]]]
    """Returns what production's programs logged for the game dates from the first to the last, and what is unread."""

MOST_RUNS: Final = 5_000
"""How many runs of the ledger are read with their tasks, the newest."""
MOST_HEADS: Final = 20_000
"""How many runs of the time before are read, without their tasks."""
_TASKS_AT_ONCE: Final = 2_000
_DONE: Final = frozenset({"succeeded", "no_data", "success", "successful", "completed", "complete", "done", "ok"})
_BAD: Final = frozenset({"failed", "timed_out", *FAILED})
_UNDECIDED: Final = frozenset({"running", "pending", "started", "in_progress", "cancelled", "skipped", "detached", ""})


@frozen
class RanTask:
    """A task that ran. `attempts` is at least 1; `error` is the first line of what it failed with."""

    name: str
    status: str
    attempts: int
    seconds: float | None = None
    error: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it failed for good."""
        return self.status in _BAD

    @property
    def failed_attempts(self) -> int:
        """How many of its attempts failed."""
        return self.attempts - (not self.failed)


@frozen
class RanRun:
    """A run with the tasks that it executed itself. `by` is `nbactl` or the table that production logged it in."""

    run_id: str
    name: str
    kind: str
    game_date: GameDate
    status: str
    started_at: datetime
    finished_at: datetime | None
    tasks: tuple[RanTask, ...] = ()
    by: str = "nbactl"

    @property
    def ended(self) -> bool:
        """Whether it ended and says how."""
        return self.finished_at is not None and self.status not in _UNDECIDED

    @property
    def failed(self) -> bool:
        """Whether it failed."""
        return self.status in _BAD

    @property
    def seconds(self) -> float | None:
        """How long it took, if it did its work."""
        if self.finished_at is None or self.status not in (*_DONE, "partial", "partial_success"):
            return None
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


@frozen
class Ran:
    """The runs of a time, newest first. `warnings` say what was not read."""

    runs: tuple[RanRun, ...]
    warnings: tuple[str, ...] = ()

    @property
    def tasks(self) -> Iterator[RanTask]:
        """The tasks of all runs."""
        return itertools.chain.from_iterable(run.tasks for run in self.runs)


def read_runs(store: Reader, since: datetime, until: datetime, logs: Logs | None = None, *, tasks: bool = True) -> Ran:
    """Return the runs that were started from `since` to before `until`, by one query and one look-up of the tasks.

    `logs` are the logs of production, if there are any. Raises UnavailableError if the document store does not answer.
    """
    most = MOST_RUNS if tasks else MOST_HEADS
    window = (Filter("started_at", ">=", since), Filter("started_at", "<", until))
    newest = (Order("started_at", descending=True),)
    documents = list(store.query(Query(RUNS, window, newest, limit=most)))
    warnings = []
    if len(documents) == most:
        warnings.append(
            f"only the newest {most:,} runs were read: those since {documents[-1].data['started_at']:%F %R}"
        )
    heads = [(document, head) for document in documents if (head := _head(document)) is not None]
    if left := len(documents) - len(heads):
        warnings.append(f"{left} run{'s' if left > 1 else ''} of the ledger cannot be read and are not counted")
    runs = list(_with_tasks(store, heads)) if tasks else [head for _, head in heads]
    if logs is not None:
        try:
            logged, unread = logs(GameDate.of(since), GameDate.of(until))
        except NbactlError as error:
            logged, unread = (), (error.message,)
        warnings += [f"logs of production: {text}" for text in unread]
        runs += [_logged(run) for run in logged if since <= run.started_at < until]
        runs.sort(key=lambda run: (run.started_at, run.run_id), reverse=True)
    return Ran(tuple(runs), tuple(warnings))


def _head(document: Document) -> RanRun | None:
    """Return a run without its tasks; None if its document is no run. Only what is counted here is checked."""
    try:
        data = document.data
        started, finished = data["started_at"], data["finished_at"]
        day = GameDate(date.fromisoformat(data["game_date"]))
        texts = (document.id, data["name"], data["kind"], data["status"])
    except (DataError, KeyError, TypeError, ValueError):
        return None
    if not all(isinstance(text, str) for text in texts) or not isinstance(finished, (datetime, type(None))):
        return None
    run_id, name, kind, status = texts
    return RanRun(run_id, name, kind, day, status, started, finished)


def _with_tasks(store: Reader, heads: Sequence[tuple[Document, RanRun]]) -> Iterator[RanRun]:
    names = [_names(document) for document, _ in heads]
    paths = [task_path(head.run_id, name) for (_, head), of_run in zip(heads, names, strict=True) for name in of_run]
    found = itertools.chain.from_iterable(
        store.get_all(paths[start : start + _TASKS_AT_ONCE]) for start in range(0, len(paths), _TASKS_AT_ONCE)
    )
    for (_, head), of_run in zip(heads, names, strict=True):
        tasks = [_task(document) for document in itertools.islice(found, len(of_run))]
        yield _filled(head, [task for task in tasks if task is not None])


def _names(document: Document) -> list[str]:
    order = document.data.get("task_order")
    names = order if isinstance(order, list) else []
    return [name for name in names if isinstance(name, str) and name and "/" not in name]


def _task(document: Document | None) -> RanTask | None:
    """Return a task that this run executed: not one that it took over from an earlier run, or never began."""
    try:
        data = {} if document is None else document.data
    except DataError:
        return None
    attempts, started, finished = data.get("attempt"), data.get("started_at"), data.get("finished_at")
    if not isinstance(attempts, int) or attempts < 1 or data.get("carried_from") is not None:
        return None
    took = None
    if isinstance(started, datetime) and isinstance(finished, datetime):
        took = max(0.0, (finished - started).total_seconds())
    error = data.get("error")
    message = str(error.get("message", "")).partition("\n")[0] if isinstance(error, dict) else None
    return RanTask(str(data.get("name")), str(data.get("status")), attempts, took, message)


def _filled(run: RanRun, tasks: Iterable[RanTask]) -> RanRun:
    return RanRun(
        run.run_id, run.name, run.kind, run.game_date, run.status, run.started_at, run.finished_at, tuple(tasks)
    )


def _logged(run: LoggedRun) -> RanRun:
    """Return a run of production; what it logs of a processor or scraper is a run of one task."""
    status = run.status.strip().lower()
    took = None if run.finished_at is None else max(0.0, (run.finished_at - run.started_at).total_seconds())
    message = None if run.error is None else run.error.partition("\n")[0]
    tasks = (RanTask(run.name, status, 1, took, message),) if run.kind == "task" else ()
    return RanRun(
        run.run_id,
        run.name,
        run.kind,
        run.game_date,
        status,
        run.started_at.astimezone(UTC),
        run.finished_at,
        tasks if status not in _UNDECIDED else (),
        by=run.table,
    )


def without_idle(runs: Iterable[RanRun], idle: Mapping[GameDate, object]) -> list[RanRun]:
    """Return the runs of dates on which something was expected."""
    return [run for run in runs if run.game_date not in idle]
