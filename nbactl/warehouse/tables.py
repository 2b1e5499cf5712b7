"""The declared tables: tables.yaml, checked, and made in a warehouse when they are needed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final

from nbactl.config.base import NOT_EMPTY, Name, Strict, above
from nbactl.config.problems import config_error, suggest
from nbactl.config.source import read_positions
from nbactl.config.validate import validate
from nbactl.config.yamltext import Node, Positions
from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError, PreconditionError
from nbactl.ports.warehouse import Column, ColumnType, TableSchema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbactl.config.problems import Problem
    from nbactl.ports.warehouse import Warehouse

MAX_CLUSTERING: Final = 4
_CLUSTERABLE: Final = frozenset({"STRING", "INT64", "NUMERIC", "BOOL", "DATE", "TIMESTAMP"})


class ColumnDeclaration(Strict):
    """One column, in BigQuery's types."""

    type: ColumnType
    required: bool = False
    description: str = ""


class TableDeclaration(Strict):
    """One table. `partition_by` is a DATE or TIMESTAMP column; a TIMESTAMP is partitioned by its UTC day.

    A partition is deleted `partition_expiration_days` after its date.
    """

    description: str = ""
    partition_by: str | None = None
    cluster_by: tuple[str, ...] = ()
    partition_expiration_days: Annotated[float, above(0)] | None = None
    require_partition_filter: bool = False
    columns: Annotated[dict[Name, ColumnDeclaration], NOT_EMPTY]

    def schema_of(self, name: str) -> TableSchema:
        """Return what is declared, as the warehouse port has it."""
        columns = tuple(
            Column(key, column.type, column.required, column.description) for key, column in self.columns.items()
        )
        return TableSchema(
            name,
            columns,
            self.partition_by,
            self.cluster_by,
            self.description,
            partition_expiration_days=self.partition_expiration_days,
            require_partition_filter=self.require_partition_filter,
        )


class TablesFile(Strict):
    """tables.yaml: declarations by `dataset.table`."""

    tables: dict[Name, TableDeclaration]


def check(file: TablesFile, positions: Positions) -> Iterator[Problem]:
    """Yield what BigQuery would refuse, so that it is refused on every target."""
    for name, table in file.tables.items():
        here = ("tables", name)
        if name.count(".") != 1:
            yield positions.problem(here, f"'{name}' is not a table name: write dataset.table", key=True)
        partition = table.partition_by
        if partition is not None:
            place = (*here, "partition_by")
            if partition not in table.columns:
                message = f"{name} is partitioned by '{partition}', which is not one of its columns"
                yield positions.problem(place, message, suggest(partition, table.columns))
            elif (kind := table.columns[partition].type) not in ("DATE", "TIMESTAMP"):
                message = f"{name} is partitioned by {partition}, a {kind}; it must be a DATE or TIMESTAMP"
                yield positions.problem(place, message)
        for option in ("partition_expiration_days", "require_partition_filter"):
            if partition is None and getattr(table, option):
                yield positions.problem((*here, option), f"{name} has {option} and is not partitioned")
        yield from _check_clustering(name, table, positions)


def _check_clustering(name: str, table: TableDeclaration, positions: Positions) -> Iterator[Problem]:
    place = ("tables", name, "cluster_by")
    if len(table.cluster_by) > MAX_CLUSTERING:
        message = f"{name} is clustered by {len(table.cluster_by)} columns; BigQuery takes {MAX_CLUSTERING}"
        yield positions.problem(place, message)
    for number, column in enumerate(table.cluster_by):
        if column not in table.columns:
            message = f"{name} is clustered by '{column}', which is not one of its columns"
            yield positions.problem((*place, number), message, suggest(column, table.columns))
        elif (kind := table.columns[column].type) not in _CLUSTERABLE:
            yield positions.problem(
                (*place, number), f"{name} cannot be clustered by {column}: BigQuery refuses {kind}"
            )
        elif column in table.cluster_by[:number]:
            yield positions.problem((*place, number), f"{name} is clustered by {column} twice")


TABLES_FILE: Final = Path(__file__).with_name("tables.yaml")


@cache
def load_tables(path: Path = TABLES_FILE) -> Mapping[str, TableSchema]:
    """Return the declared tables by name; the file is read once (it takes 10 ms).

    Raises ConfigError that names every problem of the file with line and column.
    """
    positions, problems = read_positions(path)
    if positions is None:
        raise config_error(problems)
    root = positions.root  # one level deeper, because a model's keys are fixed and table names are not
    node = Node({"tables": root.data}, root.line, root.column, root.size, {"tables": (1, 1)}, {"tables": root})
    file, positions, more = validate(TablesFile, Positions(positions.file, node))
    problems += more
    if file is not None:
        problems += check(file, positions)
    if problems or file is None:
        raise config_error(problems)
    return MappingProxyType({name: table.schema_of(name) for name, table in file.tables.items()})


def declared_table(
    name: str, tables: Mapping[str, TableSchema] | None = None, *, where: str = "tables.yaml"
) -> TableSchema:
    """Return one declared table. Raises NotFoundError with a suggestion; `where` says in what it is declared."""
    known = load_tables() if tables is None else tables
    if name not in known:
        raise NotFoundError(
            f"no table {name} is declared in {where}",
            next_step=did_you_mean(name, sorted(known)),
            details={"table": name},
        )
    return known[name]


def ensure_tables(warehouse: Warehouse, names: Iterable[str], tables: Mapping[str, TableSchema] | None = None) -> None:
    """Create the declared tables that are missing, and add columns that were declared since a table was made.

    Raises NotFoundError for a table that is not declared, PreconditionError for one that is there and differs in a
    way that only a rebuild changes.
    """
    wanted = [declared_table(name, tables) for name in names]
    present = set(warehouse.list_tables())
    for schema in wanted:
        if schema.name in present:
            _bring_up_to_date(warehouse, schema)
        else:
            warehouse.create_table(schema)


def _bring_up_to_date(warehouse: Warehouse, declared: TableSchema) -> None:
    actual = warehouse.table(declared.name).schema
    if actual == declared:
        return
    there = {column.name: column for column in actual.columns}
    for column in declared.columns:
        found = there.get(column.name)
        if found is None and column.required:
            raise _differs(declared.name, f"it lacks {column.name}, and rows that are there cannot have a value for it")
        if found is not None and found.type != column.type:
            raise _differs(declared.name, f"{column.name} is {found.type}, declared as {column.type}")
        if found is not None and found.required != column.required:
            raise _differs(declared.name, f"{column.name} is {_mode(found)}, declared {_mode(column)}")
    if undeclared := [name for name in there if name not in {column.name for column in declared.columns}]:
        raise _differs(declared.name, f"it has {', '.join(undeclared)}, which is not declared")
    if actual.partition_by != declared.partition_by:
        raise _differs(
            declared.name, f"it is partitioned by {actual.partition_by}, declared is {declared.partition_by}"
        )
    warehouse.add_columns(declared.name, [column for column in declared.columns if column.name not in there])


def _mode(column: Column) -> str:
    return "required" if column.required else "nullable"


def _differs(table: str, cause: str) -> PreconditionError:
    return PreconditionError(
        f"{table} is not what tables.yaml declares",
        cause=cause,
        next_step="Make tables.yaml and the table agree. Nothing was changed; a local warehouse can be computed again.",
        details={"table": table},
    )
