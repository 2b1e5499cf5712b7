"""The scripts that write partitions and read their versions.

`nbactl_partitions` in the dataset of a table has one row for each time that a partition was written; rows are only
inserted, because BigQuery aborts one of two transactions that change rows of one table at the same time
(cloud.google.com/bigquery/docs/transactions), and writers of different tables must not hinder each other. Of two
writers of one table it is the DELETE that makes one fail.

A version's digest is computed from the rows that are there, so that it is true also where other programs write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.adapters.bigquery.tables import OWN, quoted
from nbactl.core._support.row_digests import ROW_HASH, digest_of_rows, row_hash, text
from nbactl.ports.warehouse import Column, TableSchema

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTITIONS: Final = f"{OWN}partitions"
"""The name of the table that keeps who wrote which partition."""
OUTSIDE: Final = "nbactl: rows outside the partitions: "
NULLS: Final = "nbactl: NULL in required columns: "
STALE: Final = "nbactl: written under a greater token: "
"""What our own errors begin with; after it comes what was found."""
EMPTY: Final = "0-0-0"
"""The digest of a partition without rows."""


def bookkeeping(dataset: str) -> TableSchema:
    """Return the table that keeps who wrote which partition of a dataset."""
    return TableSchema(
        f"{dataset}.{PARTITIONS}",
        (
            Column("table_name", "STRING", required=True),
            Column("table_created", "TIMESTAMP", required=True, description="Tells tables of the same name apart."),
            Column("day", "DATE", required=True),
            Column("token", "INT64", description="The fencing token of the writer."),
            Column("holder", "STRING", description="Who wrote."),
            Column("digest", "STRING", required=True, description="The digest of the rows."),
            Column("row_count", "INT64", required=True),
            Column("changed_at", "TIMESTAMP", required=True, description="When the digest changed last."),
            Column("written_at", "TIMESTAMP", required=True),
            Column("write_id", "STRING", required=True, description="The same for the partitions of one write."),
        ),
        partition_by="day",
        cluster_by=("table_name",),
        description="Who wrote which partition, when and what. Kept by nbactl; rows are only added.",
    )


def day_of(schema: TableSchema) -> str:
    """Return the expression for the partition of a row."""
    column = quoted(schema.partition_by or "")
    kind = next(column.type for column in schema.columns if column.name == schema.partition_by)
    return column if kind == "DATE" else f"DATE({column})"


def replace_script(schema: TableSchema, *, staged: str | None, query: str | None, columns: Sequence[str]) -> str:
    """Return the script that replaces partitions by the rows of `query`, or of the table `staged`, or by none.

    Parameters: @nbactl_days, @nbactl_first, @nbactl_last, and those of the records.
    """
    day = day_of(schema)
    return "\n".join(
        [
            "DECLARE nbactl_refusal STRING;",
            *(_staging(schema, query) if query is not None else ()),
            "BEGIN TRANSACTION;",
            *_refused_if(_newer_token(schema)),
            f"DELETE FROM {quoted(schema.name)}",
            f"WHERE {day} BETWEEN @nbactl_first AND @nbactl_last AND {day} IN UNNEST(@nbactl_days);",
            *_insert(schema, staged if query is None else _STAGED, columns),
            *_record(schema),
            "COMMIT TRANSACTION;",
            _written(schema),
        ]
    )


def append_script(schema: TableSchema, *, staged: str, columns: Sequence[str], key: str | None = None) -> str:
    """Return the script that appends the rows of the table `staged`, with the parameters of `replace_script`.

    With `key` those whose value of that column is not in the partitions yet.
    """
    append = _insert(schema, staged, columns) if key is None else _merge(schema, staged, columns, key)
    if schema.partition_by is None:
        return "\n".join(append)
    return "\n".join(
        [
            "BEGIN TRANSACTION;",
            *append,
            *_record(schema),
            "COMMIT TRANSACTION;",
        ]
    )


def versions_query(tables: Sequence[TableSchema], recorded: Sequence[bool]) -> str:
    """Return the query for the partitions of `tables` from @nbactl_first to @nbactl_last, present or recorded.

    `recorded` says of each table whether its dataset has records. Each table has parameters @nbactl_table_N and
    @nbactl_created_N. Columns: number of the table, day, digest and rows that are there, digest and time on record.
    """
    return "\nUNION ALL\n".join(
        _versions(number, schema, records)
        for number, (schema, records) in enumerate(zip(tables, recorded, strict=True))
    )


_STAGED: Final = f"{OWN}staged"


def _staging(schema: TableSchema, query: str) -> list[str]:
    """Compute the rows once, and check them, before anything is locked."""
    day = day_of(schema)
    required = [column.name for column in schema.columns if column.required]
    outside = f"IF(nbactl_day IS NULL OR nbactl_day NOT IN UNNEST(@nbactl_days), {_TEXT_OF_DAY}, NULL)"
    found_outside = f"STRING_AGG(DISTINCT {outside}, ' ') AS nbactl_outside"
    counts = [f"COUNTIF({quoted(name)} IS NULL) AS nbactl_null_{n}" for n, name in enumerate(required)]
    found = [
        f"IF(nbactl_null_{n} > 0, CONCAT({text(name + ' ')}, CAST(nbactl_null_{n} AS STRING), ' '), '')"
        for n, name in enumerate(required)
    ]
    nulls = f"CONCAT({', '.join(found)}, '')" if found else "''"
    return [
        f"CREATE TEMP TABLE {_STAGED} AS SELECT * FROM (",
        query.rstrip().rstrip(";"),
        ");",
        *_refused_if(
            f"SELECT CASE WHEN nbactl_nulls <> '' THEN CONCAT({text(NULLS)}, nbactl_nulls) "
            f"WHEN nbactl_outside IS NOT NULL THEN CONCAT({text(OUTSIDE)}, nbactl_outside) END\n"
            f"FROM (SELECT nbactl_outside, {nulls} AS nbactl_nulls FROM (\n"
            f"SELECT {', '.join([found_outside, *counts])}\n"
            f"FROM (SELECT *, {day} AS nbactl_day FROM {_STAGED})))"
        ),
    ]


_TEXT_OF_DAY: Final = "IFNULL(CAST(nbactl_day AS STRING), 'NULL')"


def _refused_if(question: str) -> list[str]:
    return [
        f"SET nbactl_refusal = ({question});",
        "IF nbactl_refusal IS NOT NULL THEN RAISE USING MESSAGE = nbactl_refusal; END IF;",
    ]


def _newer_token(schema: TableSchema) -> str:
    return (
        f"SELECT CONCAT({text(STALE)}, CAST(day AS STRING), ' ', CAST(token AS STRING), ' ', IFNULL(holder, ''))\n"
        f"FROM {_records(schema)}\n"
        "WHERE table_name = @nbactl_table AND table_created = @nbactl_created\n"
        "AND day BETWEEN @nbactl_first AND @nbactl_last AND day IN UNNEST(@nbactl_days) AND token > @nbactl_token\n"
        "ORDER BY token DESC, written_at DESC LIMIT 1"
    )


def _insert(schema: TableSchema, source: str | None, columns: Sequence[str]) -> list[str]:
    if source is None:
        return []
    types = {column.name: column.type for column in schema.columns}
    from_text = source != _STAGED
    values = [
        f"PARSE_JSON({quoted(name)})" if from_text and types[name] == "JSON" else quoted(name) for name in columns
    ]
    listed = ", ".join(map(quoted, columns))
    return [f"INSERT INTO {quoted(schema.name)} ({listed})", f"SELECT {', '.join(values)} FROM {quoted(source)};"]


def _merge(schema: TableSchema, staged: str, columns: Sequence[str], key: str) -> list[str]:
    """Insert the rows whose key is missing.

    Two such statements at once do not conflict and may both insert: a MERGE that only inserts counts as an INSERT
    (cloud.google.com/bigquery/docs/data-manipulation-language#dml_statement_conflicts).
    """
    types = {column.name: column.type for column in schema.columns}
    values = [f"nbactl_new.{quoted(name)}" for name in columns]
    parsed = [
        f"PARSE_JSON({value})" if types[name] == "JSON" else value for name, value in zip(columns, values, strict=True)
    ]
    there = f"nbactl_old.{quoted(schema.partition_by)}" if schema.partition_by else ""
    day = f"DATE({there})" if types.get(schema.partition_by or "") == "TIMESTAMP" else there
    return [
        f"MERGE INTO {quoted(schema.name)} AS nbactl_old USING {quoted(staged)} AS nbactl_new",
        f"ON nbactl_old.{quoted(key)} = nbactl_new.{quoted(key)}",
        *([f"AND {day} BETWEEN @nbactl_first AND @nbactl_last"] if there else ()),
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(map(quoted, columns))}) VALUES ({', '.join(parsed)});",
    ]


def _record(schema: TableSchema) -> list[str]:
    """Record the versions of the rows that are there now, as the transaction sees them."""
    digest = f"IFNULL(found.digest, {text(EMPTY)})"
    return [
        f"INSERT INTO {_records(schema)}",
        "(table_name, table_created, day, token, holder, digest, row_count, changed_at, written_at, write_id)",
        "SELECT @nbactl_table, @nbactl_created, wanted.day, @nbactl_token, @nbactl_holder,",
        f"{digest}, IFNULL(found.row_count, 0),",
        f"IF(kept.digest = {digest}, kept.changed_at, CURRENT_TIMESTAMP()), CURRENT_TIMESTAMP(), @nbactl_write",
        "FROM (SELECT day FROM UNNEST(@nbactl_days) AS day) AS wanted",
        f"LEFT JOIN ({_digests(schema)} AND {day_of(schema)} IN UNNEST(@nbactl_days) {_BY_DAY}) AS found",
        "ON found.day = wanted.day",
        f"LEFT JOIN ({_latest(schema, '@nbactl_table', '@nbactl_created')}) AS kept ON kept.day = wanted.day;",
    ]


def _written(schema: TableSchema) -> str:
    return (
        f"SELECT day, digest, row_count, changed_at FROM {_records(schema)}\n"
        "WHERE write_id = @nbactl_write AND day BETWEEN @nbactl_first AND @nbactl_last ORDER BY written_at;"
    )


def _versions(number: int, schema: TableSchema, recorded: bool) -> str:
    found = f"{_digests(schema)} {_BY_DAY}"
    if not recorded:
        return (
            f"SELECT {number} AS table_number, day, digest, row_count, CAST(NULL AS STRING) AS kept_digest, "
            f"CAST(NULL AS TIMESTAMP) AS changed_at\nFROM ({found})"
        )
    return (
        f"SELECT {number} AS table_number, IFNULL(found.day, kept.day) AS day, found.digest, found.row_count, "
        "kept.digest AS kept_digest, kept.changed_at\n"
        f"FROM ({found}) AS found\n"
        f"FULL JOIN ({_latest(schema, f'@nbactl_table_{number}', f'@nbactl_created_{number}')}) AS kept "
        "ON found.day = kept.day"
    )


def _latest(schema: TableSchema, table: str, created: str) -> str:
    """Return the query for the newest record of each partition."""
    return (
        f"SELECT day, digest, changed_at FROM {_records(schema)}\n"
        f"WHERE table_name = {table} AND table_created = {created} AND day BETWEEN @nbactl_first AND @nbactl_last\n"
        "QUALIFY ROW_NUMBER() OVER (PARTITION BY day ORDER BY written_at DESC) = 1"
    )


_BY_DAY: Final = ") GROUP BY day"


def _digests(schema: TableSchema) -> str:
    """Return the query for rows and digest of each partition, still open for a further condition, up to _BY_DAY."""
    day = day_of(schema)
    return (
        f"SELECT day, {digest_of_rows()} AS digest, COUNT(*) AS row_count\n"
        f"FROM (SELECT {day} AS day, {row_hash(schema.columns)} AS {ROW_HASH}\n"
        f"FROM {quoted(schema.name)} WHERE {day} BETWEEN @nbactl_first AND @nbactl_last"
    )


def _records(schema: TableSchema) -> str:
    return quoted(f"{schema.name.partition('.')[0]}.{PARTITIONS}")
