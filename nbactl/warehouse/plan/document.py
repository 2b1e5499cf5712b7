"""A plan as JSON, whose form a later command reads: it only grows."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, get_args

from nbactl.ports.column_types import canonical
from nbactl.ports.warehouse import Column, TableSchema
from nbactl.warehouse.plan.changes import Change, How, Kind, partitioning_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.ports.warehouse import TableLayout
    from nbactl.warehouse.plan.planner import TablePlan
    from nbactl.warehouse.plan.steps import Step

FORM: Final = "nbactl/bq-plan/v1"


def table_document(plan: TablePlan) -> dict[str, Any]:
    """Return the plan of one table. `before` says what the table was, so that a stale plan can be told."""
    return {
        "table": plan.declared.name,
        "before": None if plan.layout is None else _before(plan.layout),
        "declared": {"schema_digest": schema_digest(plan.declared), **schema_document(plan.declared)},
        "changes": [change_document(change) for change in plan.changes],
        "steps": [_step(step) for step in plan.steps],
    }


def schema_document(schema: TableSchema) -> dict[str, Any]:
    """Return all that a table is declared to be, but for its name."""
    return {
        "columns": [
            {"name": one.name, "type": one.type, "required": one.required, "description": one.description}
            for one in schema.columns
        ],
        "partition_by": schema.partition_by,
        "partition_unit": schema.partition_unit,
        "partition_expiration_days": schema.partition_expiration_days,
        "require_partition_filter": schema.require_partition_filter,
        "cluster_by": list(schema.cluster_by),
        "description": schema.description,
    }


def read_schema(name: str, data: Mapping[str, Any]) -> TableSchema:
    """Return the schema that `schema_document` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    columns = tuple(Column(**{key: one[key] for key in _COLUMN}) for one in data["columns"])
    known = {key: data[key] for key in _TABLE}
    return TableSchema(name, columns, cluster_by=tuple(map(str, data["cluster_by"])), **known)


_COLUMN: Final = ("name", "type", "required", "description")
_TABLE: Final = (
    *("partition_by", "partition_unit", "partition_expiration_days", "require_partition_filter"),
    "description",
)


def schema_digest(schema: TableSchema) -> str:
    """Return a digest of columns in their order, partitioning, clustering and options; descriptions do not count."""
    parts = [
        [[column.name, canonical(column.type), column.required] for column in schema.columns],
        partitioning_of(schema),
        schema.cluster_by,
        schema.partition_expiration_days,
        schema.require_partition_filter,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _before(layout: TableLayout) -> dict[str, Any]:
    return {
        "etag": layout.etag,
        "schema_digest": schema_digest(layout.schema),
        "kind": layout.kind,
        "rows": layout.rows,
        "bytes": layout.bytes,
        "long_term_bytes": layout.long_term_bytes,
        "partitions": layout.partitions,
        "largest_partition_bytes": layout.largest_partition,
        "streaming_rows": layout.streaming_rows,
        "modified": layout.modified,
    }


def change_document(change: Change) -> dict[str, Any]:
    """Return a change."""
    return {
        "kind": change.kind,
        "column": change.column,
        "declared": change.declared,
        "actual": change.actual,
        "how": change.how,
        "reason": change.reason,
        "lost": list(change.lost),
    }


def read_change(data: Mapping[str, Any]) -> Change:
    """Return the change that `change_document` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    if data["how"] not in get_args(How) or data["kind"] not in get_args(Kind):
        raise ValueError(f"{data['kind']} {data['how']} is not a change")
    given = {key: data[key] for key in ("kind", "column", "declared", "actual", "how", "reason")}
    return Change(**given, lost=tuple(map(str, data["lost"])))


def _step(step: Step) -> dict[str, Any]:
    return {
        "how": step.how,
        "kind": step.kind,
        "text": step.text,
        "statements": list(step.statements),
        "runs": step.runs,
        "bytes_read": step.reads,
        "bytes_written": step.writes,
        "usd": step.usd,
        "seconds": None if step.seconds is None else round(step.seconds, 1),
        "dml_statements": step.dml,
        "partition_modifications": step.partition_modifications,
        "notes": list(step.notes),
    }
