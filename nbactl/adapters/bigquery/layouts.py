"""How the tables of a dataset are stored, in three calls: their list, and two queries of INFORMATION_SCHEMA.

The list has kind, partitioning and clustering (https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/list),
COLUMNS and COLUMN_FIELD_PATHS have the columns, PARTITIONS the sizes, TABLE_OPTIONS the descriptions
(https://cloud.google.com/bigquery/docs/information-schema-intro). The views may lag behind a change of the schema:
https://cloud.google.com/bigquery/docs/managing-table-schemas.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from nbactl.adapters.bigquery.tables import described, laid_out
from nbactl.ports.warehouse import Column, ColumnType, TableKind, TableLayout, TableSchema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.cloud.bigquery import Table

_KINDS: Final[dict[str, TableKind]] = {
    "TABLE": "table",
    "VIEW": "view",
    "MATERIALIZED_VIEW": "materialized view",
    "EXTERNAL": "external table",
    "SNAPSHOT": "snapshot",
}


def columns_query(dataset: str) -> str:
    """Return the query for the columns of the tables `@names`: table, column, nullable, type, description."""
    return f"""SELECT c.table_name, c.column_name, c.is_nullable, c.data_type, p.description
FROM `{dataset}`.INFORMATION_SCHEMA.COLUMNS AS c
LEFT JOIN `{dataset}`.INFORMATION_SCHEMA.COLUMN_FIELD_PATHS AS p
  ON p.table_name = c.table_name AND p.field_path = c.column_name
WHERE c.table_name IN UNNEST(@names) AND c.ordinal_position IS NOT NULL
ORDER BY c.table_name, c.ordinal_position"""


def sizes_query(dataset: str) -> str:
    """Return the query for sizes of the tables `@names`.

    Columns: table, description as a literal, partitions, rows, bytes, bytes at the long-term price, bytes of the
    largest partition, last change.
    """
    return f"""SELECT t.table_name, o.option_value, p.partitions, p.row_count, p.size, p.long_term, p.largest,
  p.modified
FROM `{dataset}`.INFORMATION_SCHEMA.TABLES AS t
LEFT JOIN (
  SELECT table_name, COUNT(*) AS partitions, SUM(total_rows) AS row_count, SUM(total_logical_bytes) AS size,
    SUM(IF(storage_tier = 'LONG_TERM', total_logical_bytes, 0)) AS long_term,
    MAX(total_logical_bytes) AS largest, MAX(last_modified_time) AS modified
  FROM `{dataset}`.INFORMATION_SCHEMA.PARTITIONS WHERE table_name IN UNNEST(@names) GROUP BY table_name
) AS p ON p.table_name = t.table_name
LEFT JOIN (
  SELECT table_name, option_value FROM `{dataset}`.INFORMATION_SCHEMA.TABLE_OPTIONS WHERE option_name = 'description'
) AS o ON o.table_name = t.table_name
WHERE t.table_name IN UNNEST(@names)"""


def layouts_of(
    dataset: str,
    listed: Mapping[str, Mapping[str, Any]],
    columns: Iterable[tuple[Any, ...]],
    sizes: Iterable[tuple[Any, ...]],
) -> dict[str, TableLayout]:
    """Return the tables by `dataset.table`, from their items in the list and the rows of both queries."""
    by_table: dict[str, list[Column]] = {name: [] for name in listed}
    for table, name, nullable, kind, description in columns:
        required = nullable == "NO" and not kind.startswith("ARRAY<")
        by_table[table].append(Column(name, cast("ColumnType", kind), required, description or ""))
    known = {row[0]: row[1:] for row in sizes}
    found = {}
    for name, item in listed.items():
        description, partitions, rows, size, long_term, largest, modified = known.get(name, (None,) * 7)
        schema = TableSchema(f"{dataset}.{name}", tuple(by_table[name]), description=_text(description))
        found[f"{dataset}.{name}"] = TableLayout(
            laid_out(schema, item),
            _KINDS.get(item.get("type", "TABLE"), "table"),
            _otherwise(item),
            rows=rows or 0,
            bytes=size or 0,
            long_term_bytes=long_term or 0,
            partitions=partitions or 0,
            largest_partition=largest or 0,
            modified=modified,
        )
    return found


def layout_now(known: TableLayout, table: Table) -> TableLayout:
    """Return a layout with what tables.get says of the table; sizes of partitions are those that are known."""
    resource = table.to_api_repr()
    info = described(table).info
    buffer = table.streaming_buffer
    return replace(
        known,
        schema=_with_types_of(info.schema, known.schema),
        kind=_KINDS.get(table.table_type, "table"),
        partitioned_otherwise=_otherwise(resource),
        rows=info.rows,
        bytes=info.bytes,
        long_term_bytes=int(resource.get("numLongTermBytes") or 0),
        streaming_rows=0 if buffer is None else int(buffer.estimated_rows or 0),
        modified=table.modified,
        etag=table.etag,
    )


def _with_types_of(schema: TableSchema, known: TableSchema) -> TableSchema:
    """Return a schema with the parameters of types, such as STRING(10), which the client leaves out of its names."""
    kinds = {column.name: column.type for column in known.columns}

    def kind(column: Column) -> ColumnType:
        before = kinds.get(column.name, column.type)
        return before if before.partition("(")[0] == column.type else column.type

    return replace(schema, columns=tuple(replace(column, type=kind(column)) for column in schema.columns))


def _otherwise(resource: Mapping[str, Any]) -> str:
    if ranges := resource.get("rangePartitioning"):
        return f"ranges of {ranges.get('field')}"
    partitioning = resource.get("timePartitioning")
    if partitioning is not None and partitioning.get("field") is None:
        return f"time of ingestion ({partitioning.get('type', 'DAY')})"
    return ""


def _text(literal: str | None) -> str:
    """Return the text of a string literal as TABLE_OPTIONS writes it."""
    if literal is None:
        return ""
    try:
        return str(ast.literal_eval(literal))
    except (SyntaxError, ValueError):
        return literal.strip('"')
