"""BigQuery SQL as DuckDB SQL: sqlglot, and the places where the two engines answer differently."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError

if TYPE_CHECKING:
    from sqlglot import exp


_HARMLESS: Final = frozenset(
    # every connection is in UTC
    {"EXTRACT from TIMESTAMPTZ / TIMESTAMPLTZ may produce different results due to timezone handling differences"}
)


@dataclass(frozen=True, slots=True)
class Translated:
    """A query in DuckDB's dialect, with the parameters and tables it names."""

    sql: str
    parameters: frozenset[str]
    tables: tuple[str, ...]


@lru_cache(maxsize=512)
def translate_query(sql: str) -> Translated:
    """Translate one BigQuery query. Raises DataError with line and column for what is no query."""
    from sqlglot import exp

    tree = parse_one(sql)
    if not isinstance(tree, exp.Query):
        raise DataError(
            f"this statement is no query: {sql.strip().partition(chr(10))[0][:80]}",
            cause="queries only read",
            next_step="Write with load or replace_partitions, change tables with apply_ddl.",
        )
    return translate(tree)


def translate(tree: exp.Expr) -> Translated:
    """Translate a parsed query; the tree is changed."""
    from sqlglot import ErrorLevel, exp
    from sqlglot.dialects.duckdb import DuckDB

    from nbactl.adapters.duckdb.semantics import as_duckdb  # noqa: PLC0415 - heavy

    parameters = frozenset(node.name for node in tree.find_all(exp.Parameter))
    defined = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = []
    for table in tree.find_all(exp.Table):
        table.set("catalog", None)  # the project: one file is one project
        if table.name and (table.db or table.name not in defined):
            tables.append(f"{table.db}.{table.name}" if table.db else table.name)
    generator = DuckDB().generator(unsupported_level=ErrorLevel.IGNORE)
    sql = generator.generate(as_duckdb(tree))
    if refused := [told for told in generator.unsupported_messages if told not in _HARMLESS]:
        raise DataError(
            "the local warehouse cannot answer this as BigQuery does",
            cause=refused[0].strip(" ."),
            next_step="Say it with other functions, so that both engines agree.",
        )
    return Translated(sql, parameters, tuple(tables))


def parse_one(sql: str) -> exp.Expr:
    """Parse exactly one BigQuery statement. Raises DataError with line and column."""
    statements = parse(sql)
    if len(statements) != 1:
        raise DataError(f"{len(statements)} statements where one is expected", next_step="Send them one by one.")
    return statements[0]


def parse(sql: str) -> list[exp.Expr]:
    """Parse BigQuery statements. Raises DataError with line and column."""
    import sqlglot
    from sqlglot.errors import ParseError, TokenError

    try:
        return [tree for tree in sqlglot.parse(sql, read="bigquery") if tree is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        line, column = first.get("line"), first.get("col")
        raise DataError(
            f"SQL syntax error in line {line}, column {column}",
            cause=str(first.get("description", error)),
            next_step=f"Look near: {first.get('start_context', '')[-40:]}»{first.get('highlight', '')}«",
            details={"line": line, "column": column, "sql": sql},
        ) from error
    except TokenError as error:
        raise DataError("SQL syntax error", cause=str(error), details={"sql": sql}) from error
