"""The statements of a plan, in BigQuery's SQL; what SQL cannot say is a command of `bq`.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from nbactl.ports.column_types import base, canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.warehouse import Column, TableSchema

_KEYS: Final = ("DATE", "TIMESTAMP")
_TRUNCATED: Final = {"DATE": "DATE_TRUNC", "DATETIME": "DATETIME_TRUNC", "TIMESTAMP": "TIMESTAMP_TRUNC"}


def quoted(name: str) -> str:
    """Return a column, or a table `dataset.table`, as an identifier."""
    return f"`{name}`"


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return json.dumps(text, ensure_ascii=False)


def create_table(schema: TableSchema, name: str) -> str:
    """Return CREATE TABLE of a schema under another name."""
    lines = [f"CREATE TABLE {quoted(name)} (", ",\n".join(f"  {column(one)}" for one in schema.columns), ")"]
    if schema.partition_by is not None:
        lines.append(f"PARTITION BY {_partition_expression(schema)}")
    if schema.cluster_by:
        lines.append(f"CLUSTER BY {', '.join(map(quoted, schema.cluster_by))}")
    options = {
        "description": literal(schema.description) if schema.description else None,
        "partition_expiration_days": _number(schema.partition_expiration_days),
        "require_partition_filter": "TRUE" if schema.require_partition_filter else None,
    }
    if given := {key: value for key, value in options.items() if value is not None}:
        lines.append(f"OPTIONS ({assignments(given)})")
    return "\n".join(lines)


def column(one: Column) -> str:
    """Return the definition of a column."""
    described = f" OPTIONS (description = {literal(one.description)})" if one.description else ""
    return f"{quoted(one.name)} {canonical(one.type)}{' NOT NULL' if one.required else ''}{described}"


def alter(name: str, actions: Sequence[str]) -> str:
    """Return ALTER TABLE with one or several actions."""
    return f"ALTER TABLE {quoted(name)}\n  " + ",\n  ".join(actions)


def set_options(options: Mapping[str, str | None]) -> str:
    """Return the action that sets options; None takes one away."""
    return f"SET OPTIONS ({assignments({key: value or 'NULL' for key, value in options.items()})})"


def assignments(options: Mapping[str, str]) -> str:
    """Return `key = value, …`."""
    return ", ".join(f"{key} = {value}" for key, value in options.items())


def cluster_command(project: str, name: str, columns: Sequence[str]) -> str:
    """Return the command that changes clustering, for which SQL has no statement.

    https://cloud.google.com/bigquery/docs/manage-clustered-tables#modifying-cluster-spec
    """
    fields = ",".join(columns) or "''"
    return f"bq update --clustering_fields={fields} {project}:{name}"


def snapshot(name: str, of: str, until: str) -> str:
    """Return the statement that keeps a table as it is until a time, an expression."""
    return f"CREATE SNAPSHOT TABLE {quoted(name)}\nCLONE {quoted(of)}\nOPTIONS (expiration_timestamp = {until})"


def clone(name: str, of: str) -> str:
    """Return the statement that copies a table or snapshot without reading it."""
    return f"CREATE TABLE {quoted(name)}\nCLONE {quoted(of)}"


def rename(name: str, to: str) -> str:
    """Return the statement that renames `dataset.table` to a table of the same dataset, given in full as well."""
    return alter(name, [f"RENAME TO {quoted(to.partition('.')[2])}"])


def rewrite(schema: TableSchema, column_name: str) -> tuple[str, ...]:
    """Return the UPDATE that writes rows again, so that they are clustered; by ranges of partitions if it has some."""
    update = f"UPDATE {quoted(schema.name)} SET {quoted(column_name)} = {quoted(column_name)}"
    return tuple(f"{update}\n{where}" for where in conditions(schema, schema.partition_by))


def copy_rows(target: TableSchema, source: TableSchema, key: str | None) -> tuple[tuple[str, str], ...]:
    """Return what copies rows, repeatably: for each condition a DELETE and an INSERT; rows have NULL in new columns."""
    return tuple(copy_range(target, source, written=where, read=where) for where in conditions(source, key))


def copy_range(target: TableSchema, source: TableSchema, *, written: str, read: str) -> tuple[str, str]:
    """Return the DELETE and the INSERT that copy the rows which meet a condition."""
    kept = common(target, source)
    insert = (
        f"INSERT INTO {quoted(target.name)} ({', '.join(quoted(one.name) for one, _ in kept)})\n"
        f"SELECT {', '.join(cast(one, found) for one, found in kept)}\nFROM {quoted(source.name)}\n{read}"
    )
    return f"DELETE FROM {quoted(target.name)}\n{written}", insert


def common(target: TableSchema, source: TableSchema) -> list[tuple[Column, Column]]:
    """Return the columns that both tables have, as they are in each."""
    there = {one.name.lower(): one for one in source.columns}
    return [(one, there[one.name.lower()]) for one in target.columns if one.name.lower() in there]


def copy_key(source: TableSchema, target: TableSchema) -> str | None:
    """Return the column by whose ranges rows are copied: that of the source's partitions, if both have it alike."""
    name = (source.partition_by or "").lower()
    for one, found in common(target, source):
        if one.name.lower() == name and canonical(one.type) == canonical(found.type) and base(one.type) in _KEYS:
            return one.name
    return None


def conditions(schema: TableSchema, key: str | None) -> tuple[str, ...]:
    """Return the conditions of which every row meets one: a range of the key, or not having it."""
    if key is None:
        return ("WHERE TRUE",)
    ranges = f"WHERE {quoted(key)} BETWEEN @first AND @last"
    required = any(one.required for one in schema.columns if one.name.lower() == key.lower())
    return (ranges,) if required else (ranges, f"WHERE {quoted(key)} IS NULL")


def cast(wanted: Column, found: Column) -> str:
    """Return the expression that gives a column of one table as a column of another."""
    if canonical(wanted.type) == canonical(found.type):
        return quoted(wanted.name)
    return f"CAST({quoted(found.name)} AS {canonical(wanted.type)})"


def _partition_expression(schema: TableSchema) -> str:
    name = quoted(str(schema.partition_by))
    kind = next((canonical(one.type) for one in schema.columns if one.name == schema.partition_by), "DATE")
    if schema.partition_unit == "DAY":
        return name if kind == "DATE" else f"DATE({name})"
    return f"{_TRUNCATED.get(kind, 'DATE_TRUNC')}({name}, {schema.partition_unit})"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"
