"""The history of jobs, from INFORMATION_SCHEMA.JOBS_BY_PROJECT.

https://cloud.google.com/bigquery/docs/information-schema-jobs: jobs of the last 180 days, near real time, in one
region; the view is partitioned by creation_time. A query of it is billed for 10 MB at least. jobs.list costs nothing,
but it answers whole jobs with the text of every query, at most 1,000 a page and one page after the other, has neither
the hash of a query nor child jobs without a call for each parent, and would read 1,000,000 jobs in 1,000 calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.cloud import bigquery  # noqa: TID253 - the adapter itself
from google.cloud.bigquery.enums import QueryApiMethod  # noqa: TID253 - the adapter itself

from nbactl.adapters.bigquery.calls import NO_RETRY, JobCall
from nbactl.adapters.bigquery.values import query_parameters
from nbactl.core.calls.deadline import time_for
from nbactl.ports.warehouse import WarehouseJob

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from nbactl.adapters.bigquery.calls import Calls

_PAGE: Final = 3_000
"""Jobs of one answer: some 25 MB of memory while the client reads it."""
_LABELS: Final = {"command": "bq"}
_NO_LIMIT: Final = 3600.0
"""Seconds of a part of a call whose limit is already in force."""


class BigQueryJobs:
    """The JobHistory of a project in the location of its datasets."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._project = calls.client.project

    def jobs(
        self, since: datetime, until: datetime, *, timeout: float, hit_texts: bool = False
    ) -> Iterator[WarehouseJob]:
        began = self._calls.clock.monotonic()
        job, total = self._run(self._jobs_query(hit_texts=hit_texts), {"since": since, "until": until}, timeout)
        spent = self._calls.clock.monotonic() - began
        for start in range(0, total, _PAGE):
            began = self._calls.clock.monotonic()
            page = self._page(job, start, timeout - spent)
            spent += self._calls.clock.monotonic() - began
            yield from map(_job, page)

    def query_texts(
        self, hashes: Sequence[str], since: datetime, until: datetime, *, timeout: float
    ) -> Mapping[str, str]:
        if not hashes:
            return {}
        given = {"since": since, "until": until, "hashes": list(hashes)}
        began = self._calls.clock.monotonic()
        job, _ = self._run(self._texts_query(), given, timeout)
        return dict(self._page(job, 0, timeout - (self._calls.clock.monotonic() - began)))

    def close(self) -> None:
        """End the connections."""
        self._calls.client.close()

    def _jobs_query(self, *, hit_texts: bool) -> str:
        """Return the query for jobs. Scripts are left out: their numbers are the sums of those of their statements."""
        here = self._project.name
        return f"""SELECT job_id, job_type, statement_type, creation_time, start_time, end_time, total_bytes_processed,
  total_bytes_billed, total_slot_ms, cache_hit, user_email, query_info.query_hashes.normalized_literals,
  error_result.reason,
  CONCAT(IF(destination_table.project_id = '{here}', '', CONCAT(destination_table.project_id, '.')),
    destination_table.dataset_id, '.', destination_table.table_id),
  ARRAY(SELECT CONCAT(IF(t.project_id = '{here}', '', CONCAT(t.project_id, '.')), t.dataset_id, '.', t.table_id)
    FROM UNNEST(referenced_tables) AS t),
  ARRAY(SELECT CONCAT(l.key, '=', IFNULL(l.value, '')) FROM UNNEST(labels) AS l),
  dml_statistics.inserted_row_count + dml_statistics.updated_row_count + dml_statistics.deleted_row_count,
  {"IF(cache_hit, query, NULL)" if hit_texts else "CAST(NULL AS STRING)"}
FROM {self._view} AS j
WHERE creation_time >= @since AND creation_time < @until AND (statement_type IS NULL OR statement_type != 'SCRIPT')"""

    def _texts_query(self) -> str:
        return f"""SELECT query_info.query_hashes.normalized_literals AS query_hash, MAX(query) AS query
FROM {self._view} AS j
WHERE creation_time >= @since AND creation_time < @until
  AND query_info.query_hashes.normalized_literals IN UNNEST(@hashes)
GROUP BY query_info.query_hashes.normalized_literals"""

    @property
    def _view(self) -> str:
        return f"`{self._project.name}`.`region-{self._project.location.lower()}`.INFORMATION_SCHEMA.JOBS_BY_PROJECT"

    def _run(self, sql: str, parameters: Mapping[str, Any], timeout: float) -> tuple[bigquery.QueryJob, int]:
        """Run a query and return its job, with the number of its rows; no rows are fetched."""
        config = bigquery.QueryJobConfig(
            query_parameters=query_parameters(parameters),
            labels=self._calls.labels_of(_LABELS),
            use_query_cache=False,
            use_legacy_sql=False,
        )

        def start(client: bigquery.Client, job_id: str, seconds: float) -> bigquery.QueryJob:
            config.job_timeout_ms = int(seconds * 1000)
            return client.query(
                sql,
                job_config=config,
                job_id=job_id,
                location=self._project.location,
                retry=NO_RETRY,
                job_retry=None,
                timeout=None,
                api_method=QueryApiMethod.INSERT,
            )

        def finish(job: bigquery.QueryJob) -> tuple[bigquery.QueryJob, int]:
            return job, _rows(job, 0, 1).total_rows or 0

        return self._calls.job(JobCall(start, finish, sql=sql), policy=self._calls.reads, timeout=timeout)

    def _page(self, job: bigquery.QueryJob, start: int, timeout: float) -> list[tuple[Any, ...]]:
        """Return the rows of a result from `start`; the result does not change, so that a page may be read again."""

        def read(client: bigquery.Client) -> list[tuple[Any, ...]]:
            # An object of the client begins each further call with the first page that it has read, wherever it starts.
            fresh = client.get_job(job.job_id, location=self._project.location, retry=NO_RETRY, timeout=None)
            return [row.values() for row in _rows(fresh, start, _PAGE)]

        return self._calls.request(read, timeout=timeout)


def _rows(job: Any, start: int, most: int) -> Any:  # noqa: ANN401 - the client has no useful types for jobs
    return job.result(
        page_size=most,
        max_results=most,
        start_index=start,
        retry=NO_RETRY,
        job_retry=None,
        timeout=time_for("a query", _NO_LIMIT),
    )


def _job(row: tuple[Any, ...]) -> WarehouseJob:
    (
        job_id, kind, statement, created, started, finished, processed, billed, slot_ms, hit, user, query_hash, reason,
        destination, referenced, labels, changed, sql,
    ) = row  # fmt: skip
    return WarehouseJob(
        job_id=job_id,
        kind=kind.lower(),
        statement=statement,
        created_at=created,
        started_at=started,
        finished_at=finished,
        bytes_processed=processed or 0,
        bytes_billed=billed or 0,
        slot_ms=slot_ms or 0,
        cache_hit=bool(hit),
        labels=dict(label.split("=", 1) for label in labels),
        user=user or "",
        destination=_own(destination),
        referenced=tuple(referenced),
        query_hash=query_hash,
        error=reason,
        rows_changed=changed,
        sql=sql,
    )


def _own(destination: str | None) -> str | None:
    """Return the table that a job wrote to; results that nobody named go to hidden datasets, `_` and a hash."""
    if destination is None or destination.rpartition(".")[0].rpartition(".")[2].startswith("_"):
        return None
    return destination.partition("$")[0]
