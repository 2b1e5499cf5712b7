"""The statements of a plan, in BigQuery's SQL; what SQL cannot say is a command of `bq`.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from nbactl.warehouse.plan.types import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.warehouse import Column, TableSchema

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


def rewrite(schema: TableSchema, column_name: str) -> tuple[str, ...]:
    """Return the UPDATE that writes rows again, so that they are clustered; by ranges of partitions if it has some."""
    update = f"UPDATE {quoted(schema.name)} SET {quoted(column_name)} = {quoted(column_name)}"
    return tuple(f"{update}\n{where}" for where in _ranges(schema) or ("WHERE TRUE",))


def copy_rows(declared: TableSchema, actual: TableSchema, target: str) -> tuple[str, ...]:
    """Return the INSERT that copies rows into a table of the declared form; rows have NULL in new columns."""
    there = {one.name.lower(): one for one in actual.columns}
    kept = [one for one in declared.columns if one.name.lower() in there]
    listed = [_cast(one, there[one.name.lower()]) for one in kept]
    insert = (
        f"INSERT INTO {quoted(target)} ({', '.join(quoted(one.name) for one in kept)})\n"
        f"SELECT {', '.join(listed)}\nFROM {quoted(actual.name)}"
    )
    return tuple(f"{insert}\n{where}" for where in _ranges(actual)) or (insert,)


def _ranges(schema: TableSchema) -> tuple[str, ...]:
    """Return the conditions of which every row meets one: a range of partitions, or having no partition."""
    name = schema.partition_by
    if name is None:
        return ()
    ranges = f"WHERE {quoted(name)} BETWEEN @first AND @last"
    required = any(one.required for one in schema.columns if one.name.lower() == name.lower())
    return (ranges,) if required else (ranges, f"WHERE {quoted(name)} IS NULL")


def _cast(wanted: Column, found: Column) -> str:
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
