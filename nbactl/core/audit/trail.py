"""The audit trail in the document store, with files for while the store does not answer.

No change waits long for its entry, and none is refused for want of one: an emergency rollback works while the store is
down. Its entry is then a file, which the next change brings into the store. Documents `audit/{id}`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from nbactl.core._support.faults import reach
from nbactl.core.audit.entry import AuditEntry
from nbactl.core.audit.records import COLLECTION, AuditFiles, entry_of, fields_of, masked
from nbactl.core.calls.deadline import beyond_deadline, deadline_scope
from nbactl.errors import DataError, NbactlError, NotFoundError
from nbactl.frozen import frozen
from nbactl.ports.documents import Filter, Order, Query, Set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.core.audit.entry import AuditOutcome, Change
    from nbactl.ports.documents import DocumentStore, Transaction

_NEWEST_FIRST = (Order("at", descending=True),)


@frozen
class AuditFilter:
    """Which entries to list. `by` is `user@host` or the user alone; `action` is a command, or its noun alone."""

    since: datetime | None = None
    by: str | None = None
    action: str | None = None
    limit: int | None = 20

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The conditions as the store takes them."""
        found = []
        if self.by is not None:
            found.append(Filter("by" if "@" in self.by else "user", "==", self.by))
        if self.action is not None:
            found.append(Filter("action" if "." in self.action else "noun", "==", self.action))
        if self.since is not None:
            found.append(Filter("at", ">=", self.since))
        return tuple(found)

    def fits(self, entry: AuditEntry) -> bool:
        """Say whether an entry that is not in the store belongs to the list."""
        by_user = self.by in (None, entry.by, entry.by.partition("@")[0])
        by_action = self.action in (None, entry.change.action, entry.change.action.partition(".")[0])
        return by_user and by_action and (self.since is None or entry.at >= self.since)


@frozen
class AuditPage:
    """Entries, the newest first. `total` counts those left out by the limit; `waiting` ones are in files here."""

    entries: tuple[AuditEntry, ...]
    total: int
    waiting: frozenset[str]


class AuditTrail:
    """Keeps and lists entries; `documents` opens the store, and may raise what opening it raises.

    A write may take `patience()` seconds. `notice` gets a message about what could not be kept or read.
    """

    def __init__(
        self,
        documents: Callable[[], DocumentStore],
        folder: Path,
        clock: Clock,
        ids: IdGenerator,
        *,
        patience: Callable[[], float],
        notice: Callable[[str], None],
    ) -> None:
        self._documents = documents
        self._files = AuditFiles(folder)
        self._clock = clock
        self._ids = ids
        self._patience = patience
        self._notice = notice
        self._begun: dict[str, AuditEntry] = {}

    def begin(self, change: Change, by: str) -> str:
        """Keep a change before it is made; returns the id of its entry. Raises nothing that the store raises."""
        entry = AuditEntry(self._ids.new("audit"), self._clock.now(), by, masked(change), "started")
        self._begun[entry.entry_id] = entry
        if self._keep(entry):
            self.bring_in()
        reach("audit.begun")
        return entry.entry_id

    def finish(
        self,
        entry_id: str,
        outcome: AuditOutcome,
        *,
        undo: str | None = None,
        error: str | None = None,
        touches: tuple[str, ...] = (),
    ) -> None:
        """Keep how a change ended that this process has begun."""
        begun = self._begun.pop(entry_id)
        change = replace(begun.change, undo=undo or begun.change.undo, touches=touches or begun.change.touches)
        self._keep(replace(begun, change=masked(change), outcome=outcome, finished_at=self._clock.now(), error=error))

    def find(self, entry_id: str) -> AuditEntry:
        """Return an entry by its id, or the `last` one. Raises NotFoundError."""
        if entry_id == "last":
            newest = self.page(AuditFilter(limit=1)).entries
            if not newest:
                raise NotFoundError("nothing was changed yet", next_step="The first change makes the first entry.")
            return newest[0]
        for entry in self._waiting():
            if entry.entry_id == entry_id:
                return entry
        document = self._documents().get(f"{COLLECTION}/{entry_id}") if "/" not in entry_id else None
        if document is None:
            raise NotFoundError(f"there is no entry '{entry_id}' in the audit trail", next_step="List: nbactl audit")
        return entry_of(document.path, document.data)

    def page(self, wanted: AuditFilter) -> AuditPage:
        """Return entries, the newest first; those in files of this machine too."""
        store = self._documents()
        waiting = [entry for entry in self._waiting() if wanted.fits(entry)]
        names = frozenset(entry.entry_id for entry in waiting)
        query = Query(COLLECTION, wanted.filters, _NEWEST_FIRST, limit=wanted.limit)
        stored = [entry for entry in self._readable(store, query) if entry.entry_id not in names]
        found = sorted([*waiting, *stored], key=lambda entry: (entry.at, entry.entry_id), reverse=True)
        # A range needs the index that the order names; without a range, no order is read by no index at all.
        counted = replace(query, limit=None, order=_NEWEST_FIRST if wanted.since is not None else ())
        total = store.count(counted) + len(waiting)
        return AuditPage(tuple(found[: wanted.limit]), max(total, len(found)), names)

    def bring_in(self, limit: int = 100) -> None:
        """Move the entries of files into the store."""
        for entry in islice(self._waiting(), limit):
            try:
                with beyond_deadline(), deadline_scope(self._patience(), self._clock):
                    self._documents().transaction(partial(_newer, entry))
            except NbactlError as error:
                self._notice(f"entries of the audit trail stay in files: {error}")
                return
            reach("audit.brought_in")
            self._files.remove(entry.entry_id)

    def _readable(self, store: DocumentStore, query: Query) -> Iterator[AuditEntry]:
        for document in store.query(query):
            try:
                yield entry_of(document.path, document.data)
            except DataError as error:
                self._notice(f"left out: {error.message}")

    def _waiting(self) -> list[AuditEntry]:
        try:
            return list(self._files.entries())
        except (DataError, OSError) as error:
            self._notice(f"entries of the audit trail cannot be read: {error}")
            return []

    def _keep(self, entry: AuditEntry) -> bool:
        """Keep an entry in the store, else in a file; returns whether the store has it."""
        try:
            self._store(entry)
        except NbactlError as error:
            self._notice(f"the audit trail keeps this change in a file until the store answers: {error}")
            try:
                self._files.keep(entry)
            except OSError as refusal:
                self._notice(f"the audit trail does not have this change: {refusal}")
            return False
        self._files.remove(entry.entry_id)
        return True

    def _store(self, entry: AuditEntry) -> None:
        with beyond_deadline(), deadline_scope(self._patience(), self._clock):
            self._documents().commit([Set(f"{COLLECTION}/{entry.entry_id}", fields_of(entry))])


def _newer(entry: AuditEntry, transaction: Transaction) -> None:
    """Write an entry unless the store has one that is further."""
    path = f"{COLLECTION}/{entry.entry_id}"
    stored = transaction.get(path)
    if stored is None or (stored.data.get("finished_at") is None and entry.finished_at is not None):
        transaction.write(Set(path, fields_of(entry)))


def described(error: BaseException) -> str:
    """Return an error as an entry keeps it."""
    return f"{error.code}: {error}" if isinstance(error, NbactlError) else f"{type(error).__name__}: {error}"


def first_of(texts: Iterable[str], most: int = 20) -> tuple[str, ...]:
    """Return what is touched, of many the first ones and how many more there are."""
    given = tuple(texts)
    return given if len(given) <= most else (*given[:most], f"and {len(given) - most:,} more")
