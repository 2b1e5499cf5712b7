"""The ledger: every run and task with its state, in the document store."""

from __future__ import annotations

import itertools
import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from nbactl.core._support.created import commit_new
from nbactl.core._support.durations import format_duration
from nbactl.core.lease.leases import Leases
from nbactl.errors import DataError, NotFoundError, PreconditionError, StillRunningError, UsageError
from nbactl.ports.documents import MAX_WRITES, SERVER_TIME, Create, Document, Filter, Order, Query, Update
from nbactl.workflows.model import RunRecord, RunStatus, TaskRecord, TaskStatus
from nbactl.workflows.reading import Past, Unreadable, is_newer, no_run, not_one_run, read_run, with_tasks
from nbactl.workflows.writing import RUNS, run_document, run_ending, run_path, task_changes, task_document, task_path

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.lease.leases import Lease
    from nbactl.ports.documents import DocumentStore, FieldPath, Transaction, Write
    from nbactl.workflows.board_runs import BoardRuns

    Entry = RunRecord | Unreadable
    Runs = list[RunRecord]
    Writes = list[Write]

_MOST_LOOKED_UP = 24
"""How many names and dates are looked up one by one; of more, all runs of the dates are read."""
_CROWDED = 20
"""With more runs than this a name and date, only the newest are looked up after all."""
_FEW = 10
"""How many runs are asked for at once where the first one will mostly do."""
_AT_ONCE = 200
"""Of how many runs the tasks are read together."""
_AMBIGUOUS_SHOWN = 5
_MATCHES = 20
"""How many runs whose ids begin alike are counted."""
_AFTER_ALL_IDS = "~"
_ID = re.compile(r"[A-Za-z0-9-]+")
_GROUP_PREFIX = "group-"
_DONE = tuple(status for status in TaskStatus if status.done)
INTERRUPTED = "interrupted"
"""The state of a run that is recorded as running and has no worker."""
_BY_OWNER = (INTERRUPTED, RunStatus.RUNNING)
"""The states that depend on whether the owner of a run is alive."""


_log = logging.getLogger(__name__)


def _no_report(_: RunRecord) -> Sequence[Write]:
    return ()


class Ledger:
    """Reads and writes runs. `is_dead` says of a run's owner whether its process provably ended.

    A run that cannot be read is left out of what several runs are read for; `notice` gets a message about it, once.
    `report` returns what is committed together with the end of a run.
    """

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        *,
        is_dead: Callable[[str], bool],
        notice: Callable[[str], None] = _log.warning,
        report: Callable[[RunRecord], Sequence[Write]] = _no_report,
    ) -> None:
        self._store = store
        self._report = report
        self._clock = clock
        self._is_dead = is_dead
        self._notice = notice
        self._noticed: set[str] = set()
        self._leases = Leases(store, clock, is_dead=is_dead)

    def find(self, run: str) -> RunRecord:
        """Return a run by id, by the unique beginning of an id (with or without `run-`), or the `last` started.

        Raises NotFoundError, UsageError for a group and for a beginning that fits several runs, DataError for a run
        that cannot be read.
        """
        if run == "last":
            # What has no time to be ordered by is not known to be the last.
            last = next((entry for entry in self._heads(_query(), _FEW) if entry.started_at is not None), None)
            if last is None:
                raise NotFoundError("no runs yet", next_step="Start one: nbactl run phase3")
            run = last.run_id
        if run.startswith(_GROUP_PREFIX):
            raise not_one_run(self._complete_group(run))
        if not _ID.fullmatch(run):
            raise no_run(run)
        document = self._store.get(run_path(run)) or self._store.get(run_path(self._complete(run)))
        if document is None:
            raise no_run(run)
        (found,) = self._with_tasks([document])
        if isinstance(found, Unreadable):
            raise found.error()
        return found

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
        return [*self.stream(name, date, since, status, limit, group=group)]

    def stream(
        self,
        name: str | None = None,
        date: GameDate | None = None,
        since: datetime | None = None,
        status: str | None = None,
        limit: int | None = 20,
        *,
        group: str | None = None,
    ) -> Iterator[RunRecord]:
        """Yield what `list` returns, and hold only some of it in memory."""
        found = self._documents(_query(name, date, since, status, group), limit)
        runs = self._readable(run for documents in _batches(found, limit) for run in self._with_tasks(documents))
        return itertools.islice((run for run in runs if self._is_in_state(run, status)), limit)

    def heads(
        self,
        date: GameDate | None = None,
        status: str | None = None,
        limit: int | None = None,
        group: str | None = None,
    ) -> Iterator[RunRecord]:
        """Yield runs without their tasks, newest first."""
        heads = self._readable(self._heads(_query(None, date, None, status, group), limit))
        return itertools.islice((run for run in heads if self._is_in_state(run, status)), limit)

    def heads_between(self, first: GameDate, last: GameDate) -> Iterator[RunRecord]:
        """Yield the runs of a range of dates without their tasks, in any order."""
        between = (Filter("game_date", ">=", str(first)), Filter("game_date", "<=", str(last)))
        return self._readable(self._heads(Query(RUNS, between)))

    def board_runs(self, date: GameDate, source: str, limit: int) -> BoardRuns:
        """Read the newest `limit` runs, as many of the date, and those recorded as running: each document once."""
        from nbactl.workflows.board_runs import BoardRuns  # noqa: PLC0415 - only boards ask

        recent = [*itertools.islice(self._documents(_query(), limit), limit)]
        of_date = [document for document in recent if document.data.get("game_date") == str(date)]
        running = recent
        if len(recent) == limit:  # else that is the whole ledger
            of_date = [*itertools.islice(self._documents(_query(date=date), limit), limit)]
            running = [*self._documents(_query(status=RunStatus.RUNNING.value), None)]

        def latest(names: Collection[str]) -> Past:
            return self.latest_between(names, date, date, source)

        return BoardRuns(
            date,
            recent,
            of_date,
            running,
            undated=self.notice_undated(),
            read_tasks=self._with_tasks,
            latest=latest if len(of_date) == limit else None,
            notice=self._give_notice,
        )

    def notice_undated(self) -> Sequence[Unreadable]:
        """Return the runs that no list has because their documents have no start, and give notice of them."""
        entries = [read_run(document) for document in self._store.lacking(RUNS, "started_at")]
        undated = [entry for entry in entries if isinstance(entry, Unreadable)]
        for entry in undated:
            self._give_notice(entry)
        return undated

    def count(
        self,
        name: str | None = None,
        date: GameDate | None = None,
        since: datetime | None = None,
        status: str | None = None,
        *,
        group: str | None = None,
    ) -> int:
        """Return how many runs `list` has without a limit, those included that cannot be read."""
        query = _query(name, date, since, status, group)
        if status in _BY_OWNER:
            return sum(1 for run in self._readable(self._heads(query)) if self._is_in_state(run, status))
        # A range needs the index that the order names; without a range, no order is read by no index at all.
        return self._store.count(query if since is not None else replace(query, order=()))

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
        """Return the run of `name` for this date and source that was started last. Raises DataError if unreadable."""
        return self.latest_between((name,), game_date, game_date, source).get((name, game_date))

    def latest_between(self, names: Iterable[str], first: GameDate, last: GameDate, source: str) -> Past:
        """Return the last started run of each name and date.

        Of a few dates this costs a look-up for each name and date, of many one pass over the runs of the dates, unless
        they were run over and over.
        """
        wanted = set(names)
        undated = self.notice_undated() if len(wanted) > 1 else []
        newest: dict[tuple[str, GameDate], Entry] = {}
        for entry in itertools.chain(self._of_dates(wanted, first, last, source), undated):
            if entry.name not in wanted or entry.game_date is None or entry.source not in (source, None):
                continue
            key = (entry.name, entry.game_date)
            if key not in newest or is_newer(entry, newest[key]):
                newest[key] = entry
        paths = [run_path(entry.run_id) for entry in newest.values() if isinstance(entry, RunRecord)]
        documents = [document for document in self._store.get_all(paths) if document is not None]
        whole = {entry.run_id: entry for entry in self._with_tasks(documents)}
        entries = {key: whole.get(entry.run_id, entry) for key, entry in newest.items()}
        for entry in entries.values():
            if isinstance(entry, Unreadable):
                self._give_notice(entry)
        return Past(entries)

    def _of_dates(self, names: Collection[str], first: GameDate, last: GameDate, source: str) -> Iterator[Entry]:
        """Yield the newest runs of each name and date, at least one of the source; of many dates all runs."""
        number = ((last.day - first.day).days + 1) * len(names)
        if number > _MOST_LOOKED_UP:
            between = Query(RUNS, (Filter("game_date", ">=", str(first)), Filter("game_date", "<=", str(last))))
            if number > _CROWDED * _MOST_LOOKED_UP or self._store.count(between) <= number * _CROWDED:
                yield from (read_run(document) for document in self._store.query(between))
                return
        for name, day in itertools.product(names, first.until(last)):
            for entry in self._heads(_query(name, day), _FEW):
                yield entry
                if entry.started_at is not None and entry.source in (source, None):
                    break

    def interrupted(self, run: RunRecord) -> bool:
        """Say whether the run is recorded as running though its process is dead or has lost its lease."""
        return run.status is RunStatus.RUNNING and self._abandoned(run)

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
            status = document.data.get("status") if document is not None else "deleted"
            if status != RunStatus.RUNNING:
                raise PreconditionError(
                    f"run {run.run_id} is not running: it ended as {status}",
                    next_step=f"See what it did: nbactl runs show {run.run_id}",
                )
            transaction.write(Update(run_path(run.run_id), {"cancel_requested_at": SERVER_TIME}))

        self._store.transaction(ask)

    def dismiss(self, run_ids: Sequence[str], *, by: str, reason: str | None) -> None:
        """Record that the failures of these runs are dealt with. Raises NotFoundError if a run is not there."""
        dismissed = {"at": SERVER_TIME, "by": by, "reason": reason}
        self.commit([Update(run_path(run_id), {"dismissed": dismissed}) for run_id in run_ids])

    def undo_dismissal(self, run_ids: Sequence[str]) -> None:
        """Take `dismiss` back."""
        self.commit([Update(run_path(run_id), {"dismissed": None}) for run_id in run_ids])

    def cancel_requested(self, run_id: str) -> bool:
        """Say whether a stop of the run was requested."""
        document = self._store.get(run_path(run_id))
        return document is not None and document.data.get("cancel_requested_at") is not None

    def is_task_done(self, run_id: str, task: str) -> bool:
        """Say whether the task of a run is recorded as done; not for a run that is not there."""
        document = self._store.get(task_path(run_id, task))
        return document is not None and document.data.get("status") in _DONE

    def start(self, run: RunRecord, *, supersedes: RunRecord | None) -> None:
        """Record a run and all its tasks; a run that died before it is given its end in the same commit."""
        self.start_all([(run, supersedes)])

    def start_all(self, runs: Iterable[tuple[RunRecord, RunRecord | None]]) -> None:
        """Do as `start` for each run and the one that it supersedes, in as few commits as hold them."""
        writes: Writes = []
        for run, supersedes in runs:
            tasks: Writes = [Create(task_path(run.run_id, task.name), task_document(run, task)) for task in run.tasks]
            head: Writes = [Create(run_path(run.run_id), run_document(run))]
            if supersedes is not None and supersedes.status is RunStatus.RUNNING:
                head += self._mark_superseded(supersedes, run)
            if writes and len(writes) + len(tasks) + len(head) > MAX_WRITES:
                commit_new(self._store, writes)
                writes = []
            # The run exists when its own document does: with more tasks than a commit holds, that one comes last.
            while len(tasks) + len(head) > MAX_WRITES:
                commit_new(self._store, tasks[:MAX_WRITES])
                del tasks[:MAX_WRITES]
            writes += [*tasks, *head]
        commit_new(self._store, writes)

    def task_writes(self, run_id: str, tasks: Iterable[TaskRecord]) -> Writes:
        """Return the writes that bring the ledger up to these records."""
        return [_update(task_path(run_id, task.name), task_changes(task)) for task in tasks]

    def end_writes(self, run: RunRecord) -> Writes:
        """Return the writes that record a run's end."""
        return [*self._report(run), _update(run_path(run.run_id), run_ending(run))]

    def commit(self, writes: Sequence[Write], under: Sequence[Lease] = ()) -> None:
        """Apply writes: all or none, up to MAX_WRITES; more are applied in order.

        The last of them are applied only while all leases of `under` are held: raises StaleFenceError if one is not.
        """
        end = max(0, len(writes) - MAX_WRITES) if under else len(writes)
        for begin in range(0, end, MAX_WRITES):
            self._store.commit(writes[begin : min(begin + MAX_WRITES, end)])
        if under:
            last = writes[end:]

            def check_and_write(transaction: Transaction) -> None:
                for lease in under:
                    self._leases.check(transaction, lease)
                transaction.write(*last)

            self._store.transaction(check_and_write)

    def _abandoned(self, run: RunRecord) -> bool:
        """Say whether a run has no worker: its process is dead, or a process elsewhere let the lease expire."""
        if self._is_dead(run.owner):
            return True
        try:
            lease = self._leases.current(run.lease)
        except DataError as error:  # it may be held
            self._notice(f"{run.run_id} is taken to be running: {error.message}. {error.next_step}")
            return False
        return lease is None or lease.owner != run.owner or not self._leases.is_alive(lease)

    def _is_in_state(self, run: RunRecord, status: str | None) -> bool:
        """Say whether a run that a query for the status found is in that state."""
        return status not in _BY_OWNER or self._abandoned(run) is (status == INTERRUPTED)

    def _heads(self, query: Query, limit: int | None = None) -> Iterator[Entry]:
        return (read_run(document) for document in self._documents(query, limit))

    def _documents(self, query: Query, at_once: int | None) -> Iterator[Document]:
        """Yield what matches, asking for so many at once: who takes no more has not asked for more."""
        while True:
            number = 0
            for number, document in enumerate(self._store.query(replace(query, limit=at_once)), 1):  # noqa: B007
                yield document
            if at_once is None or number < at_once:
                return
            query = replace(query, start_after=document)

    def _readable(self, entries: Iterable[Entry]) -> Iterator[RunRecord]:
        """Yield the runs, and give notice of what cannot be read."""
        for entry in entries:
            if isinstance(entry, Unreadable):
                self._give_notice(entry)
            else:
                yield entry

    def _give_notice(self, entry: Unreadable) -> None:
        if entry.run_id not in self._noticed:
            self._noticed.add(entry.run_id)
            self._notice(f"left out: {entry.message}")

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
        return [*self.task_writes(dead.run_id, changed), *self.end_writes(ended)]

    def _complete(self, beginning: str) -> str:
        matches = [run_id for prefix in (beginning, f"run-{beginning}") for run_id in self._beginning_with(prefix)]
        if not matches:
            raise no_run(beginning)
        if len(matches) > 1:
            shown = ", ".join(matches[-_AMBIGUOUS_SHOWN:])
            number = f"{_MATCHES}+" if len(matches) > _MATCHES else len(matches)
            raise UsageError(f"{number} runs begin with {beginning}", next_step=f"Type more of it: {shown}")
        return matches[0]

    def _beginning_with(self, prefix: str) -> Iterator[str]:
        """Yield the first ids that begin with this, a few more than are counted at most."""
        if self._store.get(run_path(prefix)) is not None:
            yield prefix
        before = Document(run_path(prefix), {}, self._clock.now(), self._clock.now())
        for document in self._store.query(Query(RUNS, limit=_MATCHES + 1, start_after=before)):
            if not document.id.startswith(prefix):
                return
            yield document.id

    def _complete_group(self, beginning: str) -> str:
        after: Filter = Filter("group", ">=", beginning)
        groups: list[str] = []
        while len(groups) <= _MATCHES:  # a step in the index for each, however many runs it has
            within = (after, Filter("group", "<", beginning + _AFTER_ALL_IDS))
            found = next(self._store.query(Query(RUNS, within, limit=1)), None)
            if found is None:
                break
            groups.append(found.data["group"])
            if groups[0] == beginning:
                return beginning
            after = Filter("group", ">", groups[-1])
        if not groups:
            raise NotFoundError(f"no group of runs '{beginning}'", next_step="List them: nbactl runs list -o wide")
        if len(groups) > 1:
            shown = ", ".join(groups[-_AMBIGUOUS_SHOWN:])
            number = f"{_MATCHES}+" if len(groups) > _MATCHES else len(groups)
            raise UsageError(f"{number} groups begin with {beginning}", next_step=f"Type more of it: {shown}")
        return groups[0]

    def _with_tasks(self, documents: Sequence[Document]) -> Sequence[Entry]:
        entries = [read_run(document) for document in documents]
        names = [
            document.data["task_order"] if isinstance(entry, RunRecord) else []
            for entry, document in zip(entries, documents, strict=True)
        ]
        paths = [task_path(entry.run_id, task) for entry, tasks in zip(entries, names, strict=True) for task in tasks]
        found = iter(self._store.get_all(paths))
        return [
            with_tasks(entry, tasks, list(itertools.islice(found, len(tasks))))
            for entry, tasks in zip(entries, names, strict=True)
        ]


def _batches(documents: Iterator[Document], limit: int | None) -> Iterator[list[Document]]:
    size = _AT_ONCE if limit is None else min(limit, _AT_ONCE)
    while batch := list(itertools.islice(documents, size)):
        yield batch


def _query(
    name: str | None = None,
    date: GameDate | None = None,
    since: datetime | None = None,
    status: str | None = None,
    group: str | None = None,
) -> Query:
    stored = RunStatus.RUNNING.value if status in _BY_OWNER else status
    equal = {"name": name, "game_date": str(date) if date else None, "status": stored, "group": group}
    filters = [Filter(field, "==", value) for field, value in equal.items() if value is not None]
    if since is not None:
        filters.append(Filter("started_at", ">=", since))
    return Query(RUNS, tuple(filters), (Order("started_at", descending=True),))


def _update(path: str, changes: dict[str, Any]) -> Update:
    return Update(path, cast("dict[FieldPath, Any]", changes))
