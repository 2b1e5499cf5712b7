"""The plan for several tables: what is there is read in three calls a dataset, and once more for what differs."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from nbactl.errors import NotFoundError
from nbactl.frozen import frozen
from nbactl.warehouse.plan.changes import compare
from nbactl.warehouse.plan.steps import steps_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbactl.ports.warehouse import TableLayout, TableSchema, Warehouse
    from nbactl.warehouse.plan.changes import Change
    from nbactl.warehouse.plan.steps import Step, Target


@frozen
class TablePlan:
    """What is to be done to one table. `layout` is None for a table that is not there."""

    declared: TableSchema
    layout: TableLayout | None
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]


def make_plans(
    warehouse: Warehouse,
    declared: Iterable[TableSchema],
    target: Target,
    *,
    timeout: float,
    missing_datasets: bool = False,
    drop_columns: bool = False,
) -> tuple[TablePlan, ...]:
    """Return the plans by name of table. `timeout` is in seconds and for each dataset.

    With `missing_datasets` the tables of a dataset that is not there are missing ones; without it NotFoundError. With
    `drop_columns` columns that are not declared are dropped.
    """
    plans: list[TablePlan] = []
    ordered = sorted(declared, key=lambda schema: schema.name)
    for dataset, group in groupby(ordered, lambda schema: schema.name.partition(".")[0]):
        schemas = list(group)
        found = _layouts(warehouse, dataset, schemas, timeout, missing_datasets=missing_datasets)
        for schema in schemas:
            layout = found.get(schema.name)
            changes = compare(schema, layout, drop_columns=drop_columns)
            if changes and layout is not None and layout.kind == "table":
                layout = warehouse.layout(layout, timeout=timeout)
                changes = compare(schema, layout, drop_columns=drop_columns)
            plans.append(TablePlan(schema, layout, changes, steps_of(schema, layout, changes, target)))
    return tuple(plans)


def _layouts(
    warehouse: Warehouse, dataset: str, schemas: Sequence[TableSchema], timeout: float, *, missing_datasets: bool
) -> Mapping[str, TableLayout]:
    try:
        return warehouse.layouts(dataset, [schema.name for schema in schemas], timeout=timeout)
    except NotFoundError as error:
        if missing_datasets and error.details.get("missing") == "dataset":
            return {}
        raise
