"""BigQuery SQL as DuckDB SQL: parsed by sqlglot, compiled by what is listed in `sql`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError, NotFoundError
from nbactl.ports.sql import too_deep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlglot import exp

    from nbactl.adapters.duckdb.sql.types import Type

    Columns = tuple[tuple[str, "Type"], ...]

_KEPT: Final = 512


@dataclass(frozen=True, slots=True)
class Translated:
    """A query in DuckDB's dialect: parameters it names, tables it reads, columns it gives, functions it calls."""

    sql: str
    parameters: frozenset[str]
    tables: Mapping[str, Columns]
    columns: Columns
    functions: tuple[str, ...]


_kept: dict[tuple[str, tuple[tuple[str, Type], ...]], Translated] = {}
"""What this process translated last, of all warehouses: parsing takes longer than most queries on small tables."""


def translated_query(sql: str, parameters: Mapping[str, Type], columns_of: Callable[[str], Columns]) -> Translated:
    """Return the translation of one query, the one from before if its tables have the same columns.

    Raises DataError for what is not a query or not on the list, NotFoundError.
    """
    key = sql, tuple(sorted(parameters.items(), key=lambda item: item[0]))
    kept = _kept.get(key)
    with suppress(NotFoundError):  # translating names the table and its place
        if kept is not None and all(columns_of(name) == columns for name, columns in kept.tables.items()):
            return kept
    translated = translate_query(sql, parameters, columns_of)
    if len(_kept) >= _KEPT:
        _kept.clear()
    _kept[key] = translated
    return translated


def translate_query(sql: str, parameters: Mapping[str, Type], columns_of: Callable[[str], Columns]) -> Translated:
    """Translate one query. Raises DataError for anything but a query, with line and column."""
    from sqlglot import exp

    from nbactl.adapters.duckdb.sql.parse import parse  # noqa: PLC0415 - heavy

    tree = parse(sql)
    if not isinstance(tree, exp.Query):
        raise DataError(
            f"this statement is not a query: {sql.strip().partition(chr(10))[0][:80]}",
            cause="queries only read",
            next_step="Write with load or replace_partitions, change tables with apply_ddl.",
        )
    return compiled(tree, sql, parameters, columns_of)


def compiled(
    tree: exp.Expr, sql: str, parameters: Mapping[str, Type], columns_of: Callable[[str], Columns]
) -> Translated:
    """Compile a parsed query. Raises DataError for what is not on the list, or two columns with the same name."""
    from nbactl.adapters.duckdb.sql.context import Context  # noqa: PLC0415 - heavy
    from nbactl.adapters.duckdb.sql.query import compile_query  # noqa: PLC0415 - heavy

    ctx = Context(columns_of, parameters, compile_query, sql)
    try:
        query = compile_query(ctx, tree, None)
    except RecursionError:
        raise too_deep(sql) from None
    names = [column.name.lower() for column in query.columns]
    for column in query.columns:
        if names.count(column.name.lower()) > 1 and not column.anonymous:
            raise DataError(
                f"the query's result has two columns named {column.name}", next_step="Give one of them an alias."
            )
    columns = tuple((column.name, column.type) for column in query.columns)
    return Translated(query.sql, frozenset(ctx.used_parameters), ctx.tables, columns, tuple(ctx.listed))
