"""Bytes of statements: ten partitions of one row each, DATE and INT64 of 8 bytes, a STRING of 2 + 3."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from google.api_core.exceptions import BadRequest, InternalServerError
from google.cloud.bigquery import ArrayQueryParameter, QueryJobConfig, ScalarQueryParameter

if TYPE_CHECKING:
    from google.cloud import bigquery

    from nbactl.testing import FakeClock

DAY = ScalarQueryParameter("day", "DATE", date(2026, 1, 3))
DAYS = ArrayQueryParameter("days", "DATE", [date(2026, 1, 3), date(2026, 1, 4), date(2027, 1, 1)])
MIB = 2**20


def dry(client: bigquery.Client, sql: str) -> bigquery.QueryJob:
    return client.query(sql, job_config=QueryJobConfig(dry_run=True, query_parameters=[DAY, DAYS]))


@pytest.mark.parametrize(
    ("sql", "size"),
    [
        ("SELECT n FROM {t}", 10 * 8),
        ("SELECT name FROM {t}", 10 * 5),
        ("SELECT * FROM {t}", 10 * 21),
        ("SELECT * EXCEPT (name) FROM {t}", 10 * 16),
        ("SELECT COUNT(*) FROM {t}", 0),
        ("SELECT n FROM {t} WHERE day = '2026-01-03'", 16),
        ("SELECT n FROM {t} WHERE day = DATE '2026-01-03' AND n > 1", 16),
        ("SELECT n FROM {t} WHERE day = @day", 16),
        ("SELECT n FROM {t} WHERE @day = day", 16),
        ("SELECT n FROM {t} AS g WHERE g.day >= @day AND g.day < DATE_ADD(@day, INTERVAL 2 DAY)", 32),
        ("SELECT n FROM {t} WHERE day BETWEEN DATE(2026, 1, 2) AND @day", 32),
        ("SELECT n FROM {t} WHERE day IN ('2026-01-01', @day)", 32),
        ("SELECT n FROM {t} WHERE day IN UNNEST(@days)", 32),
        ("SELECT n FROM {t} WHERE day < '2026-01-03' OR day = '2026-01-09'", 48),
        ("SELECT n FROM {t} WHERE day > '2027-01-01'", 0),
        ("SELECT n FROM {t} WHERE NOT day = @day", 160),  # says nothing of partitions
        ("SELECT n FROM {t} WHERE day = (SELECT MAX(day) FROM {t})", 160 + 80),
        ("SELECT n FROM {t} WHERE CAST(day AS STRING) = '2026-01-03'", 160),
        ("SELECT n FROM {t} WHERE day = @day OR n = 1", 160),
        ("SELECT n FROM (SELECT * FROM {t}) WHERE day = @day", 16),
        ("WITH g AS (SELECT * FROM {t}), h AS (SELECT * FROM g) SELECT n FROM h WHERE day = @day", 16),
        ("SELECT a.n FROM {t} AS a JOIN {t} AS b ON a.day = b.day AND b.day = @day WHERE a.day = @day", 16 + 8),
        ("SELECT n FROM {t} WHERE day = @day UNION ALL SELECT n FROM {t} WHERE day = @day", 32),
        ("SELECT 1 FROM UNNEST([1, 2]) AS n", 0),
        ("DELETE FROM {t} WHERE day = @day", 21),
        ("UPDATE {t} SET n = 1 WHERE day = @day", 21),
        ("INSERT INTO {t} (n) SELECT n FROM {t} WHERE day = @day", 16),
        ("INSERT INTO {t} (n) VALUES (1)", 0),
        ("CREATE TABLE {t}_copy AS SELECT n FROM {t}", 80),
        ("DELETE FROM {t} WHERE n IN (SELECT n FROM {t} WHERE day = @day)", 210 + 16),
        ("SELECT table_name FROM {d}.INFORMATION_SCHEMA.TABLES", 10 * MIB),
    ],
)
def test_a_dry_run_says_what_is_left_after_pruning(client: bigquery.Client, table: str, sql: str, size: int) -> None:
    job = dry(client, sql.format(t=table, d=table.partition(".")[0]))
    assert job.total_bytes_processed == size
    assert (job.state, job.dry_run) == ("DONE", True)


def test_a_dry_run_describes_the_result_and_runs_nothing(client: bigquery.Client, table: str) -> None:
    job = dry(client, f"SELECT n AS number, name FROM {table}")
    assert [(field.name, field.field_type) for field in job.schema or ()] == [("number", "INTEGER"), ("name", "STRING")]
    dry(client, f"DELETE FROM {table} WHERE TRUE")
    assert client.get_table(table).num_rows == 10
    assert job.job_id not in {one.job_id for one in client.list_jobs()}
    with pytest.raises(BadRequest, match="Unrecognized name: nobody"):
        dry(client, f"SELECT nobody FROM {table}")


def test_timestamps_are_pruned_by_their_day(client: bigquery.Client, dataset: str) -> None:
    client.query(
        f"CREATE TABLE {dataset}.seen (at TIMESTAMP, n INT64) PARTITION BY DATE(at) AS SELECT at, 1 AS n "
        "FROM UNNEST([TIMESTAMP '2026-01-15 23:59:59+00', TIMESTAMP '2026-01-16 00:00:00+00']) AS at"
    ).result()
    sql = f"SELECT n FROM {dataset}.seen WHERE "
    assert dry(client, sql + "DATE(at) = '2026-01-15'").total_bytes_processed == 16
    assert dry(client, sql + "at >= '2026-01-16 00:00:00'").total_bytes_processed == 16
    assert dry(client, sql + "at >= '2026-01-15 23:59:59'").total_bytes_processed == 32
    assert dry(client, sql + "EXTRACT(DATE FROM at) < '2026-01-15'").total_bytes_processed == 0


def test_longer_and_shorter_partitions_are_pruned_by_their_ends(client: bigquery.Client, dataset: str) -> None:
    client.query(
        f"CREATE TABLE {dataset}.months (day DATE, n INT64) PARTITION BY DATE_TRUNC(day, MONTH) AS "
        "SELECT day, 1 AS n FROM UNNEST([DATE '2026-01-31', DATE '2026-02-01', DATE '2026-02-28']) AS day"
    ).result()
    client.query(
        f"CREATE TABLE {dataset}.hours (at TIMESTAMP, n INT64) PARTITION BY TIMESTAMP_TRUNC(at, HOUR) AS "
        "SELECT at, 1 AS n FROM UNNEST([TIMESTAMP '2026-01-15 11:59:59+00', TIMESTAMP '2026-01-15 12:00:00+00']) AS at"
    ).result()
    months, hours = f"SELECT n FROM {dataset}.months WHERE ", f"SELECT n FROM {dataset}.hours WHERE "
    assert dry(client, months + "day = '2026-02-03'").total_bytes_processed == 32
    assert dry(client, months + "day < '2026-02-01'").total_bytes_processed == 16
    assert dry(client, hours + "at >= '2026-01-15 12:00:00'").total_bytes_processed == 16
    assert dry(client, hours + "at < '2026-01-15 11:30:00'").total_bytes_processed == 16
    assert dry(client, hours + "DATE(at) = '2026-01-15'").total_bytes_processed == 32


def test_the_null_partition_is_read_when_it_is_asked_for(client: bigquery.Client, table: str) -> None:
    client.query(f"INSERT INTO {table} (n) VALUES (99)").result()
    assert dry(client, f"SELECT n FROM {table} WHERE day IS NULL").total_bytes_processed == 8
    assert dry(client, f"SELECT n FROM {table} WHERE day >= '2026-01-01'").total_bytes_processed == 160
    assert dry(client, f"SELECT n FROM {table} WHERE day < '2027-01-01'").total_bytes_processed == 160


def test_ten_mebibytes_at_least_are_billed_for_each_table(client: bigquery.Client, table: str) -> None:
    one = client.query(f"SELECT n FROM {table}")
    one.result()
    assert (one.total_bytes_processed, one.total_bytes_billed) == (80, 10 * MIB)
    both = client.query(f"SELECT a.n FROM {table} AS a JOIN {table} AS b ON a.n = b.n")
    both.result()
    assert both.total_bytes_billed == 20 * MIB
    none = client.query("SELECT 1")
    none.result()
    assert none.total_bytes_billed == 0


def test_a_query_above_its_limit_is_not_run(client: bigquery.Client, table: str) -> None:
    config = QueryJobConfig(maximum_bytes_billed=1_000_000)
    told = "Query exceeded limit for bytes billed: 1000000. 10485760 or higher required."
    with pytest.raises(InternalServerError, match=told):  # the client does not know the reason: it makes it a 500
        client.query(f"DELETE FROM {table} WHERE n = 1", job_config=config).result()
    assert client.get_table(table).num_rows == 10
    config.maximum_bytes_billed = 10 * MIB
    client.query(f"DELETE FROM {table} WHERE n = 1", job_config=config).result()
    assert client.get_table(table).num_rows == 9


def test_a_table_may_require_a_filter(client: bigquery.Client, table: str) -> None:
    client.query(f"ALTER TABLE {table} SET OPTIONS (require_partition_filter = TRUE)").result()
    told = rf"Cannot query over table 'test-1.{table}' without a filter over column\(s\) 'day'"
    for sql in (f"SELECT n FROM {table} WHERE n = 1", f"DELETE FROM {table} WHERE n = 1"):
        with pytest.raises(BadRequest, match=told) as caught:
            client.query(sql).result()
        assert caught.value.errors[0]["reason"] == "invalidQuery"
    assert [row.n for row in client.query(f"SELECT n FROM {table} WHERE day = '2026-01-03'").result()] == [3]


def test_the_same_query_is_answered_from_the_cache(client: bigquery.Client, clock: FakeClock, table: str) -> None:
    def hit(sql: str, **options: object) -> bool:
        job = client.query(sql, job_config=QueryJobConfig(**options))
        list(job.result())
        assert not job.cache_hit or (job.total_bytes_processed, job.total_bytes_billed) == (0, 0)
        return bool(job.cache_hit)

    sql = f"SELECT n FROM {table} WHERE day = @day"
    other = ScalarQueryParameter("day", "DATE", date(2026, 1, 4))
    assert [hit(sql, query_parameters=[DAY]) for _ in range(2)] == [False, True]
    assert not hit(sql, query_parameters=[other])
    assert not hit(sql + " ", query_parameters=[DAY])
    assert not hit(sql, query_parameters=[DAY], use_query_cache=False)
    client.query(f"INSERT INTO {table} (n) VALUES (1)").result()
    assert [hit(sql, query_parameters=[DAY]) for _ in range(2)] == [False, True]
    clock.advance(86_401)
    assert not hit(sql, query_parameters=[DAY])
    moving = f"SELECT n, CURRENT_DATE() AS today FROM {table}"
    assert [hit(moving) for _ in range(2)] == [False, False]
    client.insert_rows_json(table, [{"n": 5}])
    assert [hit(f"SELECT n FROM {table}") for _ in range(2)] == [False, False]


def test_a_view_costs_what_is_behind_it(client: bigquery.Client, table: str) -> None:
    client.query(f"CREATE VIEW {table}_view AS SELECT n FROM {table} WHERE day >= '2026-01-08'").result()
    job = client.query(f"SELECT n FROM {table}_view")
    assert sorted(row.n for row in job.result()) == [8, 9, 10]
    assert job.total_bytes_processed == 48


def test_a_script_costs_what_its_statements_cost(client: bigquery.Client, table: str) -> None:
    job = client.query(
        f"DECLARE d DATE DEFAULT '2026-01-03'; SELECT n FROM {table} WHERE day = d; SELECT n FROM {table};"
    )
    job.result()
    assert (job.total_bytes_processed, job.total_bytes_billed) == (16 + 80, 20 * MIB)
