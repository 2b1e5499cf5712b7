"""By which columns a query filters and joins tables, in a way that clustering can make use of.

A filter prunes blocks if it compares a clustered column by itself with constants
(https://cloud.google.com/bigquery/docs/querying-clustered-tables).
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sqlglot import exp

UseKind = Literal["equality", "range", "join"]
_TRUNCATING: Final = frozenset({"Date", "TsOrDsToDate", "TimestampTrunc", "DateTrunc", "DatetimeTrunc"})
"""Functions of a time under which the order of its values stays."""


@frozen
class ColumnUse:
    """A condition on one column of a table."""

    table: str
    column: str
    kind: UseKind


@frozen
class TableUses:
    """The tables that a text reads, and the conditions on their columns."""

    tables: frozenset[str]
    uses: frozenset[ColumnUse]


NOTHING: Final = TableUses(frozenset(), frozenset())


def uses_in(sql: str, columns: Mapping[str, Collection[str]], project: str | None = None) -> TableUses:
    """Return what a text of one or more statements does with the tables `columns`, which names their columns.

    Names are compared in lower case. A text that cannot be parsed does nothing.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        with _quiet():
            trees = [tree for tree in sqlglot.parse(sql, dialect="bigquery") if tree is not None]
    except (SqlglotError, RecursionError):
        return NOTHING
    tables: set[str] = set()
    uses: set[ColumnUse] = set()
    for tree in trees:
        for node in tree.find_all(exp.Select, exp.Update, exp.Delete):
            scope = _Scope(node, columns, project)
            tables |= set(scope.tables.values())
            uses |= set(scope.uses())
    return TableUses(frozenset(tables), frozenset(uses))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the parser from warning about statements of scripts, which filter nothing."""
    logger = logging.getLogger("sqlglot")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


class _Scope:
    """One SELECT, UPDATE or DELETE with the tables that it reads itself, by the name that it gives them."""

    def __init__(self, node: exp.Expr, columns: Mapping[str, Collection[str]], project: str | None) -> None:
        self._node = node
        self._columns = columns
        self.tables: dict[str, str] = {}
        self._others = 0
        for source in _sources(node):
            name = _table_of(source, project)
            if name is not None and name in columns:
                self.tables[source.alias_or_name.lower()] = name
            else:
                self._others += 1

    def uses(self) -> Iterator[ColumnUse]:
        """Yield the conditions that all rows of the result meet."""
        from sqlglot import exp

        if not self.tables:
            return
        conditions: list[exp.Expr] = []
        if (where := self._node.args.get("where")) is not None:
            conditions.append(where.this)
        for join in self._node.args.get("joins") or ():
            if join.args.get("on") is not None:
                conditions.append(join.args["on"])
            for name in join.args.get("using") or ():
                for table in self.tables.values():
                    if name.name.lower() in self._columns[table]:
                        yield ColumnUse(table, name.name.lower(), "join")
        for condition in conditions:
            for part in condition.flatten() if isinstance(condition, exp.And) else (condition,):
                yield from self._of(part.unnest())

    def _of(self, node: exp.Expr) -> list[ColumnUse]:
        from sqlglot import exp

        for kinds, read in (
            (exp.Or, self._either),
            (exp.In, self._among),
            ((exp.EQ, exp.NullSafeEQ), lambda found: self._compared(found, "equality")),
            ((exp.GT, exp.GTE, exp.LT, exp.LTE), lambda found: self._compared(found, "range")),
            ((exp.Between, exp.StartsWith, exp.Like), self._between),
            (exp.Is, lambda found: self._use(found.this, "equality")),
            (exp.Column, lambda found: self._use(found, "equality")),
        ):
            if isinstance(node, kinds):
                return read(node)
        return []

    def _among(self, node: exp.Expr) -> list[ColumnUse]:
        values = [*node.expressions, *filter(None, (node.args.get("unnest"), node.args.get("query")))]
        return self._use(node.this, "equality" if all(map(_is_constant, values)) else "join")

    def _between(self, node: exp.Expr) -> list[ColumnUse]:
        from sqlglot import exp

        ends = [node.args[name] for name in ("low", "high", "expression") if node.args.get(name) is not None]
        if isinstance(node, exp.Like) and not (ends[0].is_string and ends[0].name[:1] not in ("", "%", "_")):
            return []
        return self._use(node.this, "range") if all(map(_is_constant, ends)) else []

    def _either(self, node: exp.Expr) -> list[ColumnUse]:
        """Return the use of alternatives for one column; different columns leave no block out."""
        found = [self._of(part.unnest()) for part in node.flatten()]
        one = {(use.table, use.column) for uses in found for use in uses}
        if not all(found) or len(one) != 1:
            return []
        kinds = {use.kind for uses in found for use in uses}
        table, column = one.pop()
        return [ColumnUse(table, column, "equality" if kinds == {"equality"} else "range")]

    def _compared(self, node: exp.Expr, kind: UseKind) -> list[ColumnUse]:
        from sqlglot import exp

        left, right = node.args["this"], node.args["expression"]
        if _is_constant(right):
            return self._use(left, kind)
        if _is_constant(left):
            return self._use(right, kind)
        if kind != "equality" or not all(isinstance(side, exp.Column) for side in (left, right)):
            return []
        sides = [*self._use(left, "join"), *self._use(right, "join")]
        return sides if len({use.table for use in sides}) == len(sides) else []

    def _use(self, node: exp.Expr, kind: UseKind) -> list[ColumnUse]:
        """Return the use of an operand that is a column, or a time truncated, whose order stays."""
        from sqlglot import exp

        node = node.unnest()
        truncated = type(node).__name__ in _TRUNCATING or (isinstance(node, exp.Cast) and node.is_type("date"))
        if truncated and kind != "join":
            return self._use(node.this, "range")
        if not isinstance(node, exp.Column) or (name := self._table(node)) is None:
            return []
        return [ColumnUse(name, node.name.lower(), kind)]

    def _table(self, column: exp.Column) -> str | None:
        """Return the table of a column; None if it is of none of these, or may be of another source."""
        name = column.name.lower()
        if column.table:
            table = self.tables.get(column.table.lower())
            return table if table is not None and name in self._columns[table] else None
        having = [table for table in self.tables.values() if name in self._columns[table]]
        return having[0] if len(having) == 1 and not self._others else None


def _sources(node: exp.Expr) -> Iterator[exp.Expr]:
    from sqlglot import exp

    if isinstance(node, (exp.Update, exp.Delete)):
        yield node.this
    source = node.args.get("from_")
    if source is not None:
        yield source.this
    for join in node.args.get("joins") or ():
        yield join.this


def _table_of(source: exp.Expr, project: str | None) -> str | None:
    """Return `dataset.table`; None for a subquery, a name of WITH, or a table of another project."""
    from sqlglot import exp

    if not isinstance(source, exp.Table) or not source.db or (source.catalog and source.catalog != project):
        return None
    return f"{source.db}.{source.name}"


def _is_constant(node: exp.Expr) -> bool:
    from sqlglot import exp

    return node.find(exp.Column, exp.Query) is None
