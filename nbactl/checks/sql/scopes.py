"""The sources of one SELECT or DML statement, and the conditions that are about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp  # noqa: TID253 - loaded when SQL is looked at

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbactl.checks.sql.relations import Exposed, Read, Relation


class Scope:
    """The sources of one SELECT or DML statement, by alias, and the scope around it."""

    def __init__(self, outer: Scope | None) -> None:
        self.outer = outer
        self.sources: dict[str, Relation] = {}
        self.is_open = False

    def exposing(self, column: exp.Column) -> list[tuple[str, Exposed]]:
        """Return by which sources a column is a partition column."""
        name, table = column.name.lower(), column.table.lower()
        if table:
            scope: Scope | None = self
            while scope is not None:
                if table in scope.sources:
                    found = scope.sources[table].exposed.get(name)
                    return [] if found is None else [(table, found)]
                scope = scope.outer
            return []
        here = [(alias, source.exposed[name]) for alias, source in self.sources.items() if name in source.exposed]
        return here or ([] if self.outer is None else self.outer.exposing(column))

    def excuse(self) -> None:
        """Say of all reads that they need no filter here."""
        for relation in self.sources.values():
            for exposed in relation.exposed.values():
                for read in exposed.reads:
                    read.excused = True

    def is_pinned(self, column: exp.Column, pinned: Collection[tuple[str, str]]) -> bool:
        """Return whether a column is compared with a constant, here or inside of its source."""
        name, table = column.name.lower(), column.table.lower()
        aliases = [table] if table else list(self.sources)
        return any(
            (alias, name) in pinned or (alias in self.sources and name in self.sources[alias].pinned)
            for alias in aliases
        ) or (not table and ("", name) in pinned)


def conjuncts(where: exp.Expr | None) -> list[exp.Expr]:
    """Return the conditions of a WHERE, all of which hold."""
    return conjuncts_of(where.this) if isinstance(where, exp.Where) else []


def conjuncts_of(node: exp.Expr | None) -> list[exp.Expr]:
    """Return the parts of a condition, all of which hold."""
    if not isinstance(node, exp.Expr):
        return []  # a MERGE whose condition is filled in later has False
    node = node.unnest()
    if isinstance(node, exp.And):
        return [inner for part in node.flatten() for inner in conjuncts_of(part)]
    return [node]


def side_of(join: exp.Expr, scope: Scope) -> Collection[str] | None:
    """Return the sources that the condition of a join filters: of an outer join only one side, of a full one none."""
    side = str(join.args.get("side") or "").upper()
    this = join.this.alias_or_name.lower()
    if side == "LEFT":
        return {this}
    if side == "RIGHT":
        return {alias for alias in scope.sources if alias != this}
    return set() if side == "FULL" else None


def owner_of(scope: Scope, column: exp.Column) -> Read | None:
    """Return the table of this scope that a column is of, None if that is not certain."""
    if column.table:
        found = scope.sources.get(column.table.lower())
        return None if found is None else found.read
    name = column.name.lower()
    having = [source for source in scope.sources.values() if source.columns is None or name in source.columns]
    return having[0].read if len(having) == 1 else None
