"""Resolves the sources of a statement, and which conditions hold for which of them.

A filter of an outer query counts for the table below it, as BigQuery moves it there; behind a window function or LIMIT
it does not, because that changes the result. Where a name is not certain, nothing is reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp  # noqa: TID253 - loaded when SQL is looked at

from nbactl.checks.sql.conditions import Conditions
from nbactl.checks.sql.relations import Exposed, Facts, Read, Relation
from nbactl.checks.sql.scopes import Scope, conjuncts, conjuncts_of, side_of
from nbactl.checks.sql.shapes import (
    LATE_LIMIT,
    aliases_in_where,
    block,
    cross_joins,
    limits_to,
    reads_nothing,
    result_of,
)
from nbactl.checks.sql.text import HOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from nbactl.checks.sql.tables import Tables

    Names = Mapping[str, Callable[[], Relation]]

_VIEWS_DEEP: Final = 10
_SOURCES: Final = frozenset({"from_", "with_", "using", "this", "tables"})
"""The parts of a statement that are sources, and resolved as such."""


class Resolver:
    """Collects the facts of one statement."""

    def __init__(
        self, tables: Tables, variables: Collection[str], view: Callable[[str], exp.Expr | None], *, is_open: bool
    ) -> None:
        self.facts = Facts()
        self._conditions = Conditions(self.facts, variables)
        self._tables = tables
        self._variables = variables
        self._view = view
        self._is_open = is_open
        self._via: list[tuple[str, exp.Expr]] = []

    def statement(self, tree: exp.Expr) -> Facts:
        """Return the facts of a statement."""
        if isinstance(tree, exp.Query):
            relation = self.query(tree, {}, None)
            self.facts.whole = relation.whole
        elif isinstance(tree, (exp.Update, exp.Delete, exp.Merge)):
            self._dml(tree)
        elif isinstance(tree, (exp.Insert, exp.Create)):
            self._inner(tree, is_view=isinstance(tree, exp.Create) and tree.kind == "VIEW")
        else:
            self._nested(tree, {}, None)
        self._spread()
        return self.facts

    def _inner(self, tree: exp.Expr, *, is_view: bool) -> None:
        inner = tree.args.get("expression")
        if not isinstance(inner, exp.Query):
            if isinstance(inner, exp.Expr):
                self._nested(inner, {}, None)
            return
        relation = self.query(inner, {}, None)
        if is_view:
            for exposed in relation.exposed.values():
                for read in exposed.reads:
                    read.left_open = not exposed.blocked

    def _spread(self) -> None:
        """Give what is filtered to what equals it."""
        waiting = [read for read in self.facts.reads if read.filtered or read.excused]
        while waiting:
            for partner in waiting.pop().partners:
                if not partner.filtered:
                    partner.filtered = True
                    waiting.append(partner)

    # Queries

    def query(self, node: exp.Expr, names: Names, outer: Scope | None) -> Relation:
        """Return the relation of a query."""
        node = node.unnest() if not isinstance(node, exp.Subquery) else node
        if isinstance(node, exp.Subquery):
            names = self._with(node, names, outer)
            relation = self.query(node.this, names, outer)
            if node.args.get("limit") is not None:
                block(relation, LATE_LIMIT)
            return relation
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, names, outer)
        if isinstance(node, exp.Select):
            return self._select(node, self._with(node, names, outer), outer)
        if isinstance(node, exp.Table):
            return self._source(node, names, outer)
        return Relation(is_hole=True)

    def _with(self, node: exp.Expr, names: Names, outer: Scope | None) -> Names:
        clause = node.args.get("with_")
        if clause is None:
            return names
        known = dict(names)
        for cte in clause.expressions:
            known[cte.alias.lower()] = self._later(cte.this, dict(known), outer)
        return known

    def _later(self, node: exp.Expr, names: Names, outer: Scope | None) -> Callable[[], Relation]:
        """Resolve a query of WITH when it is first read; one that is never read costs nothing."""
        found: list[Relation] = []

        def resolve() -> Relation:
            if not found:
                found.append(Relation())  # a recursive one reads itself
                found[0] = self.query(node, names, outer)
            return found[0]

        return resolve

    def _set_operation(self, node: exp.SetOperation, names: Names, outer: Scope | None) -> Relation:
        names = self._with(node, names, outer)
        parts: list[exp.Expr] = []
        while isinstance(node, exp.SetOperation):
            parts.append(node.expression)
            node = node.this
        relations = [self.query(part, names, outer) for part in [node, *reversed(parts)]]
        first = relations[0]
        exposed = dict(first.exposed)
        for other in relations[1:]:
            for name, found in other.exposed.items():
                place = other.columns.index(name) if other.columns is not None and name in other.columns else None
                own = (
                    name
                    if place is None or first.columns is None or place >= len(first.columns)
                    else first.columns[place]
                )
                before = exposed.get(own)
                exposed[own] = (
                    found if before is None else Exposed((*before.reads, *found.reads), before.blocked or found.blocked)
                )
        return Relation(exposed, first.columns, whole=tuple(read for each in relations for read in each.whole))

    def _select(self, node: exp.Select, names: Names, outer: Scope | None) -> Relation:
        scope = Scope(outer)
        scope.is_open = self._is_open
        source = node.args.get("from_")
        joins = node.args.get("joins") or []
        if source is not None:
            self._add(scope, source.this, names)
        for join in joins:
            self._add(scope, join.this, names)
        where = node.args.get("where")
        conditions: list[tuple[exp.Expr, Collection[str] | None]] = [(part, None) for part in conjuncts(where)]
        for join in joins:
            conditions += [(part, side_of(join, scope)) for part in conjuncts_of(join.args.get("on"))]
        pinned = self._conditions.apply(scope, conditions)
        self._conditions.using(scope, joins, pinned)
        if not self._via:
            cross_joins(self.facts, scope, node, source, joins)
            if where is not None:
                self.facts.aliases_in_where += aliases_in_where(scope, node, where, self._variables)
        windows = self._expressions(node, names, scope)
        if source is not None and reads_nothing(node):
            for relation in scope.sources.values():
                if relation.read is not None:
                    relation.read.excused = True
        if scope.is_open or limits_to(node, "0"):
            scope.excuse()
        return result_of(node, scope, pinned, windows)

    def _add(self, scope: Scope, node: exp.Expr, names: Names) -> None:
        relation = self._source(node, names, scope.outer, scope)
        alias = node.alias_or_name
        if isinstance(node, exp.Unnest):
            alias = alias or f"{HOLE}array{len(scope.sources)}"
        if HOLE in alias and not isinstance(node, exp.Unnest) and node.args.get("alias") is not None:
            scope.is_open = True  # `FROM t {where}`
            alias = node.name
        scope.sources[(alias or f"{HOLE}{len(scope.sources)}").lower()] = relation
        for join in (node.args.get("joins") or []) if isinstance(node, (exp.Table, exp.Subquery)) else []:
            self._add(scope, join.this, names)
            self._conditions.apply(scope, [(part, side_of(join, scope)) for part in conjuncts_of(join.args.get("on"))])

    def _source(self, node: exp.Expr, names: Names, outer: Scope | None, scope: Scope | None = None) -> Relation:
        if isinstance(node, exp.Subquery):
            if isinstance(node.this, exp.Table) and scope is not None:  # (a JOIN b)
                self._add(scope, node.this, names)
                return Relation()
            relation = self.query(node, names, outer)
            return Relation(relation.exposed, relation.columns, relation.pinned, relation.whole, relation.single_row)
        if isinstance(node, exp.Unnest):
            self._nested(node, names, scope)
            return Relation(is_array=True)
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            self._nested(node, names, scope)
            return Relation()
        if not node.db and (found := names.get(node.name.lower())) is not None:
            relation = found()
            return Relation(relation.exposed, relation.columns, relation.pinned, relation.whole, relation.single_row)
        self.facts.reads_tables = True
        return self._table(node)

    def _table(self, node: exp.Table) -> Relation:
        if node.name.startswith(HOLE) or HOLE in node.name:
            return Relation(is_hole=True)
        known = (
            self._tables.find_in_some_dataset(node.name) if HOLE in node.db else self._tables.find(node.db, node.name)
        )
        if known is None or (node.catalog and "*" in node.name):
            return Relation()
        if known.query is not None:
            return self._through_view(known.name, node)
        place = self._via[0][1] if self._via else node
        read = Read(known, place, self._via[0][0] if self._via else "")
        read.excused = node.args.get("sample") is not None
        self.facts.reads.append(read)
        exposed = {name: Exposed((read,)) for name in known.partition}
        return Relation(exposed, known.columns or None, whole=(read,), read=read)

    def _through_view(self, name: str, node: exp.Table) -> Relation:
        tree = None if len(self._via) >= _VIEWS_DEEP else self._view(name)
        if tree is None:
            return Relation()
        self._via.append((name, node))
        self._conditions.is_in_view = True
        try:
            return self.query(tree, {}, None)
        finally:
            self._via.pop()
            self._conditions.is_in_view = bool(self._via)

    def _expressions(self, node: exp.Expr, names: Names, scope: Scope) -> list[exp.Window]:
        """Resolve the queries inside of expressions; returns the window functions."""
        windows: list[exp.Window] = []
        for name, value in node.args.items():
            if name in _SOURCES or value is None:
                continue
            for each in value if isinstance(value, list) else [value]:
                part = each.args.get("on") if isinstance(each, exp.Join) else each
                if isinstance(part, exp.Expr):
                    windows += self._nested(part, names, scope)
        return windows

    def _nested(self, node: exp.Expr, names: Names, scope: Scope | None) -> list[exp.Window]:
        windows: list[exp.Window] = []
        waiting = [node]
        while waiting:
            each = waiting.pop()
            if isinstance(each, exp.Query):
                self.query(each, names, scope)
                continue
            if isinstance(each, exp.Window):
                windows.append(each)
            elif isinstance(each, (exp.Column, exp.Literal)):
                continue
            waiting.extend(each.iter_expressions())
        return windows

    # DML

    def _dml(self, tree: exp.Expr) -> None:
        scope = Scope(None)
        scope.is_open = self._is_open
        names = self._with(tree, {}, None)
        target = tree.this if isinstance(tree.this, exp.Expr) else next(iter(tree.args.get("tables") or ()), None)
        if target is None:
            return
        self._add(scope, target, names)
        if isinstance(tree, exp.Merge):
            conditions = self._merge(scope, tree, names, target.alias_or_name.lower())
        else:
            source = tree.args.get("from_")
            if source is not None:
                self._add(scope, source.this, names)
            conditions = conjuncts(tree.args.get("where"))
        self._conditions.apply(scope, [(part, None) for part in conditions])
        self._expressions(tree, names, scope)
        if scope.is_open:
            scope.excuse()

    def _merge(self, scope: Scope, tree: exp.Merge, names: Names, target: str) -> list[exp.Expr]:
        """Add the source of a MERGE, and return its conditions: those of ON and of the WHEN clauses.

        https://cloud.google.com/bigquery/docs/using-dml-with-partitioned-tables#pruning_partitions_when_using_a_merge_statement.
        """
        self._add(scope, tree.args["using"], names)
        on = tree.args.get("on")
        read = scope.sources[target].read if target in scope.sources else None
        if isinstance(on, exp.Boolean) and not on.this and read is not None:
            read.excused = True
        whens = tree.args["whens"].expressions
        return [*conjuncts_of(on), *(part for when in whens for part in conjuncts_of(when.args.get("condition")))]
