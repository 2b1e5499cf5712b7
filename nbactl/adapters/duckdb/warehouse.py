"""The warehouse on one machine: a DuckDB file that answers BigQuery SQL."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from nbactl.adapters.duckdb import catalog, staging, versions
from nbactl.adapters.duckdb.ddl import run_statement
from nbactl.adapters.duckdb.dialect import Translated, translated_query
from nbactl.adapters.duckdb.dml import run_change
from nbactl.adapters.duckdb.errors import translated
from nbactl.adapters.duckdb.file import WarehouseFile
from nbactl.adapters.duckdb.values import bind, fetch, parameter_types, types_of
from nbactl.core._support import faults
from nbactl.core._support.warehouse_values import check_key
from nbactl.core.calls.deadline import remaining
from nbactl.errors import (
    DataError,
    NbactlError,
    NotFoundError,
    PreconditionError,
    TimedOutError,
    UnavailableError,
)
from nbactl.ports.warehouse import DryRun, Modified, QueryResult, Replaced, Rows, TableInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path
    from types import TracebackType

    from duckdb import DuckDBPyConnection

    from nbactl.core._support.clock import Clock
    from nbactl.ports.warehouse import Column, Fence, PartitionVersion, Select, TableLayout, TableSchema

_log = logging.getLogger(__name__)


class DuckDbWarehouse:
    """A Warehouse in the file `path`, which one process at a time has open, for as long as it is working with it.

    `lock_wait` is how many seconds an operation waits for another process; `holder` says to others who has it. Without
    `creates` a file that is not there is not made: NotFoundError.
    Threads may share it: they read side by side and write one after the other.
    """

    def __init__(self, path: Path, *, clock: Clock, lock_wait: float, holder: str, creates: bool = True) -> None:
        self._clock = clock
        self._lock_wait = lock_wait
        self._file = WarehouseFile(path, clock=clock, holder=holder, creates=creates)
        self._writing = threading.Lock()
        self._running: set[Watchdog] = set()

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        cache: bool = True,  # noqa: ARG002 - a local file has no result cache
        max_bytes: int | None = None,  # noqa: ARG002 - and nothing to pay for
        max_rows: int | None = None,
    ) -> QueryResult:
        with self._operation("query", timeout, labels, sql) as (cursor, _):
            query = self._translated(cursor, sql, parameters)
            return fetch(cursor, query, bind(parameters, query.parameters), max_rows)

    def dry_run(self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float) -> DryRun:
        with self._operation("dry_run", timeout, None, sql) as (cursor, _):
            query = self._translated(cursor, sql, parameters)
            cursor.execute(f"SELECT * FROM ({query.sql}) LIMIT 0", bind(parameters, query.parameters))
            return DryRun(tuple(name for name, _ in query.columns), None, types_of(query))

    def load(
        self,
        table: str,
        rows: Rows,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> int:
        with self._operation("load", timeout, labels) as (cursor, watchdog):
            schema, _ = catalog.describe(cursor, table)
            catalog.check_kind(cursor, table)
            columns = staging.stage_rows(cursor, rows, schema)
            with self._transaction(cursor, watchdog):
                if key is not None:
                    staging.drop_known(cursor, schema, key)
                days = staging.days(cursor, columns, schema)
                if staging.insert(cursor, columns, schema):
                    now = self._clock.now()
                    catalog.touch(cursor, table, now)
                    versions.record(cursor, schema, days, now)
            return len(rows.values)

    def replace_partitions(
        self,
        table: str,
        days: Sequence[date],
        source: Select | Rows,
        *,
        fence: Fence | None = None,
        timeout: float,
        labels: Mapping[str, str] | None = None,
    ) -> Replaced:
        sql = "" if isinstance(source, Rows) else source.sql
        with self._operation("replace_partitions", timeout, labels, sql) as (cursor, watchdog):
            schema, _ = catalog.describe(cursor, table)
            catalog.check_kind(cursor, table)
            if isinstance(source, Rows):
                columns = staging.stage_rows(cursor, source, schema)
            else:
                query = self._translated(cursor, source.sql, source.parameters)
                columns = staging.stage_query(cursor, query, bind(source.parameters, query.parameters), schema)
            staging.check_days(cursor, columns, schema, days)
            with self._transaction(cursor, watchdog, fence.guard if fence else None):
                if fence is not None:
                    staging.check_and_record(cursor, table, days, fence)
                cursor.execute(
                    f"DELETE FROM {catalog.quoted(table)} WHERE list_contains("
                    f"CAST($days AS DATE[]), CAST({catalog.quoted(schema.partition_by or '')} AS DATE))",
                    {"days": list(days)},
                )
                count = staging.insert(cursor, columns, schema)
                now = self._clock.now()
                catalog.touch(cursor, table, now)
                recorded = versions.record(cursor, schema, days, now)
            return Replaced(count, recorded)

    def run_dml(
        self,
        statements: Sequence[str],
        parameters: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        max_bytes: int | None = None,  # noqa: ARG002 - nothing to pay for
    ) -> Modified:
        if not statements:
            raise DataError("there is no statement", cause="The list is empty.")
        if key is not None:
            check_key(key)
        began = self._clock.monotonic()
        with self._operation("run_dml", timeout, labels, statements[0]) as (cursor, watchdog):
            with self._transaction(cursor, watchdog):
                rows = sum(run_change(cursor, sql, parameters, self._clock.now()) for sql in statements)
            return Modified(rows, None, None, self._clock.monotonic() - began, None)

    def set_clustering(self, table: str, columns: Sequence[str], *, etag: str | None = None, timeout: float) -> None:
        with (
            self._operation("set_clustering", timeout, None) as (cursor, watchdog),
            self._transaction(cursor, watchdog),
        ):
            found = catalog.layout(cursor, table)
            if etag not in (None, found.etag):
                raise PreconditionError(
                    f"table {table} has changed",
                    cause="It has another etag than the one that was read before.",
                    next_step="Look at the table again: nbactl bq plan",
                )
            catalog.check_kind(cursor, table)
            schema = replace(found.schema, cluster_by=tuple(columns))
            catalog.check_layout(schema)
            catalog.remember(cursor, schema)
            catalog.touch(cursor, table, self._clock.now())

    def versions(
        self,
        tables: Sequence[str],
        first: date,
        last: date,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
    ) -> Mapping[tuple[str, date], PartitionVersion]:
        known = self._file.sidecar.read()
        if known is None:
            if not self._file.exists():
                return {}
            with self._operation("versions", timeout, labels) as (cursor, _):
                return versions.read_counted(cursor, tables, first, last)
        wanted = set(tables)
        return {
            (table, day): version for (table, day), version in known.items() if table in wanted and first <= day <= last
        }

    def changed_by_others(self, *, timeout: float) -> Mapping[str, Sequence[date]]:
        """Return by table the partitions whose rows another program changed: all digests are computed again.

        This reads the whole file. Raises what every call raises.
        """
        with self._operation("changed_by_others", timeout, None) as (cursor, _):
            cursor.begin()  # versions and rows of one moment; closing the cursor ends it
            schemas = [catalog.describe(cursor, name)[0] for name in catalog.names(cursor)]
            return {schema.name: days for schema in schemas if (days := versions.untrue(cursor, schema))}

    def create_table(self, schema: TableSchema) -> None:
        with self._operation("create_table", self._lock_wait, None) as (cursor, watchdog):
            if catalog.exists(cursor, schema.name):
                return
            with self._transaction(cursor, watchdog):
                if not catalog.exists(cursor, schema.name):
                    catalog.create(cursor, schema)

    def add_columns(self, table: str, columns: Sequence[Column]) -> None:
        with (
            self._operation("add_columns", self._lock_wait, None) as (cursor, watchdog),
            self._transaction(cursor, watchdog),
        ):
            schema, _ = catalog.describe(cursor, table)
            catalog.add_columns(cursor, schema, columns)

    def table(self, name: str) -> TableInfo:
        with self._operation("table", self._lock_wait, None) as (cursor, _):
            schema, modified = catalog.describe(cursor, name)
            rows = cursor.execute(f"SELECT COUNT(*) FROM {catalog.quoted(name)}").fetchall()[0][0]
            return TableInfo(schema, rows, None, modified.replace(tzinfo=UTC) if modified else None)

    def list_tables(self, dataset: str | None = None) -> list[str]:
        with self._operation("list_tables", self._lock_wait, None) as (cursor, _):
            return [name for name in catalog.names(cursor) if dataset is None or name.startswith(f"{dataset}.")]

    def layouts(self, dataset: str, names: Sequence[str], *, timeout: float) -> Mapping[str, TableLayout]:
        with self._operation("layouts", timeout, None) as (cursor, _):
            there = {name for name in catalog.names(cursor) if name.startswith(f"{dataset}.")}
            if not there:
                raise NotFoundError(
                    f"there is no dataset {dataset}", details={"missing": "dataset", "dataset": dataset}
                )
            return {name: catalog.layout(cursor, name) for name in names if name in there}

    def layout(self, known: TableLayout, *, timeout: float) -> TableLayout:
        with self._operation("layout", timeout, None) as (cursor, _):
            return catalog.layout(cursor, known.schema.name)

    def apply_ddl(self, statements: Iterable[str], *, timeout: float) -> None:
        for statement in statements:
            with (
                self._operation("apply_ddl", timeout, None, statement) as (cursor, watchdog),
                self._transaction(cursor, watchdog),
            ):
                if table := run_statement(cursor, statement):
                    now = self._clock.now()
                    schema, _ = catalog.describe(cursor, table)
                    catalog.touch(cursor, table, now)
                    versions.record(cursor, schema, None, now)

    def close(self) -> None:
        self._file.shut()
        for watchdog in self._running.copy():
            watchdog.interrupt()
        self._file.close()

    def _translated(self, cursor: DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None) -> Translated:
        from nbactl.adapters.duckdb.sql.columns import columns_of  # noqa: PLC0415

        return translated_query(sql, parameter_types(parameters), partial(columns_of, cursor))

    @contextmanager
    def _operation(
        self,
        verb: str,
        timeout: float,
        labels: Mapping[str, str] | None,
        sql: str = "",
    ) -> Iterator[tuple[DuckDBPyConnection, Watchdog]]:
        """Give a cursor of the open file, with the time limit in force and errors translated."""
        limit = remaining(timeout)
        if limit <= 0:
            raise TimedOutError(f"no time is left for {verb}", cause="the deadline of the run has passed")
        import duckdb

        with self._file.use(remaining(self._lock_wait)) as connection:
            started = self._clock.monotonic()
            outcome = "failed"
            cursor = connection.cursor()
            watchdog = Watchdog(cursor, limit)
            self._running.add(watchdog)
            names = connection.cursor  # the cursor of a failed transaction cannot be asked for names
            try:
                with translated(sql=sql, tables=lambda: catalog.names(names())), watchdog:
                    self._file.check_not_shut()
                    yield cursor, watchdog
                outcome = "done"
            except UnavailableError as error:
                if isinstance(error.__cause__, duckdb.FatalException):
                    self._file.renew()
                raise
            finally:
                self._running.discard(watchdog)
                cursor.close()
                seconds = self._clock.monotonic() - started
                _log.debug("warehouse %s %s in %.3f s", verb, outcome, seconds, extra={"labels": dict(labels or {})})

    @contextmanager
    def _transaction(
        self,
        cursor: DuckDBPyConnection,
        watchdog: Watchdog,
        guard: Callable[[Callable[[], None]], None] | None = None,
    ) -> Iterator[None]:
        """Commit what the block did, or nothing of it; one transaction at a time."""
        import duckdb

        if not self._writing.acquire(timeout=watchdog.left()):
            raise watchdog.expired()
        try:
            cursor.begin()
            try:
                yield
                watchdog.left()
                (guard or _at_once)(lambda: _commit(cursor))
            except BaseException:
                with suppress(duckdb.TransactionException):  # a commit that failed has rolled back already
                    cursor.rollback()
                raise
        finally:
            self._writing.release()


def _commit(cursor: DuckDBPyConnection) -> None:
    faults.reach("warehouse.before_commit")
    cursor.commit()
    faults.reach("warehouse.after_commit")


def _at_once(commit: Callable[[], None]) -> None:
    commit()


_AGAIN: Final = 0.05
"""Seconds between two interrupts: each ends only the statement that is running at that moment."""


class Watchdog:
    """Interrupt a cursor's statements once `limit` seconds of real time are used up, or on request.

    An interrupt ends only the statement that is running at that moment, so it is repeated until the guarded
    block is left; `left` covers the time between statements.
    """

    def __init__(self, cursor: DuckDBPyConnection, limit: float) -> None:
        self._cursor = cursor
        self._limit = limit
        self._ends = time.monotonic() + limit
        self._wake = threading.Event()
        self._done = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._watch, name="warehouse-watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import duckdb

        self._done.set()
        self._wake.set()
        self._thread.join()
        if isinstance(error, duckdb.InterruptException):
            raise self.expired() from error

    def interrupt(self) -> None:
        """End the guarded block because the warehouse is being closed."""
        self._closing = True
        self._wake.set()

    def left(self) -> float:
        """Return the seconds that are left. Raises what `expired` returns if there are none."""
        left = self._ends - time.monotonic()
        if left <= 0 or self._closing:
            raise self.expired()
        return left

    def expired(self) -> NbactlError:
        """Return the error for the end of the guarded block."""
        if self._closing:
            return PreconditionError("the warehouse was closed while the call was running")
        return TimedOutError(
            f"the warehouse did not finish within {self._limit:g} s",
            cause="the time limit of the call, or what was left of the run's deadline, is used up",
            next_step="Raise the limit in timeouts.yaml if the amount of data justifies it.",
        )

    def _watch(self) -> None:
        self._wake.wait(self._limit)
        while not self._done.is_set():
            self._cursor.interrupt()
            self._done.wait(_AGAIN)
