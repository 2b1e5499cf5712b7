"""BigQuery SQL as DuckDB SQL: sqlglot, and the places where the two engines answer differently."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError
from nbactl.ports.sql import parse_one

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
    """Translate one BigQuery query. Raises DataError for anything but a query, with line and column."""
    from sqlglot import exp

    tree = parse_one(sql)
    if not isinstance(tree, exp.Query):
        raise DataError(
            f"this statement is not a query: {sql.strip().partition(chr(10))[0][:80]}",
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
    if refused := [message for message in generator.unsupported_messages if message not in _HARMLESS]:
        raise DataError(
            "the local warehouse cannot answer this as BigQuery does",
            cause=refused[0].strip(" ."),
            next_step="Use other functions, so that both engines agree.",
        )
    return Translated(sql, parameters, tuple(tables))
