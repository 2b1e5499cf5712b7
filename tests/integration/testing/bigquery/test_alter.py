"""ALTER TABLE, against what its documentation says.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.api_core.exceptions import BadRequest, Conflict

if TYPE_CHECKING:
    from google.cloud import bigquery

    from nbactl.testing import FakeClock


def run(client: bigquery.Client, sql: str) -> None:
    client.query(sql).result()


@pytest.fixture
def made(client: bigquery.Client, clock: FakeClock, dataset: str) -> str:
    clock.advance(10)  # for the limit of metadata updates
    run(
        client,
        f"CREATE TABLE {dataset}.t (day DATE NOT NULL, id STRING(10), n INT64 NOT NULL, m NUMERIC(10, 2), s STRING) "
        f"PARTITION BY day CLUSTER BY id OPTIONS (partition_expiration_days = 9)",
    )
    run(client, f"INSERT INTO {dataset}.t VALUES ('2026-01-01', 'a', 1, 2.5, 'x')")
    return f"{dataset}.t"


def types(client: bigquery.Client, table: str) -> dict[str, tuple[str, str]]:
    dataset, _, name = table.partition(".")
    sql = f"SELECT column_name, data_type, is_nullable FROM {dataset}.INFORMATION_SCHEMA.COLUMNS WHERE table_name = "
    return {column: (kind, null) for column, kind, null in client.query(f"{sql}'{name}'").result()}


def test_several_columns_change_in_one_statement(client: bigquery.Client, made: str) -> None:
    run(
        client,
        f"ALTER TABLE `{made}` ALTER COLUMN n DROP NOT NULL, ALTER COLUMN `m` SET DATA TYPE NUMERIC(12, 2), "
        "ALTER COLUMN s SET OPTIONS (description = 'a, (b)'), ADD COLUMN more ARRAY<STRUCT<a INT64, b STRING>>",
    )
    found = types(client, made)
    assert found.pop("more")[0] == "ARRAY<STRUCT<a INT64, b STRING>>"
    assert found == {
        "day": ("DATE", "NO"), "id": ("STRING(10)", "YES"), "n": ("INT64", "YES"), "m": ("NUMERIC(12, 2)", "YES"),
        "s": ("STRING", "YES"),
    }  # fmt: skip
    fields = {field.name: field for field in client.get_table(made).schema}
    assert fields["s"].description == "a, (b)"
    assert (fields["m"].precision, fields["m"].scale, fields["id"].max_length) == (12, 2, 10)
    run(
        client,
        f"ALTER TABLE {made} ALTER COLUMN n SET DATA TYPE NUMERIC, ALTER COLUMN s SET OPTIONS (description = NULL)",
    )
    assert [tuple(row) for row in client.query(f"SELECT n / 2, s FROM {made}").result()] == [(0.5, "x")]
    assert client.get_table(made).schema[4].description is None


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        ("ALTER COLUMN nope SET DATA TYPE STRING", "Column not found: nope"),
        ("ALTER COLUMN nope DROP NOT NULL", "Column not found: nope"),
        ("ALTER COLUMN nope SET OPTIONS (description = 'x')", "Column not found: nope"),
        ("DROP COLUMN nope", "Column not found: nope"),
        ("DROP COLUMN id", "partitioned or clustered by it"),
        ("DROP COLUMN day", "partitioned or clustered by it"),
        ("ALTER COLUMN id SET DATA TYPE STRING", "partitioned or clustered by it"),
        ("ALTER COLUMN n SET DATA TYPE STRING", r"type \(INT64\) is assignable to the new type \(STRING\)"),
        ("ALTER COLUMN m SET DATA TYPE NUMERIC(9, 2)", r"\(NUMERIC\(10, 2\)\) is assignable"),
        ("ALTER COLUMN s DROP NOT NULL", "does not have a NOT NULL constraint"),
        ("ADD COLUMN more INT64 NOT NULL", "Cannot add required fields"),
        ("ADD COLUMN N INT64", "Column already exists: N"),
    ],
)
def test_what_cannot_be_altered_leaves_the_table_as_it_is(
    client: bigquery.Client, made: str, actions: str, why: str
) -> None:
    before = client.get_table(made)
    with pytest.raises(BadRequest, match=why):
        run(client, f"ALTER TABLE {made} ALTER COLUMN n DROP NOT NULL, {actions}")
    assert client.get_table(made).schema == before.schema
    run(client, f"ALTER TABLE IF EXISTS {made}_nope {actions}")


def test_options_are_set_and_taken_away(client: bigquery.Client, made: str) -> None:
    run(
        client,
        f"ALTER TABLE {made} SET OPTIONS (description = 'x', require_partition_filter = TRUE, "
        "expiration_timestamp = TIMESTAMP '2030-01-01 00:00:00+00')",
    )
    table = client.get_table(made)
    assert (table.description, table.require_partition_filter, table.expires is None) == ("x", True, False)
    run(
        client,
        f"ALTER TABLE {made} SET OPTIONS (description = NULL, require_partition_filter = FALSE, "
        "expiration_timestamp = NULL, partition_expiration_days = NULL)",
    )
    table = client.get_table(made)
    assert (table.description, table.require_partition_filter, table.expires) == (None, False, None)
    assert table.time_partitioning is not None
    assert table.time_partitioning.expiration_ms is None


def test_a_table_is_not_renamed_onto_another_or_while_rows_stream_in(
    client: bigquery.Client, clock: FakeClock, made: str
) -> None:
    run(client, f"CREATE TABLE {made}_2 (n INT64)")
    with pytest.raises(Conflict, match="Already Exists"):
        run(client, f"ALTER TABLE {made} RENAME TO t_2")
    client.insert_rows_json(f"{made}_2", [{"n": 1}])
    with pytest.raises(BadRequest, match="streaming buffer"):
        run(client, f"ALTER TABLE {made}_2 RENAME TO t_3")
    clock.advance(3600)
    run(client, f"ALTER TABLE {made}_2 RENAME TO t_3")
    assert client.get_table(f"{made.partition('.')[0]}.t_3").num_rows == 1


def test_a_key_of_columns_that_cannot_cluster_is_refused(client: bigquery.Client, made: str) -> None:
    run(client, f"ALTER TABLE {made} ADD COLUMN f FLOAT64, ADD COLUMN g INT64, ADD COLUMN h INT64")
    for key, why in ((["f"], "not supported for clustering"), (["id", "n", "s", "g", "h"], "Too many fields")):
        table = client.get_table(made)
        table.clustering_fields = key
        with pytest.raises(BadRequest, match=why):
            client.update_table(table, ["clustering_fields"])
