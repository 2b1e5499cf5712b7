"""Bookkeeping rows on their way into the warehouse: kept as documents, and loaded many at a time.

A load for each row reaches BigQuery's limit of 1,500 loads a table and day, and then every write to that table stops
(cloud.google.com/bigquery/quotas#load_jobs). Documents `row_buffer/{place}/rows/{table:key}`; `row_buffer/{place}` says
when the next try is due after a load that failed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core._support.ids import encode_id
from nbactl.core._support.warehouse_values import check_rows
from nbactl.core.calls.deadline import beyond_deadline, deadline_scope
from nbactl.core.lease.leases import Leases
from nbactl.errors import DataError, LeaseHeldError, NbactlError, NotFoundError
from nbactl.frozen import frozen
from nbactl.ports.documents import MAX_WRITES, Delete, Order, Query, Set
from nbactl.ports.warehouse import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Document, DocumentStore, Write
    from nbactl.ports.warehouse import TableSchema, Warehouse

COLLECTION: Final = "row_buffer"
LABELS: Final = {"task": "load-rows"}
MANY: Final = 500
"""So many rows are loaded whatever their age."""
_AT_ONCE: Final = 5_000
_MOST_DOUBLINGS: Final = 5
"""How often the wait after a failed load doubles: with five minutes it grows to nearly three hours."""
_LOG = logging.getLogger(__name__)


@frozen
class BufferTimes:
    """Seconds. A row waits up to `age` for others; a load may take `flush`, or `at_end` where somebody waits for it.

    A process has the buffer for `lease`.
    """

    age: float
    flush: float
    at_end: float
    lease: float


@frozen
class Flushed:
    """How many rows were loaded into which table, how many were set aside, and the first error."""

    loaded: Mapping[str, int]
    refused: int = 0
    error: NbactlError | None = None


_NOTHING: Final = Flushed({})


class RowBuffer:
    """Collects rows of any process, and loads those of a table together, each once.

    `place` names the warehouse that the rows are for. `create` makes a declared table that is missing. A row is kept
    until it is loaded, whatever happens to the warehouse or to this process.
    """

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        times: BufferTimes,
        *,
        place: Callable[[], str],
        owner: Callable[[], str],
        warehouse: Callable[[], Warehouse],
        create: Callable[[Warehouse, str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._times = times
        self._place = place
        self._owner = owner
        self._warehouse = warehouse
        self._create = create
        # A process that was killed may have left a load that still runs, so that its lease is never cut short.
        self._leases = Leases(store, clock, is_dead=lambda _: False)

    def write(self, table: str, key: str, row: Mapping[str, Any]) -> Set:
        """Return the write that appends a row; commit it together with the change that the row reports.

        `key` is the column that tells the rows of the table apart. A row with the same key as one before is that row.
        """
        # A document holds no dates.
        kept = {name: value.isoformat() if type(value) is date else value for name, value in row.items()}
        document = {"table": table, "key": key, "row": kept, "created_at": self._clock.now()}
        return Set(f"{self._rows}/{encode_id(f'{table}:{row[key]}')}", document)

    def append(self, table: str, key: str, row: Mapping[str, Any]) -> None:
        """Append a row. It is durable when this returns, and no warehouse is needed for that."""
        self._store.commit([self.write(table, key, row)])

    def waiting(self) -> int:
        """Return how many rows are not loaded yet."""
        return self._store.count(Query(self._rows))

    def flush_due(self, *, at_end: bool = False) -> Flushed:
        """Load the rows if one has waited long enough or they are many. Errors are in the answer; rows are kept.

        `at_end` is for a command that has done its work, and does not wait long for the warehouse.
        """
        try:
            return self.flush(at_end=at_end) if self._is_due() else _NOTHING
        except NbactlError as error:
            return Flushed({}, error=error)

    def flush(self, *, at_end: bool = False) -> Flushed:
        """Load the rows, those of a table in one load. Where another process is at it, do nothing.

        Raises what the document store raises. An error of the warehouse is in the answer.
        """
        try:
            lease = self._leases.acquire(f"{COLLECTION}/{self._place()}", self._owner(), self._times.lease)
        except LeaseHeldError:
            return _NOTHING
        try:
            with deadline_scope(self._times.at_end if at_end else self._times.flush, self._clock):
                done = self._flush()
            self._note(done.error, at_end=at_end)
            return done
        finally:
            self._leases.release(lease)

    @property
    def _state(self) -> str:
        return f"{COLLECTION}/{encode_id(self._place())}"

    @property
    def _rows(self) -> str:
        return f"{self._state}/rows"

    def _is_due(self) -> bool:
        oldest = next(iter(self._store.query(_oldest(self._rows, 1))), None)
        if oldest is None:
            return False
        now = self._clock.now()
        waited = now - _created_at(oldest)
        if waited < timedelta(seconds=self._times.age) and self.waiting() < MANY:
            return False
        state = self._store.get(self._state)
        return state is None or state.data["due_at"] <= now

    def _flush(self) -> Flushed:
        loaded: dict[str, int] = defaultdict(int)
        refused = 0
        while documents := list(self._store.query(_oldest(self._rows, _AT_ONCE))):
            errors = []
            for table, rows in _by_table(documents).items():
                try:
                    count = self._load(table, rows)
                except NbactlError as error:
                    errors.append(error)
                else:
                    loaded[table] += count
                    refused += len(rows) - count
            if errors:
                return Flushed(loaded, refused, errors[0])
        return Flushed(loaded, refused)

    def _load(self, table: str, documents: Sequence[Document]) -> int:
        """Load the rows of a table and forget them; returns how many. One that does not fit holds up no other."""
        warehouse = self._warehouse()
        schema = self._schema_of(warehouse, table)
        # The table may be one of other programs, which lacks a column of ours.
        there = {column.name for column in schema.columns}
        key = documents[0].data["key"]
        if key not in there:
            raise DataError(f"{table} has no column {key}, which tells its rows apart", details={"table": table})
        names = [name for document in documents for name in document.data["row"] if name in there]
        columns = tuple(dict.fromkeys(names))
        dates = {column.name for column in schema.columns if column.type == "DATE"}
        fitting: list[Document] = []
        misfits: list[tuple[Document, DataError]] = []
        for document in documents:
            try:
                check_rows(Rows(columns, [_values(document, columns, dates)]), schema)
            except DataError as error:
                misfits.append((document, error))
            else:
                fitting.append(document)
        if not fitting:
            raise misfits[0][1]
        rows = Rows(columns, [_values(document, columns, dates) for document in fitting])
        warehouse.load(table, rows, timeout=self._times.flush, labels=LABELS, key=key)
        reach("rows.loaded")
        self._forget(fitting, misfits)
        return len(fitting)

    def _schema_of(self, warehouse: Warehouse, table: str) -> TableSchema:
        try:
            return warehouse.table(table).schema
        except NotFoundError:
            self._create(warehouse, table)
            return warehouse.table(table).schema

    def _forget(self, fitting: Sequence[Document], misfits: Sequence[tuple[Document, DataError]]) -> None:
        """Delete what was loaded, and set aside what no load would take."""
        writes: list[Write] = [Delete(document.path) for document in fitting]
        for document, error in misfits:
            _LOG.warning("a row was set aside: %s", error.message)
            aside = f"{self._state}/refused/{document.id}"
            writes += [Set(aside, {**document.data, "error": error.message}), Delete(document.path)]
        with beyond_deadline():
            for begin in range(0, len(writes), MAX_WRITES):
                self._store.commit(writes[begin : begin + MAX_WRITES])

    def _note(self, error: NbactlError | None, *, at_end: bool) -> None:
        """Keep when the next try is due, so that an outage costs no time of every command.

        A short try that failed is no sign of an outage: the pause does not grow.
        """
        with beyond_deadline():
            state = self._store.get(self._state)
            failures = 0 if state is None else state.data["failures"]
            if error is not None:
                _LOG.warning("rows are kept and loaded later: %s", error.message)
                wait = timedelta(seconds=self._times.age * 2 ** min(failures, _MOST_DOUBLINGS))
                after = failures if at_end else failures + 1
                due = {"failures": after, "due_at": self._clock.now() + wait, "last_error": error.message}
                self._store.commit([Set(self._state, due)])
            elif state is not None:
                self._store.commit([Delete(self._state)])


def _oldest(collection: str, limit: int) -> Query:
    return Query(collection, order=(Order("created_at"),), limit=limit)


def _created_at(document: Document) -> datetime:
    moment: datetime = document.data["created_at"]
    return moment


def _by_table(documents: Sequence[Document]) -> Mapping[str, list[Document]]:
    found: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        found[document.data["table"]].append(document)
    return found


def _values(document: Document, columns: Sequence[str], dates: Collection[str]) -> tuple[Any, ...]:
    row = document.data["row"]
    return tuple(_date(row.get(name)) if name in dates else row.get(name) for name in columns)


def _date(value: Any) -> Any:  # noqa: ANN401 - what is no date is refused with its row
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value
