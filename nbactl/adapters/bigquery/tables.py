"""Tables of BigQuery as the port describes them. The service answers with older names of types than SQL has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from google.cloud.bigquery import (  # noqa: TID253 - the adapter itself
    SchemaField,
    Table,
    TimePartitioning,
)

from nbactl.errors import DataError
from nbactl.ports.warehouse import Column, ColumnType, PartitionUnit, TableInfo, TableSchema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

OWN: Final = "nbactl_"
"""What the names of our own tables begin with; they are not shown."""
_TYPES: Final = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT", "DECIMAL": "NUMERIC"}
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Described:
    """A table, and when it was created: another table of the same name is another one."""

    info: TableInfo
    created: datetime

    @property
    def schema(self) -> TableSchema:
        """What the table looks like."""
        return self.info.schema


def split_name(table: str) -> tuple[str, str]:
    """Return dataset and table. Raises DataError for another form."""
    dataset, _, name = table.partition(".")
    if not dataset or not name or "." in name or "`" in table:
        raise DataError(f"'{table}' is not a table name", next_step="Write dataset.table.")
    return dataset, name


def quoted(name: str) -> str:
    """Return a column or a table as an SQL identifier."""
    return f"`{name}`"


def type_of(field: SchemaField) -> str:
    """Return the type of a column in SQL's names, such as `ARRAY<STRUCT<day DATE, points INT64>>`."""
    kind = _TYPES.get(field.field_type, field.field_type)
    if field.fields:
        kind = f"STRUCT<{', '.join(f'{part.name} {type_of(part)}' for part in field.fields)}>"
    return f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind


def described(table: Table) -> Described:
    """Return what the service knows of a table."""
    columns = tuple(
        Column(field.name, cast("ColumnType", type_of(field)), field.mode == "REQUIRED", field.description or "")
        for field in table.schema
    )
    resource = table.to_api_repr()
    name = f"{table.dataset_id}.{table.table_id}"
    schema = laid_out(TableSchema(name, columns, description=table.description or ""), resource)
    streamed = table.streaming_buffer is not None
    modified = table.modified if table.table_type == "TABLE" and not streamed else None
    return Described(TableInfo(schema, table.num_rows or 0, table.num_bytes, modified), table.created)


def laid_out(schema: TableSchema, resource: Mapping[str, Any]) -> TableSchema:
    """Return a schema with the partitioning, clustering and options of a table's resource, or of its item in a list."""
    partitioning = resource.get("timePartitioning") or {}
    expiration = partitioning.get("expirationMs")
    return replace(
        schema,
        partition_by=partitioning.get("field"),
        cluster_by=tuple((resource.get("clustering") or {}).get("fields", ())),
        partition_unit=cast("PartitionUnit", partitioning.get("type", "DAY")),
        partition_expiration_days=None if expiration is None else int(expiration) / _DAY_MS,
        require_partition_filter=bool(resource.get("requirePartitionFilter")),
    )


def field_of(column: Column) -> SchemaField:
    """Return a column as the client takes it."""
    mode = "REQUIRED" if column.required else "NULLABLE"
    described: Any = column.description or None
    return SchemaField(column.name, column.type, mode=mode, description=described)


def table_of(project: str, schema: TableSchema) -> Table:
    """Return a table to be created."""
    dataset, name = split_name(schema.name)
    table = Table(f"{project}.{dataset}.{name}", schema=[field_of(column) for column in schema.columns])
    if schema.partition_by is not None:
        days = schema.partition_expiration_days
        table.time_partitioning = TimePartitioning(
            type_=schema.partition_unit,
            field=schema.partition_by,
            expiration_ms=None if days is None else int(days * _DAY_MS),
        )
        table.require_partition_filter = schema.require_partition_filter or None
    if schema.cluster_by:
        table.clustering_fields = list(schema.cluster_by)
    table.description = schema.description or None
    return table


def lacking(schema: TableSchema, columns: Sequence[Column]) -> list[Column]:
    """Return those of `columns` that the table lacks. Raises DataError for a required one."""
    known = {column.name for column in schema.columns}
    new = [column for column in columns if column.name not in known]
    for column in new:
        if column.required:
            raise DataError(
                f"required column {column.name} cannot be added to {schema.name}", cause="rows would lack it"
            )
    return new


def staging_fields(columns: Sequence[str], types: dict[str, Any]) -> list[SchemaField]:
    """Return the columns of a staging table: JSON is text there, as a load job cannot tell NULL from JSON's null."""
    return [SchemaField(name, "STRING" if types[name] == "JSON" else types[name]) for name in columns]
