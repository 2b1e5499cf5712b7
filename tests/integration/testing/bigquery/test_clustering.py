"""What clustering saves, against what its documentation says.

https://cloud.google.com/bigquery/docs/querying-clustered-tables and
https://cloud.google.com/bigquery/docs/manage-clustered-tables#modifying-cluster-spec

Two partitions of 100 rows, which are blocks of 10: `team` has ten values of ten rows each, one a block, and `n` goes
from 0 to 9 within a team. A row has 8 + 4 + 8 + 8 bytes; queries read `points`, and the columns that they filter by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.api_core.exceptions import InternalServerError
from google.cloud.bigquery import ArrayQueryParameter, QueryJobConfig, ScalarQueryParameter

from nbactl.testing import bigquery_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from google.cloud import bigquery

    from nbactl.testing import FakeClock
    from nbactl.testing.bigquery import BigQueryServer

TEAM = ScalarQueryParameter("team", "STRING", "T3")
TEAMS = ArrayQueryParameter("teams", "STRING", ["T3", "T5"])
ROWS = (
    "SELECT day, CONCAT('T', CAST(DIV(x, 10) AS STRING)) AS team, MOD(x, 10) AS n, x AS points FROM "
    "UNNEST([DATE '2026-01-01', DATE '2026-01-02']) AS day, UNNEST(GENERATE_ARRAY(0, 99)) AS x"
)
TEN = 10 * (4 + 8)
"""Bytes of `team` and `points` in ten rows."""


def run(client: bigquery.Client, sql: str, **options: object) -> bigquery.QueryJob:
    config = QueryJobConfig(use_query_cache=False, query_parameters=[TEAM, TEAMS], **options)
    job = client.query(sql, job_config=config)
    if not job.dry_run:
        list(job.result())
    return job


def read(client: bigquery.Client, sql: str, **options: object) -> int:
    return int(run(client, sql, **options).total_bytes_processed)


@pytest.fixture(scope="module", autouse=True)
def _blocks(server: BigQueryServer) -> None:
    server.limits.block_rows, server.limits.billed_minimum = 10, 0


@pytest.fixture(scope="module")
def clustered(client: bigquery.Client) -> str:
    client.create_dataset("clustered")
    run(client, f"CREATE TABLE clustered.t PARTITION BY day CLUSTER BY team, n AS {ROWS}")
    return "clustered.t"


@pytest.fixture
def plain(client: bigquery.Client, dataset: str) -> str:
    """The same rows, written while the table was not clustered."""
    run(client, f"CREATE TABLE {dataset}.t PARTITION BY day AS {ROWS}")
    return f"{dataset}.t"


def cluster(client: bigquery.Client, clock: FakeClock, table: str, *columns: str) -> None:
    clock.advance(10)
    found = client.get_table(table)
    found.clustering_fields = list(columns) or None
    client.update_table(found, ["clustering_fields"])


DAY = "day = '2026-01-01'"
D = 8  # bytes of a day


@pytest.mark.parametrize(
    ("where", "size"),
    [
        ("team = 'T3'", 2 * TEN),
        ("'T3' = team", 2 * TEN),
        ("team = @team", 2 * TEN),
        ("team = CONCAT('T', '3')", 2 * TEN),
        (f"team = 'T3' AND {DAY}", TEN + 10 * D),
        ("team IN ('T3', 'T5')", 4 * TEN),
        ("team IN UNNEST(@teams)", 4 * TEN),
        ("team BETWEEN 'T3' AND 'T5'", 6 * TEN),
        ("team >= 'T8'", 4 * TEN),
        ("team < 'T2'", 4 * TEN),
        ("team < 'T2' OR team > 'T8'", 6 * TEN),
        ("team = 'T3' AND points > 2", 2 * TEN),
        ("team > 'U'", 0),
        ("team IS NULL", 0),
        ("team = 'T3' AND n = 3", 2 * (TEN + 10 * 8)),
        ("team = 'T3' AND n > 9", 0),
        # the order of the columns: one without those before it leaves all blocks
        ("n = 3", 200 * 16),
        ("n > 9", 200 * 16),
        ("n = 3 OR team = 'T3'", 200 * 20),
        # a function, a cast, an arithmetic expression
        ("UPPER(team) = 'T3'", 20 * TEN),
        ("SUBSTR(team, 1, 2) = 'T3'", 20 * TEN),
        ("CAST(team AS STRING) = 'T3'", 20 * TEN),
        ("CONCAT(team, '') = 'T3'", 20 * TEN),
        # another column, a query
        ("team = CAST(points AS STRING)", 20 * TEN),
        ("team = (SELECT 'T3')", 20 * TEN),
        # what says nothing of the values, and a pattern
        ("NOT team = 'T3'", 20 * TEN),
        ("team <> 'T3'", 20 * TEN),
        ("team LIKE 'T3%'", 20 * TEN),
        # by none of them
        ("points = 3", 200 * 8),
    ],
)
def test_a_query_reads_the_blocks_that_its_filters_leave(
    client: bigquery.Client, clustered: str, where: str, size: int
) -> None:
    sql = f"SELECT points FROM {clustered} WHERE {where}"
    assert read(client, sql) == size


def test_a_query_finds_the_same_rows_whatever_it_reads(client: bigquery.Client, clustered: str, plain: str) -> None:
    where = "WHERE team BETWEEN 'T3' AND 'T5' AND n < 4 ORDER BY points"
    found = [
        [row.points for row in client.query(f"SELECT points FROM {name} {where}").result()]
        for name in (clustered, plain)
    ]
    assert found[0] == found[1] != []


def test_a_dry_run_says_an_upper_bound_and_a_limit_is_held_to_it(client: bigquery.Client, clustered: str) -> None:
    sql = f"SELECT points FROM {clustered} WHERE team = 'T3'"
    assert (read(client, sql, dry_run=True), read(client, sql)) == (20 * TEN, 2 * TEN)
    job = run(client, sql)
    assert job.total_bytes_billed == 2**20
    nobody = f"SELECT points FROM {clustered} WHERE team > 'U'"
    assert (read(client, nobody), run(client, nobody).total_bytes_billed) == (0, 0)
    with pytest.raises(InternalServerError, match="1048576 or higher required"):
        run(client, nobody, maximum_bytes_billed=1000)
    assert read(client, nobody, maximum_bytes_billed=2**20) == 0


def test_joins_and_views_read_the_blocks_of_their_tables(client: bigquery.Client, clustered: str) -> None:
    sql = f"SELECT a.points FROM {clustered} AS a JOIN {clustered} AS b ON a.points = b.points AND b.team = 'T3' "
    assert read(client, f"{sql} WHERE a.team = 'T4'") == 4 * TEN
    run(client, f"CREATE OR REPLACE VIEW clustered.v AS SELECT points FROM {clustered} WHERE team = 'T3'")
    assert read(client, "SELECT points FROM clustered.v") == 2 * TEN


def test_a_partition_of_one_block_is_read_as_a_whole(
    client: bigquery.Client, server: BigQueryServer, clustered: str
) -> None:
    server.limits.block_rows = 100
    try:
        assert read(client, f"SELECT points FROM {clustered} WHERE team = 'T3'") == 20 * TEN
    finally:
        server.limits.block_rows = 10


def test_other_types_of_keys_are_compared_as_they_are(client: bigquery.Client, dataset: str) -> None:
    run(
        client,
        f"CREATE TABLE {dataset}.k CLUSTER BY at, amount, ok AS SELECT x, TIMESTAMP_ADD(TIMESTAMP "
        "'2026-01-01 00:00:00+00', INTERVAL DIV(x, 10) DAY) AS at, CAST(x AS NUMERIC) AS amount, x > 50 AS ok "
        "FROM UNNEST(GENERATE_ARRAY(0, 99)) AS x",
    )
    for where, rows in (
        ("at < '2026-01-03'", 20),
        ("at >= TIMESTAMP '2026-01-10 00:00:00+00'", 10),
        ("at = TIMESTAMP_ADD(TIMESTAMP '2026-01-01 00:00:00+00', INTERVAL 2 DAY)", 10),
        ("DATE(at) = '2026-01-03'", 100),
        ("at < '2026-01-03' AND amount > 12.5", 10),
        ("at > '2026-01-01' AND amount >= 0 AND ok = TRUE", 50),
    ):
        columns = 8 + (16 if "amount" in where else 0) + (1 if "ok" in where else 0)
        assert read(client, f"SELECT COUNT(*) FROM {dataset}.k WHERE {where}") == rows * columns, where


def test_rows_of_before_are_clustered_when_they_are_written_again(
    client: bigquery.Client, clock: FakeClock, plain: str
) -> None:
    sql = f"SELECT points FROM {plain} WHERE team = 'T3'"
    assert read(client, sql) == 20 * TEN
    cluster(client, clock, plain, "team")
    assert read(client, sql) == 20 * TEN, "the change holds for new data only"
    run(client, f"INSERT INTO {plain} (day, team, n, points) {ROWS.replace('2026-01-01', '2026-01-03')}")
    assert read(client, f"{sql} AND day = '2026-01-03'") == TEN + 10 * D
    assert read(client, f"{sql} AND day = '2026-01-02'") == 110 * (4 + 8 + D), "old rows and one block of new ones"
    nobody = f"SELECT points FROM {plain} WHERE team = 'U' AND day = '2026-01-02'"
    assert read(client, nobody) == 100 * (4 + 8 + D), "nothing is known of the old rows"
    run(client, f"UPDATE {plain} SET team = team WHERE day BETWEEN '2026-01-01' AND '2026-01-01'")
    assert read(client, f"{sql} AND day = '2026-01-01'") == TEN + 10 * D
    run(client, f"UPDATE {plain} SET team = team WHERE TRUE")
    assert read(client, sql) == 4 * TEN


def test_rows_that_come_by_any_way_are_clustered(client: bigquery.Client, clock: FakeClock, plain: str) -> None:
    cluster(client, clock, plain, "team")
    run(client, f"DELETE FROM {plain} WHERE TRUE")
    run(client, f"ALTER TABLE {plain} ADD COLUMN more INT64")
    rows = [{"day": "2026-01-01", "team": f"T{x // 10}", "n": x % 10, "points": x} for x in range(100)]
    client.load_table_from_json(rows[:50], plain).result()
    client.insert_rows_json(plain, rows[50:])
    clock.advance(3600)
    run(
        client,
        f"MERGE {plain} AS t USING (SELECT 5 AS points) AS s ON t.points = s.points "
        "WHEN MATCHED THEN UPDATE SET n = 7 WHEN NOT MATCHED THEN INSERT (points) VALUES (0)",
    )
    assert read(client, f"SELECT points FROM {plain} WHERE team = 'T3'") == TEN
    assert [row.n for row in client.query(f"SELECT * FROM {plain} WHERE points = 5").result()] == [7]
    assert [field.name for field in client.get_table(plain).schema] == ["day", "team", "n", "points", "more"]


def test_another_key_starts_again_and_an_old_one_is_still_known(
    client: bigquery.Client, clock: FakeClock, plain: str
) -> None:
    cluster(client, clock, plain, "team")
    run(client, f"UPDATE {plain} SET team = team WHERE TRUE")
    cluster(client, clock, plain, "points", "team")
    by_team, by_points = f"SELECT points FROM {plain} WHERE team = 'T3'", f"SELECT n FROM {plain} WHERE points = 3"
    assert (read(client, by_team), read(client, by_points)) == (20 * TEN, 200 * 16)
    run(client, f"UPDATE {plain} SET team = team WHERE day = '2026-01-01'")
    assert read(client, by_points) == 110 * 16
    cluster(client, clock, plain)
    assert read(client, by_team) == 20 * TEN
    cluster(client, clock, plain, "team")
    assert read(client, by_team) == TEN + 100 * 12, "the rows that were not written again since"


def test_a_snapshot_and_a_clone_keep_how_their_rows_are_stored(
    client: bigquery.Client, clock: FakeClock, plain: str
) -> None:
    cluster(client, clock, plain, "team")
    run(client, f"UPDATE {plain} SET team = team WHERE day = '2026-01-01'")
    run(client, f"CREATE SNAPSHOT TABLE {plain}_s CLONE {plain}")
    run(client, f"CREATE TABLE {plain}_c CLONE {plain}_s")
    for table in (f"{plain}_s", f"{plain}_c"):
        assert read(client, f"SELECT points FROM {table} WHERE team = 'T3'") == TEN + 100 * 12
    run(client, f"UPDATE {plain}_c SET team = team WHERE TRUE")
    assert read(client, f"SELECT points FROM {plain}_c WHERE team = 'T3'") == 2 * TEN


def test_a_transaction_reads_the_blocks_as_it_sees_them(client: bigquery.Client, clustered: str) -> None:
    job = run(
        client,
        f"BEGIN TRANSACTION; INSERT INTO {clustered} (day, team, points) VALUES ('2026-01-01', 'T3', 1); "
        f"SELECT points FROM {clustered} WHERE team = 'T3' AND day = '2026-01-01'; ROLLBACK TRANSACTION;",
    )
    assert job.total_bytes_processed == 20 * (4 + 8 + D), "eleven rows of T3 lie in two blocks"


def test_a_server_that_is_opened_again_knows_what_is_clustered(
    tmp_path: Path, connected: Callable[[BigQueryServer], AbstractContextManager[bigquery.Client]]
) -> None:
    sql = "SELECT n FROM d.t WHERE n = 3"
    with bigquery_server("test-1", "us-west2", folder=tmp_path) as server, connected(server) as client:
        client.create_dataset("d")
        run(client, "CREATE TABLE d.t AS SELECT n FROM UNNEST(GENERATE_ARRAY(0, 99)) AS n")
        table = client.get_table("d.t")
        table.clustering_fields = ["n"]
        client.update_table(table, ["clustering_fields"])
    with bigquery_server("test-1", "us-west2", folder=tmp_path) as server, connected(server) as client:
        server.limits.block_rows = 10
        assert read(client, sql) == 100 * 8
        run(client, "UPDATE d.t SET n = n WHERE TRUE")
        assert read(client, sql) == 10 * 8
