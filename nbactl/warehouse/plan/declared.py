"""Declarations in DDL: the CREATE TABLE statements of the operator's own files.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#create_table_statement
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from nbactl.core._support.files import read_regular
from nbactl.core._support.names import did_you_mean
from nbactl.errors import DataError, NotFoundError, UsageError
from nbactl.ports.column_types import CLUSTERABLE, base, canonical
from nbactl.ports.warehouse import Column, ColumnType, PartitionUnit, TableSchema
from nbactl.warehouse.tables import MAX_CLUSTERING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlglot import exp

_MOST: Final = 8 * 2**20
_UNITS: Final = ("HOUR", "DAY", "MONTH", "YEAR")
_TIME: Final = ("DATE", "DATETIME", "TIMESTAMP")
_OPTIONS: Final = ("description", "partition_expiration_days", "require_partition_filter")
_EXAMPLE: Final = "Write CREATE TABLE dataset.table (day DATE NOT NULL) PARTITION BY day."


def read_schemas(paths: Sequence[Path], project: str | None) -> tuple[dict[str, TableSchema], tuple[str, ...]]:
    """Return the tables that files and folders of `*.sql` declare, and notes about what is not compared.

    Raises UsageError for a path without tables, DataError for a statement that cannot be read, or that BigQuery would
    refuse, with file and line.
    """
    found: dict[str, TableSchema] = {}
    notes: list[str] = []
    for file in _files(paths):
        text = _text(file)
        for tree in _statements(file, text):
            schema, ignored = _table(file, tree, project)
            if schema.name in found:
                raise DataError(f"{file} declares {schema.name} again", next_step="Declare each table once.")
            found[schema.name] = schema
            notes += [f"{schema.name}: {what} is not compared" for what in dict.fromkeys(ignored)]
    if not found:
        raise UsageError(f"no table is declared in {', '.join(map(str, paths))}", next_step=_EXAMPLE)
    return found, tuple(notes)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"--schema: there is no {path}", next_step="Name a file of DDL, or a folder of them.")
        yield from sorted(path.rglob("*.sql")) if path.is_dir() else [path]


def _text(file: Path) -> str:
    try:
        return read_regular(file, _MOST).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--schema: {file} cannot be read", cause=reason, next_step="Name a file of SQL.") from error


def _statements(file: Path, text: str) -> list[exp.Create]:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError, SqlglotError

    try:
        trees = [tree for tree in sqlglot.parse(text, dialect="bigquery") if tree is not None]
    except SqlglotError as error:
        first: dict[str, Any] = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        place = f"{file}:{first['line']}:{first['col']}" if first.get("line") else str(file)
        reason = str(first.get("description") or error).partition("\n")[0]
        raise DataError(f"{place}: the DDL cannot be read", cause=reason, next_step=_EXAMPLE) from error
    for tree in trees:
        whole = isinstance(tree, exp.Create) and tree.kind == "TABLE" and isinstance(tree.this, exp.Schema)
        if not whole:
            shown = " ".join(tree.sql("bigquery").split())[:60]
            raise DataError(
                f"{file}: {shown} does not declare the columns of a table",
                next_step=f"Keep CREATE TABLE statements alone in it. {_EXAMPLE}",
            )
    return cast("list[exp.Create]", trees)


def _table(file: Path, tree: exp.Create, project: str | None) -> tuple[TableSchema, list[str]]:
    from sqlglot import exp

    node = tree.this.this
    name = f"{node.db}.{node.name}"
    if not node.db or not node.name:
        raise DataError(f"{file}: '{node.name}' is not the name of a table", next_step=_EXAMPLE)
    if node.catalog and project and node.catalog != project:
        raise DataError(
            f"{file}: {name} is declared in project {node.catalog}",
            cause=f"The project of this command is {project}.",
            next_step=f"Give --project {node.catalog}, or take the project out of the statement.",
        )
    ignored: list[str] = []
    columns = [_column(part, ignored) for part in tree.this.expressions if isinstance(part, exp.ColumnDef)]
    ignored += [
        " ".join(part.sql("bigquery").split()[:2])
        for part in tree.this.expressions
        if not isinstance(part, exp.ColumnDef)
    ]
    schema = TableSchema(name, tuple(columns))
    options: dict[str, Any] = {}
    for part in (tree.args.get("properties") or exp.Properties()).expressions:
        if isinstance(part, exp.PartitionedByProperty):
            options["partition_by"], options["partition_unit"] = _partition(file, name, part.this)
        elif isinstance(part, exp.ClusterProperty):
            options["cluster_by"] = tuple(one.name for one in part.expressions)
        elif part.name.lower() in _OPTIONS and isinstance(part.args.get("value"), exp.Expression):
            options[part.name.lower()] = _value(part.args["value"])
        elif isinstance(part, exp.Property):
            ignored.append(part.name or part.sql("bigquery"))
    found = _with(schema, options)
    _check(file, found)
    return found, ignored


def _with(schema: TableSchema, options: dict[str, Any]) -> TableSchema:
    days = options.get("partition_expiration_days")
    return replace(
        schema,
        **{
            **options,
            "description": options.get("description") or "",
            "partition_expiration_days": None if days is None else float(days),
            "require_partition_filter": bool(options.get("require_partition_filter")),
        },
    )


def _column(part: exp.ColumnDef, ignored: list[str]) -> Column:
    from sqlglot import exp

    required, description = False, ""
    for constraint in part.args.get("constraints") or ():
        kind = constraint.args.get("kind")
        if isinstance(kind, exp.NotNullColumnConstraint):
            required = not kind.args.get("allow_null")
        elif isinstance(kind, exp.Properties):
            for option in kind.expressions:
                if option.name.lower() == "description":
                    description = str(_value(option.args["value"]) or "")
                else:
                    ignored.append(f"{option.name} of {part.name}")
        else:
            ignored.append(f"{constraint.sql('bigquery').split()[0]} of {part.name}")
    kind_text = canonical(part.args["kind"].sql("bigquery"))
    return Column(part.name, cast("ColumnType", kind_text), required, description)


def _partition(file: Path, name: str, node: exp.Expr) -> tuple[str, PartitionUnit]:
    """Return column and unit of PARTITION BY: `day`, `DATE(at)` or `TIMESTAMP_TRUNC(at, HOUR)`."""
    from sqlglot import exp

    text = node.sql("bigquery")
    column = node.find(exp.Column) or node.find(exp.Identifier)
    unit = text.rpartition(",")[2].strip(" )").upper() if "_TRUNC(" in text.upper() else "DAY"
    if column is None or "RANGE_BUCKET" in text.upper() or "_PARTITION" in text.upper() or unit not in _UNITS:
        raise DataError(
            f"{file}: {name} is partitioned by {text}, which nbactl cannot compare",
            next_step="Partition by a DATE, DATETIME or TIMESTAMP column, by hour, day, month or year.",
        )
    return column.name, cast("PartitionUnit", unit)


def _value(node: exp.Expr) -> Any:  # noqa: ANN401 - of any type
    from sqlglot import exp

    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Null):
        return None
    return node.name


def _check(file: Path, schema: TableSchema) -> None:
    """Raise DataError for what BigQuery refuses: https://cloud.google.com/bigquery/docs/clustered-tables#limitations."""
    kinds = {column.name.lower(): canonical(column.type) for column in schema.columns}
    if len(kinds) < len(schema.columns):
        raise DataError(
            f"{file}: {schema.name} has a column twice", next_step="Names that differ in case are the same."
        )
    partition = schema.partition_by
    if partition is not None and kinds.get(partition.lower()) not in _TIME:
        kind = kinds.get(partition.lower(), "no column of it")
        raise DataError(
            f"{file}: {schema.name} is partitioned by {partition}, which is {kind}",
            next_step="Partition by a DATE, DATETIME or TIMESTAMP column.",
        )
    if len(schema.cluster_by) > MAX_CLUSTERING:
        raise DataError(
            f"{file}: {schema.name} is clustered by {len(schema.cluster_by)} columns",
            next_step=f"BigQuery takes {MAX_CLUSTERING}.",
        )
    for name in schema.cluster_by:
        if (kind := kinds.get(name.lower(), "")) == "":
            raise DataError(
                f"{file}: {schema.name} is clustered by '{name}', which is not one of its columns",
                next_step=did_you_mean(name, [column.name for column in schema.columns]),
            )
        if base(kind) not in CLUSTERABLE:
            raise DataError(
                f"{file}: {schema.name} cannot be clustered by {name}, which is {kind}",
                next_step=f"BigQuery clusters by {', '.join(sorted(CLUSTERABLE))}.",
            )
