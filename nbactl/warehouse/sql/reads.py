"""What a query reads, and whether its answer depends on nothing else: found in its syntax tree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError
from nbactl.ports.sql import parse_one

if TYPE_CHECKING:
    from sqlglot import exp

_VOLATILE: Final = ("AI", "Current", "Generate", "ML", "Predict", "Rand", "SessionUser", "Uuid")
"""Beginnings of the parser's names for functions whose answer changes while the tables do not, of models too."""
_NOT_VOLATILE: Final = frozenset({"GenerateDateArray", "GenerateSeries", "GenerateTimestampArray"})

_PLAIN: Final = frozenset({"IEEE_DIVIDE"})
"""Functions that the parser does not know, and whose answer depends on their arguments alone."""
_CHANGING: Final = frozenset({"CURRENT_USER", "GENERATE_UUID", "RAND", "SESSION_USER"})
"""Such functions that the parser does not know."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What a statement reads.

    `repeatable`: nothing is known that keeps the engine's own cache from answering it, as a function that may answer
    differently next time does, or a write ("Using cached query results" of BigQuery's documentation). `tables` are all
    that it reads, as `dataset.table`; None where that is not certain.
    """

    repeatable: bool
    tables: tuple[str, ...] | None


@lru_cache(maxsize=512)
def reads_of(sql: str, project: str | None = None) -> Reads:
    """Return what a statement in BigQuery's dialect reads; tables of `project` may be named with it."""
    from sqlglot import exp

    try:
        tree = parse_one(sql)
    except DataError:
        return Reads(repeatable=True, tables=None)  # the engine knows better, and says what is wrong with it
    if not isinstance(tree, exp.Query) or any(_is_volatile(node) for node in tree.walk()):
        return Reads(repeatable=False, tables=None)
    return Reads(repeatable=True, tables=_tables(tree, project))


def _is_volatile(node: exp.Expr) -> bool:
    from sqlglot import exp

    name = type(node).__name__
    if isinstance(node, exp.Anonymous):
        return node.name.upper() not in _PLAIN
    if isinstance(node, exp.Func):
        return name.startswith(_VOLATILE) and name not in _NOT_VOLATILE
    if isinstance(node, exp.Parameter):
        return isinstance(node.this, exp.Parameter)  # @@variable
    return isinstance(node, (exp.TableSample, exp.SessionParameter))


def _tables(tree: exp.Expr, project: str | None) -> tuple[str, ...] | None:
    from sqlglot import exp

    defined = {cte.alias for cte in tree.find_all(exp.CTE)}
    found = set()
    for table in tree.find_all(exp.Table):
        if not table.db and not table.catalog and table.name in defined:
            continue
        plain = isinstance(table.this, exp.Identifier) and not set("*.@$") & set(table.name)
        if not plain or not table.db or table.args.get("version") or table.catalog not in ("", project or ""):
            return None  # a wildcard, INFORMATION_SCHEMA, a function, the past, another project, or no dataset
        found.add(f"{table.db}.{table.name}")
    return tuple(sorted(found))


def uncached_because(sql: str) -> tuple[str, ...]:
    """Return what in the text of a query keeps BigQuery's cache from answering it, nothing if it is not known.

    https://cloud.google.com/bigquery/docs/cached-results#cache-exceptions. Functions that a project defines are not
    looked into.
    """
    from sqlglot import exp

    try:
        tree = parse_one(sql)
    except DataError:
        return ()
    if not isinstance(tree, exp.Query):
        return ("it is not a query",)
    found: dict[str, None] = {}
    for node in tree.walk():
        if isinstance(node, exp.Anonymous):
            if node.name.upper() in _CHANGING:
                found[f"{node.name.upper()}() answers differently each time"] = None
        elif isinstance(node, exp.Func) and _is_volatile(node):
            name = "GENERATE_UUID" if isinstance(node, exp.Uuid) else node.sql_name()
            found[f"{name}() answers differently each time"] = None
        elif isinstance(node, exp.TableSample):
            found["TABLESAMPLE draws other rows each time"] = None
        elif isinstance(node, exp.Table) and "INFORMATION_SCHEMA" in node.sql().upper():
            found["queries of INFORMATION_SCHEMA are not cached"] = None
        elif isinstance(node, exp.Table) and "*" in node.name:
            found[f"the wildcard {node.name} reads several tables"] = None
    return tuple(found)
