from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud.bigquery import QueryJobConfig, ScalarQueryParameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.cloud import bigquery

    from nbactl.testing.bigquery import BigQueryServer


def run(client: bigquery.Client, sql: str, *parameters: Any, **options: Any) -> list[tuple[Any, ...]]:
    config = QueryJobConfig(query_parameters=list(parameters), **options)
    return [tuple(row.values()) for row in client.query(sql, job_config=config).result()]


def numbers(client: bigquery.Client, table: str) -> list[int]:
    return [n for (n,) in run(client, f"SELECT n FROM {table} ORDER BY n")]


def test_a_script_is_one_job_whose_statements_are_jobs(client: bigquery.Client, table: str) -> None:
    job = client.query(
        f"DECLARE few INT64 DEFAULT @few;\n"
        f"CREATE TEMP TABLE staged AS SELECT n + 100 AS n FROM {table} WHERE n <= few;\n"
        "BEGIN TRANSACTION;\n"
        f"DELETE FROM {table} WHERE n <= few;\n"
        f"INSERT INTO {table} (day, n) SELECT DATE '2026-01-01', n FROM staged;\n"
        "COMMIT TRANSACTION;\n"
        f"SELECT COUNT(*) AS total, @@row_count AS inserted FROM {table};",
        job_config=QueryJobConfig(labels={"run": "r1"}, query_parameters=[ScalarQueryParameter("few", "INT64", 3)]),
    )
    assert [tuple(row) for row in job.result()] == [(10, 3)]
    assert (job.statement_type, job.num_child_jobs, job.state) == ("SCRIPT", 6, "DONE")
    children = sorted(client.list_jobs(parent_job=job), key=lambda child: child.created)
    by_kind = {child.statement_type: child for child in client.list_jobs(parent_job=job)}
    assert set(by_kind) == {
        "CREATE_TABLE_AS_SELECT", "BEGIN_TRANSACTION", "DELETE", "INSERT", "COMMIT_TRANSACTION", "SELECT",
    }  # fmt: skip
    assert {child.parent_job_id for child in children} == {job.job_id}
    assert {tuple(child.labels.items()) for child in children} == {(("run", "r1"),)}
    deleted, inserted = by_kind["DELETE"], by_kind["INSERT"]
    assert (deleted.num_dml_affected_rows, deleted.dml_stats.deleted_row_count) == (3, 3)
    assert (inserted.num_dml_affected_rows, inserted.dml_stats.inserted_row_count) == (3, 3)
    frame = deleted.script_statistics.stack_frames[0]
    assert (frame.start_line, frame.start_column, frame.text) == (4, 1, f"DELETE FROM {table} WHERE n <= few")
    assert inserted.transaction_info.transaction_id == deleted.transaction_info.transaction_id
    assert job.total_bytes_processed == sum(child.total_bytes_processed for child in children) > 0
    assert job.job_id not in {one.job_id for one in client.list_jobs(parent_job=job)}


def test_a_transaction_that_fails_changes_nothing(client: bigquery.Client, table: str) -> None:
    with pytest.raises(BadRequest, match=r"Query error: stale holder at \[4:1\]"):
        run(
            client,
            f"BEGIN TRANSACTION;\nDELETE FROM {table} WHERE TRUE;\nINSERT INTO {table} (n) VALUES (77);\n"
            "RAISE USING MESSAGE = 'stale holder';\nCOMMIT TRANSACTION;",
        )
    assert numbers(client, table) == list(range(1, 11))


def test_a_rollback_undoes_a_transaction(client: bigquery.Client, table: str) -> None:
    run(client, f"BEGIN TRANSACTION; DELETE FROM {table} WHERE TRUE; ROLLBACK TRANSACTION;")
    assert numbers(client, table) == list(range(1, 11))


def test_a_transaction_that_is_left_open_is_undone(client: bigquery.Client, table: str) -> None:
    run(client, f"BEGIN TRANSACTION; DELETE FROM {table} WHERE TRUE;")
    assert numbers(client, table) == list(range(1, 11))


def started(client: bigquery.Client, server: BigQueryServer, statements: str, held: str) -> bigquery.QueryJob:
    """Run a transaction up to the statement that contains `held`, where it waits until jobs are released."""
    server.hold_jobs(held)
    job = client.query(f"BEGIN TRANSACTION; {statements} COMMIT TRANSACTION;")
    deadline = time.monotonic() + 20
    while not any(held in one["sql"] and one["parent"] == job.job_id for one in server.jobs()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return job


@pytest.fixture
def in_transaction(client: bigquery.Client, server: BigQueryServer, table: str) -> Iterator[bigquery.QueryJob]:
    """A transaction that has deleted the row 1, and waits before its commit until jobs are released."""
    job = started(
        client, server, f"DELETE FROM {table} WHERE n = 1; SELECT 'before the commit';", "'before the commit'"
    )
    yield job
    server.release_jobs()
    job.result()


def test_nobody_sees_a_transaction_before_its_commit(
    client: bigquery.Client, server: BigQueryServer, table: str, in_transaction: bigquery.QueryJob
) -> None:
    assert numbers(client, table) == list(range(1, 11))
    assert client.get_job(in_transaction.job_id).state == "RUNNING"
    server.release_jobs()
    in_transaction.result()
    assert numbers(client, table) == list(range(2, 11))


@pytest.mark.usefixtures("in_transaction")
def test_of_two_transactions_that_change_one_table_the_later_is_aborted(client: bigquery.Client, table: str) -> None:
    script = f"BEGIN TRANSACTION; DELETE FROM {table} WHERE n = 2; COMMIT TRANSACTION;"
    told = f"Query error: Transaction is aborted due to concurrent update against table test-1:{table}. Transaction ID:"
    with pytest.raises(BadRequest, match=told) as caught:
        run(client, script)
    assert caught.value.errors[0]["reason"] == "invalidQuery"
    assert " at [1:20]" in str(caught.value)
    assert 2 in numbers(client, table)


def test_a_transaction_does_not_change_what_another_has_changed_since_it_began(
    client: bigquery.Client, server: BigQueryServer, table: str
) -> None:
    late = started(
        client, server, f"SELECT 'before the delete'; DELETE FROM {table} WHERE n = 2;", "'before the delete'"
    )
    run(client, f"DELETE FROM {table} WHERE n = 1")
    server.release_jobs()
    with pytest.raises(BadRequest, match="Transaction is aborted due to concurrent update"):
        late.result()
    assert numbers(client, table) == list(range(2, 11))


def test_a_transaction_reads_what_was_there_when_it_began(
    client: bigquery.Client, server: BigQueryServer, table: str
) -> None:
    job = started(client, server, f"SELECT 'before the read'; SELECT COUNT(*) FROM {table};", "'before the read'")
    run(client, f"INSERT INTO {table} (n) VALUES (11)")
    server.release_jobs()
    assert [tuple(row.values()) for row in job.result()] == [(10,)]


def test_a_statement_of_its_own_waits_for_a_transaction(
    client: bigquery.Client, server: BigQueryServer, table: str, in_transaction: bigquery.QueryJob
) -> None:
    job = client.query(f"UPDATE {table} SET n = n + 1 WHERE TRUE", job_config=QueryJobConfig(), timeout=10)
    assert job.state == "RUNNING"
    server.release_jobs()
    in_transaction.result()
    job.result()
    assert numbers(client, table) == list(range(3, 12))


def test_statements_outside_of_transactions_wait_for_each_other(client: bigquery.Client, table: str) -> None:
    jobs = [client.query(f"UPDATE {table} SET n = n + 1 WHERE TRUE") for _ in range(5)]
    assert [job.result() is not None for job in jobs] == [True] * 5
    assert numbers(client, table) == list(range(6, 16))


def test_inserts_do_not_conflict(client: bigquery.Client, table: str) -> None:
    script = f"BEGIN TRANSACTION; INSERT INTO {table} (n) VALUES (0); COMMIT TRANSACTION;"
    for job in [client.query(script) for _ in range(5)]:
        job.result()
    assert numbers(client, table)[:5] == [0] * 5


def test_conditions_loops_and_variables(client: bigquery.Client) -> None:
    script = (
        "DECLARE i, total INT64 DEFAULT 0; DECLARE words ARRAY<STRING>; DECLARE day DATE DEFAULT '2026-01-15';\n"
        "SET words = ['a', 'b'];\n"
        "WHILE TRUE DO\n"
        "  SET i = i + 1;\n"
        "  IF MOD(i, 2) = 0 THEN CONTINUE; ELSEIF i > 7 THEN BREAK; ELSE SET total = total + i; END IF;\n"
        "END WHILE;\n"
        "SET (i, total) = (total, total * 10);\n"
        "SELECT i, total, words[OFFSET(1)] AS word, DATE_ADD(day, INTERVAL 1 DAY) AS next, "
        "CASE WHEN i > 3 THEN 'many' ELSE 'few' END AS much;"
    )
    ((i, total, word, following, much),) = run(client, script)
    assert (i, total, word, following.isoformat(), much) == (16, 160, "b", "2026-01-16", "many")


def test_variables_may_be_structs_and_arrays(client: bigquery.Client) -> None:
    script = (
        "DECLARE line STRUCT<book STRING, odds ARRAY<INT64>>; DECLARE days ARRAY<DATE> DEFAULT [DATE '2026-01-15']; "
        "SET line = STRUCT('dk' AS book, [1, 2] AS odds); "
        "SELECT line.book AS book, line.odds[OFFSET(1)] AS odd, days[OFFSET(0)] AS day;"
    )
    ((book, odd, day),) = run(client, script)
    assert (book, odd, day.isoformat()) == ("dk", 2, "2026-01-15")
    with pytest.raises(BadRequest, match="Unexpected type NOTHING"):
        run(client, "DECLARE a NOTHING; SELECT 1;")


def test_a_column_wins_over_a_variable_of_its_name(client: bigquery.Client, table: str) -> None:
    assert run(client, f"DECLARE n INT64 DEFAULT -1; SELECT MAX(n) FROM {table};") == [(10,)]


def test_an_assertion_stops_a_script(client: bigquery.Client, table: str) -> None:
    with pytest.raises(BadRequest, match=r"Query error: days outside at \[2:1\]"):
        run(client, f"SELECT 1;\nASSERT NOT EXISTS(SELECT 1 FROM {table} WHERE n > 5) AS 'days outside'; SELECT 2;")
    run(client, "ASSERT 1 = 1; SELECT 1;")


def test_an_error_has_its_place_in_the_script(client: bigquery.Client, table: str) -> None:
    with pytest.raises(BadRequest, match=r"Query error: Unrecognized name: nobody.* at \[3:9\]"):
        run(client, f"SELECT 1;\n\n SELECT nobody FROM {table};")
    with pytest.raises(BadRequest, match=r"Query error: .*division by zero.* at \[2:1\]"):
        run(client, "SELECT 1;\nSELECT 1 / 0;")
    with pytest.raises(BadRequest, match=r'Syntax error: Unexpected "END" at \[1:11\]'):
        run(client, "SELECT 1; END;")
    with pytest.raises(BadRequest, match="Undeclared variable: nobody"):
        run(client, "SET nobody = 1;")
    with pytest.raises(BadRequest, match="Variable 'a' redeclaration"):
        run(client, "DECLARE a INT64; DECLARE a INT64;")


def test_variables_are_declared_first(client: bigquery.Client) -> None:
    with pytest.raises(
        BadRequest, match=r"declarations are allowed only at the start of a block or script at \[1:11\]"
    ):
        run(client, "SELECT 1; DECLARE a INT64;")
    assert run(client, "SELECT 1; BEGIN DECLARE a INT64 DEFAULT 2; SELECT a; END;") == [(2,)]


def test_the_statement_that_failed_is_the_failed_child(client: bigquery.Client, table: str) -> None:
    job = client.query(f"SELECT 1; DELETE FROM {table} WHERE 1 / 0 > 1; SELECT 2;")
    with pytest.raises(BadRequest):
        job.result()
    children = {child.statement_type: child for child in client.list_jobs(parent_job=job)}
    assert set(children) == {"SELECT", "DELETE"}
    assert children["DELETE"].error_result is not None
    assert children["SELECT"].error_result is None


def test_an_exception_handler_goes_on(client: bigquery.Client, table: str) -> None:
    script = (
        f"BEGIN BEGIN TRANSACTION; DELETE FROM {table} WHERE TRUE; SELECT 1 / 0; COMMIT TRANSACTION; "
        "EXCEPTION WHEN ERROR THEN ROLLBACK TRANSACTION; SELECT @@error.message AS message; END;"
    )
    assert "division by zero" in run(client, script)[0][0]
    assert numbers(client, table) == list(range(1, 11))


def test_temporary_tables_are_the_scripts_own(client: bigquery.Client) -> None:
    assert run(client, "CREATE TEMP TABLE mine (n INT64); INSERT INTO mine VALUES (1), (2); SELECT SUM(n) FROM mine;")
    with pytest.raises(BadRequest, match='Table "mine" must be qualified'):
        run(client, "SELECT * FROM mine")


def test_merge_says_what_it_did(client: bigquery.Client, table: str) -> None:
    job = client.query(
        f"MERGE {table} AS t USING (SELECT n, 'new' AS name FROM UNNEST([1, 2, 50]) AS n) AS s ON t.n = s.n "
        "WHEN MATCHED AND t.n = 1 THEN UPDATE SET name = s.name WHEN MATCHED THEN DELETE "
        "WHEN NOT MATCHED THEN INSERT (n, name) VALUES (s.n, s.name) "
        "WHEN NOT MATCHED BY SOURCE AND t.n > 8 THEN DELETE"
    )
    job.result()
    stats = job.dml_stats
    assert stats is not None
    assert (stats.inserted_row_count, stats.updated_row_count, stats.deleted_row_count) == (1, 1, 3)
    assert (job.num_dml_affected_rows, job.statement_type) == (5, "MERGE")
    assert numbers(client, table) == [1, 3, 4, 5, 6, 7, 8, 50]


def test_a_row_is_changed_by_one_row(client: bigquery.Client, table: str) -> None:
    twice = "(SELECT 3 AS n FROM UNNEST([1, 2])) AS s"
    for sql in (
        f"MERGE {table} AS t USING {twice} ON t.n = s.n WHEN MATCHED THEN UPDATE SET name = 'x'",
        f"UPDATE {table} AS t SET name = 'x' FROM {twice} WHERE t.n = s.n",
    ):
        with pytest.raises(BadRequest, match="must match at most one source row for each target row"):
            run(client, sql)


def test_update_joins_and_insert_checks_types(client: bigquery.Client, table: str) -> None:
    job = client.query(f"UPDATE {table} AS t SET name = s.v FROM (SELECT 3 AS n, 'x' AS v) AS s WHERE t.n = s.n")
    job.result()
    assert job.num_dml_affected_rows == 1
    assert run(client, f"SELECT name FROM {table} WHERE n = 3") == [("x",)]
    with pytest.raises(BadRequest, match="Query column 1 has type STRING which cannot be inserted into column n"):
        run(client, f"INSERT INTO {table} (n) SELECT name FROM {table}")
    with pytest.raises(BadRequest, match="Inserted row has wrong column count; Has 1, expected 2"):
        run(client, f"INSERT INTO {table} (n, name) VALUES (1)")
    with pytest.raises(BadRequest, match="DELETE must have a WHERE clause"):
        run(client, f"DELETE FROM {table}")
    with pytest.raises(BadRequest, match="Column nobody is not present"):
        run(client, f"UPDATE {table} SET nobody = 1 WHERE TRUE")


def test_tables_are_emptied(client: bigquery.Client, table: str) -> None:
    run(client, f"TRUNCATE TABLE {table}")
    assert numbers(client, table) == []


def test_definitions_of_tables_are_not_in_transactions(client: bigquery.Client, dataset: str) -> None:
    with pytest.raises(BadRequest, match="CREATE_TABLE is not supported in a multi-statement transaction"):
        run(client, f"BEGIN TRANSACTION; CREATE TABLE {dataset}.t (n INT64); COMMIT TRANSACTION;")
    run(client, "BEGIN TRANSACTION; CREATE TEMP TABLE t AS SELECT 1 AS n; COMMIT TRANSACTION;")
