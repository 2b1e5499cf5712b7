"""The model of tables.yaml, and what must hold between its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from nbactl.config.base import Name, Strict
from nbactl.config.problems import suggest
from nbactl.ports.warehouse import Column, ColumnType, TableSchema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.problems import Problem
    from nbactl.config.yamltext import Positions

MAX_CLUSTERING: Final = 4
_CLUSTERABLE: Final = frozenset({"STRING", "INT64", "BOOL", "DATE", "TIMESTAMP"})


class ColumnDeclaration(Strict):
    """One column, in BigQuery's types."""

    type: ColumnType
    required: bool = False
    description: str = ""


class TableDeclaration(Strict):
    """One table. `partition_by` is a DATE or TIMESTAMP column; a TIMESTAMP is partitioned by its UTC day."""

    description: str = ""
    partition_by: str | None = None
    cluster_by: tuple[str, ...] = ()
    columns: Annotated[dict[Name, ColumnDeclaration], Field(min_length=1)]

    def schema_of(self, name: str) -> TableSchema:
        """Return what is declared, as the warehouse port has it."""
        columns = tuple(Column(key, each.type, each.required, each.description) for key, each in self.columns.items())
        return TableSchema(name, columns, self.partition_by, self.cluster_by, self.description)


class TablesFile(Strict):
    """tables.yaml: declarations by `dataset.table`."""

    tables: dict[Name, TableDeclaration]


def check(file: TablesFile, positions: Positions) -> Iterator[Problem]:
    """Yield what BigQuery would refuse, so that it is refused on every target."""
    for name, table in file.tables.items():
        here = ("tables", name)
        if name.count(".") != 1:
            yield positions.problem(here, f"'{name}' is no table name, write dataset.table", key=True)
        partition = table.partition_by
        if partition is not None:
            place = (*here, "partition_by")
            if partition not in table.columns:
                told = f"{name} is partitioned by '{partition}', which is none of its columns"
                yield positions.problem(place, told, suggest(partition, table.columns))
            elif (kind := table.columns[partition].type) not in ("DATE", "TIMESTAMP"):
                told = f"{name} is partitioned by {partition}, a {kind}; it must be a DATE or TIMESTAMP"
                yield positions.problem(place, told)
        yield from _check_clustering(name, table, positions)


def _check_clustering(name: str, table: TableDeclaration, positions: Positions) -> Iterator[Problem]:
    place = ("tables", name, "cluster_by")
    if len(table.cluster_by) > MAX_CLUSTERING:
        told = f"{name} is clustered by {len(table.cluster_by)} columns; BigQuery takes {MAX_CLUSTERING}"
        yield positions.problem(place, told)
    for number, column in enumerate(table.cluster_by):
        if column not in table.columns:
            told = f"{name} is clustered by '{column}', which is none of its columns"
            yield positions.problem((*place, number), told, suggest(column, table.columns))
        elif (kind := table.columns[column].type) not in _CLUSTERABLE:
            yield positions.problem(
                (*place, number), f"{name} cannot be clustered by {column}: BigQuery refuses {kind}"
            )
        elif column in table.cluster_by[:number]:
            yield positions.problem((*place, number), f"{name} is clustered by {column} twice")
