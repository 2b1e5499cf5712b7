"""What counts against which of BigQuery's limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.ports.warehouse import WarehouseJob
from nbactl.warehouse.costs.quotas import count_quotas, load_quotas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.warehouse.costs.quotas import QuotaReport

NOW = datetime(2024, 1, 16, 12, 0, tzinfo=UTC)
LOAD = WarehouseJob(
    job_id="a", kind="load", statement=None, created_at=NOW - timedelta(hours=2), started_at=None, finished_at=None,
    bytes_processed=0, bytes_billed=0, slot_ms=0, cache_hit=False, labels={}, user="", destination="d.t",
    referenced=(), query_hash=None,
)  # fmt: skip


def report(*jobs: WarehouseJob, partitioned: Sequence[str] = ()) -> QuotaReport:
    return count_quotas(jobs, partitioned, now=NOW)


def used(found: QuotaReport) -> dict[str, int]:
    return {use.name: use.used for use in found.uses}


def dml(statement: str, began: float, ended: float) -> WarehouseJob:
    at = NOW - timedelta(hours=1)
    return replace(
        LOAD, kind="query", statement=statement, created_at=at + timedelta(seconds=began),
        finished_at=at + timedelta(seconds=ended),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("job", "counts"),
    [
        (LOAD, {"load_jobs": 1, "table_modifications": 1}),
        (replace(LOAD, error="invalid"), {"load_jobs": 1, "table_modifications": 1}),
        (replace(LOAD, kind="copy"), {"table_modifications": 1}),
        (replace(LOAD, kind="query", statement="SELECT"), {"table_modifications": 1}),
        (replace(LOAD, kind="query", statement="SELECT", error="invalidQuery"), {}),
        (replace(LOAD, kind="query", statement="SELECT", destination=None), {}),
        (replace(LOAD, kind="query", statement="CREATE_TABLE"), {}),
        (replace(LOAD, destination="d.nbactl_staging_rows_1"), {}),
        (dml("INSERT", 0, 1), {"insert_statements": 1, "dml_in_10_seconds": 1}),
        (dml("MERGE", 0, 1), {"dml_in_flight": 1, "dml_in_10_seconds": 1}),
    ],
)
def test_a_job_counts_as_google_says(job: WarehouseJob, counts: dict[str, int]) -> None:
    assert used(report(job)) == counts


def test_a_partitioned_table_has_a_limit_of_its_own() -> None:
    assert used(report(LOAD, partitioned=["d.t"])) == {"load_jobs": 1, "partition_modifications": 1}


def test_dml_at_the_same_moment_and_within_ten_seconds() -> None:
    found = used(report(dml("UPDATE", 0, 30), dml("DELETE", 5, 6), dml("MERGE", 6, 40), dml("INSERT", 12, 13)))
    assert found["dml_in_flight"] == 2, "what ends when another begins is over"
    assert found["dml_in_10_seconds"] == 3
    assert found["insert_statements"] == 1


def test_a_limit_warns_at_80_percent_and_is_exceeded_at_all_of_it() -> None:
    states = {count: report(*[LOAD] * count).uses[0].state for count in (1199, 1200, 1499, 1500)}
    assert states == {1199: "ok", 1200: "warn", 1499: "warn", 1500: "exceeded"}


def test_jobs_that_were_refused_at_a_limit_are_counted() -> None:
    assert report(replace(LOAD, error="quotaExceeded"), LOAD).refused == {"d.t": 1}


def test_every_limit_has_its_source_and_date() -> None:
    file = load_quotas()
    assert file.as_of.year >= 2026
    assert all(limit.source.startswith("https://cloud.google.com/bigquery/quotas#") for limit in file.limits.values())
