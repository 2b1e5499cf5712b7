"""The warehouse port: SQL tables partitioned by date. SQL is BigQuery's dialect on every engine.

Tables are named `dataset.table`. Query parameters are named (`@game_date`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

ColumnType = Literal["STRING", "INT64", "FLOAT64", "NUMERIC", "BOOL", "DATE", "TIMESTAMP", "JSON"]
"""A NUMERIC is a decimal.Decimal: 29 digits before the point and 9 after it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    type: ColumnType
    required: bool = False
    description: str = ""


PartitionUnit = Literal["HOUR", "DAY", "MONTH", "YEAR"]


@dataclass(frozen=True, slots=True)
class TableSchema:
    """What a table is declared to be.

    A partition holds one `partition_unit` of the column `partition_by`, and is deleted `partition_expiration_days`
    after that, None for never. With `require_partition_filter` a query without a filter by that column is refused.
    """

    name: str
    columns: tuple[Column, ...]
    partition_by: str | None = None
    cluster_by: tuple[str, ...] = ()
    description: str = ""
    partition_unit: PartitionUnit = "DAY"
    partition_expiration_days: float | None = None
    require_partition_filter: bool = False


@dataclass(frozen=True, slots=True)
class TableInfo:
    """What a table is.

    `modified` is when its rows or columns were changed last; it moves with every change. None where the engine cannot
    promise that: of a view, of a table that rows are streamed into, of one that nothing was written to yet.
    """

    schema: TableSchema
    rows: int
    bytes: int | None
    modified: datetime | None


TableKind = Literal["table", "view", "materialized view", "external table", "snapshot"]


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How a table is stored. What an engine does not know is None.

    `partitioned_otherwise` says in words how a table is partitioned that is not partitioned by a time column.
    `bytes` are logical ones, `long_term_bytes` those of them at the long-term price, `largest_partition` the bytes of
    the largest partition. Rows in the streaming buffer are not in `rows`. `etag` changes with every change of the
    table.
    """

    schema: TableSchema
    kind: TableKind = "table"
    partitioned_otherwise: str = ""
    rows: int = 0
    bytes: int | None = None
    long_term_bytes: int | None = None
    partitions: int | None = None
    largest_partition: int | None = None
    streaming_rows: int = 0
    modified: datetime | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The rows of a query, as tuples in the order of `columns`.

    `types` are BigQuery's names of the columns' types, such as `INT64` or `ARRAY<STRING>`, in the same order; empty
    where the engine does not say. `truncated` if there are more rows than `max_rows` allowed.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    bytes_processed: int | None = None
    cache_hit: bool = False
    types: tuple[str, ...] = ()
    truncated: bool = False

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows keyed by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def scalar(self) -> Any:  # noqa: ANN401 - a cell can be of any type
        """Return the only cell of a one-row, one-column result."""
        ((value,),) = self.rows
        return value


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a query would do: its result columns, and the bytes it would read where the engine can tell."""

    columns: tuple[str, ...]
    bytes_processed: int | None
    types: tuple[str, ...] = ()
    """As in QueryResult."""


@dataclass(frozen=True, slots=True)
class Select:
    """Rows given by a query."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows given as values, one tuple per row in the order of `columns`; columns not named are NULL."""

    columns: tuple[str, ...]
    values: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class PartitionVersion:
    """The content of a partition as a digest of values: it changes only when its rows change.

    A partition without rows has a version too, once it was written. `changed_at` is when the digest changed last.
    """

    digest: str
    rows: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Replaced:
    """What `replace_partitions` wrote: the number of rows, and the version of every partition it replaced."""

    rows: int
    versions: Mapping[date, PartitionVersion]


@dataclass(frozen=True, slots=True)
class Modified:
    """What DML statements did. Bytes are None where nothing is billed; `seconds` is the engine's own time."""

    rows: int
    bytes_processed: int | None
    bytes_billed: int | None
    seconds: float
    job_id: str | None


class Fence(Protocol):
    """The right to write, taken from a lease: a token that only grows, and that can be revoked."""

    @property
    def token(self) -> int:
        """The fencing token; a later holder has a greater one."""
        ...

    @property
    def holder(self) -> str:
        """Who writes, for messages."""
        ...

    def guard(self, commit: Callable[[], None]) -> None:
        """Call `commit` unless the right was revoked (StaleFenceError); revoking waits while `commit` runs."""
        ...


class Warehouse(Protocol):
    """The verbs of a warehouse. Timeouts are seconds; `labels` name the run in the engine's job history.

    Every method raises UnavailableError when the engine does not answer or is held by another process,
    TimedOutError when `timeout` is used up, NotFoundError for a missing table or column, DataError for values
    or SQL that do not fit.
    """

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        cache: bool = True,
        max_bytes: int | None = None,
        max_rows: int | None = None,
    ) -> QueryResult:
        """Run a query and return its rows: all of them, or the first `max_rows`; no more are fetched.

        A query that would be billed for more than `max_bytes` is a PreconditionError and costs nothing.
        """
        ...

    def dry_run(self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float) -> DryRun:
        """Check a query and describe its result without running it."""
        ...

    def load(
        self,
        table: str,
        rows: Rows,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> int:
        """Append rows; returns how many were given.

        With `key`, a column in which each of `rows` has a value of its own, a row is left out if its value is in the
        same partitions already: a load whose answer was lost may be repeated, but not while it still runs.
        """
        ...

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
        """Replace the partitions of `days` by `source`, and record their versions, in one transaction.

        A row outside `days` is a DataError and nothing is changed. With a fence the same transaction refuses
        (StaleFenceError) if any of the partitions was written under a greater token, and records this token.
        """
        ...

    def run_dml(
        self,
        statements: Sequence[str],
        parameters: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Modified:
        """Run INSERT, UPDATE, DELETE or MERGE statements in one transaction.

        `key` names this piece of work ([A-Za-z0-9_-], unique in the project). While the engine remembers that the
        statements of that key were committed, it returns their outcome and does not run them again; other statements
        under that key are a PayloadMismatchError. An engine without a history of jobs ignores the key, so that callers
        give statements that may be repeated. Statements that would be billed for more than `max_bytes` are a
        PreconditionError. Raises ContentionError for a concurrent change.
        """
        ...

    def set_clustering(self, table: str, columns: Sequence[str], *, etag: str | None = None, timeout: float) -> None:
        """Change the clustering of the data that are written from now on; no columns end it.

        Raises PreconditionError if the table has another etag than `etag`, and DataError for columns that cannot
        cluster.
        """
        ...

    def versions(
        self,
        tables: Sequence[str],
        first: date,
        last: date,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
    ) -> Mapping[tuple[str, date], PartitionVersion]:
        """Return the versions of the partitions from `first` to `last` by table and date.

        A partition that was never written is absent; a table or warehouse that is not there has none.
        """
        ...

    def create_table(self, schema: TableSchema) -> None:
        """Create the table (and its dataset) unless it is there."""
        ...

    def add_columns(self, table: str, columns: Sequence[Column]) -> None:
        """Add those of `columns` that the table lacks; rows that are there get NULL.

        Raises DataError for a required column.
        """
        ...

    def table(self, name: str) -> TableInfo:
        """Describe a table. Raises NotFoundError."""
        ...

    def list_tables(self, dataset: str | None = None) -> list[str]:
        """Return the names `dataset.table`, sorted."""
        ...

    def layouts(self, dataset: str, names: Sequence[str], *, timeout: float) -> Mapping[str, TableLayout]:
        """Describe those of the tables `dataset.table` that are there, in few calls; it may lag behind by minutes.

        Raises NotFoundError for a missing dataset.
        """
        ...

    def layout(self, known: TableLayout, *, timeout: float) -> TableLayout:
        """Describe a table as it is now, with its etag and streaming buffer. Raises NotFoundError."""
        ...

    def apply_ddl(self, statements: Iterable[str], *, timeout: float) -> None:
        """Run DDL statements in order."""
        ...

    def close(self) -> None:
        """Release the engine. The warehouse cannot be used afterwards."""
        ...


JobKind = Literal["query", "load", "copy", "extract"]


@dataclass(frozen=True, slots=True)
class WarehouseJob:
    """A job that an engine ran, from its own history; of a script its statements, not the script.

    Tables are `dataset.table`, with the project before it if that is another one. `bytes_billed` is what a price by
    bytes is paid for, `slot_ms` the slot time in milliseconds. `query_hash` is the same for texts that differ in
    literals, parameters and comments alone; None where the engine gives none, as for cache hits and failures. Of cache
    hits `referenced` is empty, and `sql` their text if it was asked for. `error` is the reason of a failure, such as
    `quotaExceeded`, None if there is none. `rows_changed` is None of anything but DML.
    """

    job_id: str
    kind: JobKind
    statement: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    bytes_processed: int
    bytes_billed: int
    slot_ms: int
    cache_hit: bool
    labels: Mapping[str, str]
    user: str
    destination: str | None
    referenced: tuple[str, ...]
    query_hash: str | None
    error: str | None = None
    rows_changed: int | None = None
    sql: str | None = None


class JobHistory(Protocol):
    """The history of jobs, for engines that keep one."""

    def jobs(
        self, since: datetime, until: datetime, *, timeout: float, hit_texts: bool = False
    ) -> Iterator[WarehouseJob]:
        """Yield the jobs of all users created from `since` to before `until`, in any order, page by page.

        With `hit_texts` cache hits have their text, which is more to read and to pay for. `timeout` is in seconds for
        all calls together. Raises NotAuthorisedError without the right to list jobs, and what every call of the
        warehouse raises.
        """
        ...

    def query_texts(
        self, hashes: Sequence[str], since: datetime, until: datetime, *, timeout: float
    ) -> Mapping[str, str]:
        """Return the text of one query for each of the hashes that has one in that time. Raises as `jobs` does."""
        ...
