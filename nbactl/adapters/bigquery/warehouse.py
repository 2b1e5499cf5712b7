"""The warehouse in BigQuery, through Google's client."""

from __future__ import annotations

import io
import logging
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.cloud import bigquery  # noqa: TID253 - the adapter itself
from google.cloud.bigquery.enums import QueryApiMethod  # noqa: TID253 - the adapter itself

from nbactl.adapters.bigquery import layouts, scripts, sqltext
from nbactl.adapters.bigquery.calls import NO_RETRY, JobCall
from nbactl.adapters.bigquery.catalog import Catalog
from nbactl.adapters.bigquery.outcomes import days_of, modified, refusal_of, version_of, wait
from nbactl.adapters.bigquery.tables import (
    OWN,
    split_name,
    staging_fields,
    type_of,
)
from nbactl.adapters.bigquery.values import days as days_parameter
from nbactl.adapters.bigquery.values import json_lines, query_parameters, typed
from nbactl.core._support import faults
from nbactl.core._support.warehouse_values import (
    check_columns,
    check_key,
    check_query_type,
    check_rows,
    outside_partitions,
    partition_of,
)
from nbactl.core.calls.deadline import beyond_deadline, time_for
from nbactl.errors import DataError, NbactlError
from nbactl.ports.warehouse import DryRun, PartitionVersion, QueryResult, Replaced, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nbactl.adapters.bigquery.calls import Calls
    from nbactl.adapters.bigquery.tables import Described
    from nbactl.ports.warehouse import Column, Fence, Modified, Select, TableInfo, TableLayout, TableSchema

T = TypeVar("T")
_PAGE: Final = 20_000
"""Rows of an answer; the service sends fewer where they are large."""
_STAGING_LIFE: Final = timedelta(hours=6)
_LONGEST_PAUSE: Final = 2.0
_NO_LIMIT: Final = 3600.0
"""Seconds of a part of a call whose limit is already in force."""
STAGING: Final = f"{OWN}staging_"
_LOG = logging.getLogger(__name__)


class BigQueryWarehouse:
    """A Warehouse in the datasets of a project. Threads may share it.

    `metadata` is the limit in seconds of calls that take no timeout.
    """

    def __init__(self, calls: Calls, *, metadata: float) -> None:
        self._calls = calls
        self._project = calls.client.project
        self._metadata = metadata
        self._catalog = Catalog(calls, metadata)

    # Queries

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
        sqltext.check_query(sql)
        config = self._config(query_parameters(parameters), labels, cache=cache)
        if max_bytes is not None:
            config.maximum_bytes_billed = max_bytes
        with self._catalog.suggesting(sql):
            return self._run(sql, config, partial(_read, max_rows=max_rows), timeout=timeout)

    def dry_run(self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float) -> DryRun:
        fields, size = self._dry_run(sql, parameters, timeout)
        return DryRun(tuple(name for name, _ in fields), size, tuple(kind for _, kind in fields))

    def _dry_run(
        self, sql: str, parameters: Mapping[str, Any] | None, timeout: float
    ) -> tuple[list[tuple[str, str]], int]:
        sqltext.check_query(sql)
        config = self._config(query_parameters(parameters), None, cache=False)
        config.dry_run = True

        def ask(client: bigquery.Client) -> tuple[list[tuple[str, str]], int]:
            job = client.query(sql, job_config=config, retry=NO_RETRY, job_retry=None, timeout=None)
            return [(field.name, type_of(field)) for field in job.schema or ()], job.total_bytes_processed or 0

        with self._catalog.suggesting(sql):
            return self._calls.request(ask, timeout=timeout)

    # Changes

    def load(
        self,
        table: str,
        rows: Rows,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> int:
        with self._calls.limit(timeout):
            found = self._catalog.describe(table)
            schema = found.schema
            values = check_rows(rows, schema)
            if not values:
                return 0
            written = sorted(day for day in days_of(schema, rows.columns, values) if day is not None)
            with self._staged(schema, rows.columns, values, labels) as staged:
                script = scripts.append_script(schema, staged=staged, columns=rows.columns, key=key)
                config = self._write_config(found, written, labels)
                self._write(script, config, wait)
            return len(values)

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
        wanted = sorted(set(days))
        with self._calls.limit(timeout):
            found = self._catalog.describe(table)
            if isinstance(source, Rows):
                return self._replace_by_rows(found, wanted, source, fence, labels)
            return self._replace_by_query(found, wanted, source, fence, labels)

    def _replace_by_rows(
        self,
        found: Described,
        days: Sequence[date],
        rows: Rows,
        fence: Fence | None,
        labels: Mapping[str, str] | None,
    ) -> Replaced:
        schema = found.schema
        values = check_rows(rows, schema)
        partition_of(schema, rows.columns)
        if outside := days_of(schema, rows.columns, values) - set(days):
            raise outside_partitions(schema, days, outside)
        if not days:
            return Replaced(0, {})
        config = self._write_config(found, days, labels, fence)
        if not values:
            script = scripts.replace_script(schema, staged=None, query=None, columns=rows.columns)
            return self._replace(script, config, schema, fence, days)
        with self._staged(schema, rows.columns, values, labels) as staged:
            script = scripts.replace_script(schema, staged=staged, query=None, columns=rows.columns)
            return self._replace(script, config, schema, fence, days)

    def _replace_by_query(
        self,
        found: Described,
        days: Sequence[date],
        source: Select,
        fence: Fence | None,
        labels: Mapping[str, str] | None,
    ) -> Replaced:
        schema = found.schema
        fields, _ = self._dry_run(source.sql, source.parameters, _NO_LIMIT)
        columns = tuple(name for name, _ in fields)
        check_columns(columns, schema)
        partition_of(schema, columns)
        types = dict(fields)
        for column in schema.columns:
            if column.name in types:
                check_query_type(schema, column, types[column.name])
        config = self._write_config(found, days, labels, fence)
        config.query_parameters = [*config.query_parameters, *query_parameters(source.parameters)]
        script = scripts.replace_script(schema, staged=None, query=source.sql, columns=columns)
        return self._replace(script, config, schema, fence, days)

    def _replace(
        self,
        script: str,
        config: bigquery.QueryJobConfig,
        schema: TableSchema,
        fence: Fence | None,
        days: Sequence[date],
    ) -> Replaced:
        written: dict[date, PartitionVersion] = {}

        def commit() -> None:
            result = self._write(script, config, _read)
            written.update({day: PartitionVersion(digest, rows, at) for day, digest, rows, at in result.rows})

        try:
            if fence is None:
                commit()
            else:
                fence.guard(commit)
        except DataError as error:
            if (refusal := refusal_of(error, schema, days, fence)) is error:
                raise
            raise refusal from error
        return Replaced(sum(version.rows for version in written.values()), dict(sorted(written.items())))

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
        if key is not None:
            check_key(key)
        sql = sqltext.transaction(statements)
        config = self._config(query_parameters(parameters), labels, cache=False)
        if max_bytes is not None:
            config.maximum_bytes_billed = max_bytes
        with self._calls.limit(timeout), self._catalog.suggesting(sql):
            return self._write(sql, config, partial(modified, self._calls.client.get()), key=key)

    def versions(
        self,
        tables: Sequence[str],
        first: date,
        last: date,
        *,
        timeout: float,
        labels: Mapping[str, str] | None = None,
    ) -> Mapping[tuple[str, date], PartitionVersion]:
        with self._calls.limit(timeout):
            found = [
                table for table in self._catalog.each(self._catalog.find, tables) if table and table.schema.partition_by
            ]
            if not found:
                return {}
            schemas = [table.schema for table in found]
            datasets = {split_name(schema.name)[0] for schema in schemas}
            recorded = dict(zip(datasets, self._catalog.each(self._catalog.has_records, datasets), strict=True))
            known = [recorded[split_name(schema.name)[0]] for schema in schemas]
            parameters = [typed("nbactl_first", "DATE", first), typed("nbactl_last", "DATE", last)]
            for number, table in enumerate(found):
                parameters.append(typed(f"nbactl_table_{number}", "STRING", table.schema.name))
                parameters.append(typed(f"nbactl_created_{number}", "TIMESTAMP", table.created))
            config = self._config(parameters, labels, cache=True)
            sql = scripts.versions_query(schemas, known)
            result = self._run(sql, config, _read, timeout=timeout)
            now = self._calls.clock.now()
            return {
                (found[number].schema.name, day): version_of(row, found[number].info.modified or now)
                for number, day, *row in result.rows
                if day is not None
            }

    # Tables

    def create_table(self, schema: TableSchema) -> None:
        self._catalog.create_table(schema)

    def add_columns(self, table: str, columns: Sequence[Column]) -> None:
        self._catalog.add_columns(table, columns)

    def set_clustering(self, table: str, columns: Sequence[str], *, etag: str | None = None, timeout: float) -> None:
        self._catalog.set_clustering(table, columns, etag, timeout)

    def table(self, name: str) -> TableInfo:
        return self._catalog.describe(name).info

    def list_tables(self, dataset: str | None = None) -> list[str]:
        return self._catalog.list_tables(dataset)

    def layouts(self, dataset: str, names: Sequence[str], *, timeout: float) -> Mapping[str, TableLayout]:
        wanted = {split_name(name)[1] for name in names}
        with self._calls.limit(timeout), self._catalog.suggesting(dataset):
            listed = {name: item for name, item in self._catalog.listed(dataset).items() if name in wanted}
            if not listed:
                return {}
            config = self._config(query_parameters({"names": sorted(listed)}), None, cache=False)
            columns, sizes = self._catalog.each(
                lambda sql: self._run(sql, config, _read, timeout=timeout).rows,
                (layouts.columns_query(dataset), layouts.sizes_query(dataset)),
            )
        return layouts.layouts_of(dataset, listed, columns, sizes)

    def layout(self, known: TableLayout, *, timeout: float) -> TableLayout:
        with self._calls.limit(timeout):
            return layouts.layout_now(known, self._catalog.read(known.schema.name))

    def apply_ddl(self, statements: Iterable[str], *, timeout: float) -> None:
        with self._calls.limit(timeout):
            for sql in statements:
                sqltext.check_definition(sql)
                with self._catalog.suggesting(sql):
                    self._write(sql, self._config([], None, cache=False), wait)

    def close(self) -> None:
        self._calls.client.close()

    # Parts

    def _run(
        self,
        sql: str,
        config: bigquery.QueryJobConfig,
        finish: Callable[[bigquery.QueryJob], T],
        *,
        timeout: float,
        writes: bool = False,
        key: str | None = None,
    ) -> T:
        location = self._project.location

        def start(client: bigquery.Client, job_id: str, seconds: float) -> bigquery.QueryJob:
            config.job_timeout_ms = int(seconds * 1000)
            return client.query(
                sql,
                job_config=config,
                job_id=job_id,
                location=location,
                retry=NO_RETRY,
                job_retry=None,
                timeout=None,
                api_method=QueryApiMethod.INSERT,
            )

        policy = self._calls.writes if writes else self._calls.reads
        return self._calls.job(JobCall(start, finish, sql=sql, key=key), policy=policy, timeout=timeout)

    def _write(
        self,
        sql: str,
        config: bigquery.QueryJobConfig,
        finish: Callable[[bigquery.QueryJob], T],
        *,
        key: str | None = None,
    ) -> T:
        faults.reach("warehouse.before_commit")
        result = self._run(sql, config, finish, timeout=_NO_LIMIT, writes=True, key=key)
        faults.reach("warehouse.after_commit")
        return result

    def _write_config(
        self,
        found: Described,
        days: Sequence[date],
        labels: Mapping[str, str] | None,
        fence: Fence | None = None,
    ) -> bigquery.QueryJobConfig:
        if found.schema.partition_by is not None:
            self._catalog.ensure_records(split_name(found.schema.name)[0])
        return self._config(
            [
                days_parameter("nbactl_days", days),
                typed("nbactl_first", "DATE", min(days, default=date.max)),
                typed("nbactl_last", "DATE", max(days, default=date.min)),
                typed("nbactl_table", "STRING", found.schema.name),
                typed("nbactl_created", "TIMESTAMP", found.created),
                typed("nbactl_token", "INT64", None if fence is None else fence.token),
                typed("nbactl_holder", "STRING", None if fence is None else fence.holder),
                typed("nbactl_write", "STRING", self._calls.ids.new("write")),
            ],
            labels,
            cache=False,
        )

    def _config(
        self, parameters: list[Any], labels: Mapping[str, str] | None, *, cache: bool
    ) -> bigquery.QueryJobConfig:
        return bigquery.QueryJobConfig(
            query_parameters=parameters,
            labels=self._calls.labels_of(labels),
            use_query_cache=cache,
            use_legacy_sql=False,
        )

    @contextmanager
    def _staged(
        self,
        schema: TableSchema,
        columns: tuple[str, ...],
        values: list[tuple[Any, ...]],
        labels: Mapping[str, str] | None,
    ) -> Iterator[str]:
        """Load rows into a table of their own, which is dropped in the end and expires by itself."""
        dataset, _ = split_name(schema.name)
        name = f"{dataset}.{STAGING}{self._calls.ids.new('rows').replace('-', '_')}"
        types = {column.name: column.type for column in schema.columns}
        fields = staging_fields(columns, types)
        table = bigquery.Table(f"{self._project.name}.{name}", schema=fields)
        table.expires = self._calls.clock.now() + _STAGING_LIFE
        body = json_lines(columns, values, types)

        def load(client: bigquery.Client, job_id: str, seconds: float) -> Any:  # noqa: ANN401 - a job
            config = bigquery.LoadJobConfig(
                schema=fields,
                source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
                write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
                labels=self._calls.labels_of(labels),
            )
            config.job_timeout_ms = int(seconds * 1000)
            return client.load_table_from_file(
                io.BytesIO(body),
                table.reference,
                size=len(body),
                num_retries=0,
                job_id=job_id,
                location=self._project.location,
                job_config=config,
            )

        try:
            self._calls.request(
                lambda client: client.create_table(table, exists_ok=True, retry=NO_RETRY, timeout=None),
                timeout=_NO_LIMIT,
            )
            self._calls.job(JobCall(load, self._wait), policy=self._calls.writes, timeout=_NO_LIMIT)
            yield name
        finally:
            self._drop(table)

    def _drop(self, table: bigquery.Table) -> None:
        try:
            with beyond_deadline():
                self._calls.request(
                    lambda client: client.delete_table(table, not_found_ok=True, retry=NO_RETRY, timeout=None),
                    timeout=self._metadata,
                )
        except NbactlError as error:  # it expires
            _LOG.warning("the staging table %s was not dropped: %s", table.table_id, error)

    def _wait(self, job: Any) -> None:  # noqa: ANN401 - a load job
        """Wait for a job without results. Raises its error."""
        pause = 0.1
        while not job.done(retry=NO_RETRY, timeout=None):
            self._calls.clock.sleep(min(pause, time_for("a job", pause)))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        if job.error_result is not None:
            raise job.exception()


def _read(job: bigquery.QueryJob, max_rows: int | None = None) -> QueryResult:
    most = None if max_rows is None else max_rows + 1  # one more says whether there are more
    rows = job.result(
        page_size=_PAGE if most is None else min(most, _PAGE),
        max_results=most,
        retry=NO_RETRY,
        job_retry=None,
        timeout=time_for("a query", _NO_LIMIT),
    )
    found = [tuple(row) for row in rows]
    return QueryResult(
        tuple(field.name for field in rows.schema),
        found if max_rows is None else found[:max_rows],
        job.total_bytes_processed,
        bool(job.cache_hit),
        types=tuple(map(type_of, rows.schema)),
        truncated=max_rows is not None and len(found) > max_rows,
    )
