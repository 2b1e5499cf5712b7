"""Resolves the sources of a statement, and which conditions hold for which of them.

A filter of an outer query counts for the table below it, as BigQuery moves it there; behind a window function or LIMIT it
does not, because that changes the result. Where a name is not certain, nothing is reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp  # noqa: TID253 - loaded when SQL is looked at

from nbactl.checks.sql.filters import Joined, Judge, Prunes, Useless, columns_of, is_hole
from nbactl.checks.sql.relations import CrossJoin, Exposed, Facts, Read, Relation
from nbactl.checks.sql.text import HOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from nbactl.checks.sql.tables import Tables

    Names = Mapping[str, Callable[[], Relation]]

_VIEWS_DEEP: Final = 10
_LATE_WINDOW: Final = "the filter comes after a window function that reads all partitions"
_LATE_LIMIT: Final = "the filter comes after a LIMIT"


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

    def is_pinned(self, column: exp.Column, pinned: Collection[tuple[str, str]]) -> bool:
        """Return whether a column is compared with a constant, here or inside of its source."""
        name, table = column.name.lower(), column.table.lower()
        aliases = [table] if table else list(self.sources)
        return any(
            (alias, name) in pinned or (alias in self.sources and name in self.sources[alias].pinned)
            for alias in aliases
        ) or (not table and ("", name) in pinned)


class Resolver:
    """Collects the facts of one statement."""

    def __init__(
        self, tables: Tables, variables: Collection[str], view: Callable[[str], exp.Expression | None], *, is_open: bool
    ) -> None:
        self.facts = Facts()
        self._tables = tables
        self._variables = variables
        self._view = view
        self._is_open = is_open
        self._via: list[tuple[str, exp.Expression]] = []

    def statement(self, tree: exp.Expression) -> Facts:
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

    def _inner(self, tree: exp.Expression, *, is_view: bool) -> None:
        inner = tree.args.get("expression")
        if not isinstance(inner, exp.Query):
            if isinstance(inner, exp.Expression):
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

    def query(self, node: exp.Expression, names: Names, outer: Scope | None) -> Relation:
        """Return the relation of a query."""
        node = node.unnest() if not isinstance(node, exp.Subquery) else node
        if isinstance(node, exp.Subquery):
            names = self._with(node, names, outer)
            relation = self.query(node.this, names, outer)
            if node.args.get("limit") is not None:
                _block(relation, _LATE_LIMIT)
            return relation
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, names, outer)
        if isinstance(node, exp.Select):
            return self._select(node, self._with(node, names, outer), outer)
        if isinstance(node, exp.Table):
            return self._source(node, names, outer)
        return Relation(is_hole=True)

    def _with(self, node: exp.Expression, names: Names, outer: Scope | None) -> Names:
        clause = node.args.get("with_")
        if clause is None:
            return names
        known = dict(names)
        for cte in clause.expressions:
            known[cte.alias.lower()] = self._later(cte.this, dict(known), outer)
        return known

    def _later(self, node: exp.Expression, names: Names, outer: Scope | None) -> Callable[[], Relation]:
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
        parts: list[exp.Expression] = []
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
        conditions = [(part, None) for part in _conjuncts(where)]
        for join in joins:
            conditions += [(part, _side(join, scope)) for part in _conjuncts_of(join.args.get("on"))]
        pinned = self._conditions(scope, conditions)
        self._using(scope, joins, pinned)
        self._cross_joins(scope, node, source, joins)
        if where is not None:
            self._aliases(scope, node, where)
        windows = self._expressions(node, names, scope, limited=False)
        if source is not None and self._reads_nothing(node):
            for relation in scope.sources.values():
                if relation.read is not None:
                    relation.read.excused = True
        if scope.is_open or _limits_to(node, "0"):
            for relation in scope.sources.values():
                for exposed in relation.exposed.values():
                    for read in exposed.reads:
                        read.excused = True
        return self._result(node, scope, pinned, windows)

    def _add(self, scope: Scope, node: exp.Expression, names: Names) -> None:
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
            self._conditions(scope, [(part, _side(join, scope)) for part in _conjuncts_of(join.args.get("on"))])

    def _source(self, node: exp.Expression, names: Names, outer: Scope | None, scope: Scope | None = None) -> Relation:
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
        try:
            return self.query(tree, {}, None)
        finally:
            self._via.pop()

    # Conditions

    def _conditions(
        self, scope: Scope, conditions: Sequence[tuple[exp.Expression, Collection[str] | None]]
    ) -> set[tuple[str, str]]:
        """Apply conditions to the sources; each holds for the aliases beside it, for all if there are none.

        Returns the columns that are compared with constants.
        """
        pinned: set[tuple[str, str]] = set()
        joined: list[tuple[Read, Joined]] = []
        for node, aliases in conditions:
            if is_hole(node):
                scope.is_open = True
                continue
            columns = columns_of(node)
            self._pin(node, columns, pinned)
            if not self._via:
                self.facts.today += node.find_all(exp.CurrentDate)
            about: dict[int, tuple[Read, str]] = {}
            for column in columns:
                if HOLE in column.name:
                    scope.is_open = scope.is_open or _stands_alone(column)
                for alias, exposed in scope.exposing(column):
                    if aliases is None or alias in aliases:
                        about.update({id(read): (read, exposed.blocked) for read in exposed.reads})
                self._note_wrapped(scope, node, column)
            for read, blocked in about.values():
                joined += [(read, each) for each in self._judge(scope, read, blocked, node)]
        for read, each in joined:
            partners = [other for _, found in scope.exposing(each.other) for other in found.reads]
            if scope.is_pinned(each.other, pinned):
                read.filtered = True
            elif partners:
                for partner in partners:
                    read.partners.append(partner)
                    partner.partners.append(read)
                read.joined.append(each.other.sql("bigquery"))
            else:
                read.joined.append(each.other.sql("bigquery"))
        return pinned

    def _judge(self, scope: Scope, read: Read, blocked: str, node: exp.Expression) -> Iterator[Joined]:
        def is_column(column: exp.Column) -> bool:
            return any(read in exposed.reads for _, exposed in scope.exposing(column))

        for outcome in Judge(is_column, self._variables).outcomes(node):
            if isinstance(outcome, Prunes):
                if blocked:
                    read.useless.append(Useless(blocked, node))
                else:
                    read.filtered = True
            elif isinstance(outcome, Joined):
                yield outcome
            else:
                read.useless.append(outcome)

    @staticmethod
    def _pin(node: exp.Expression, columns: Sequence[exp.Column], pinned: set[tuple[str, str]]) -> None:
        if len(columns) == 1 and isinstance(node, (exp.EQ, exp.Between, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In)):
            pinned.add((columns[0].table.lower(), columns[0].name.lower()))

    def _note_wrapped(self, scope: Scope, node: exp.Expression, column: exp.Column) -> None:
        read = _owner(scope, column)
        name = column.name.lower()
        if self._via or read is None or name not in read.table.clustering or name in read.table.partition:
            return
        if not isinstance(
            node, (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between, exp.Like, exp.StartsWith)
        ):
            return
        parent = column.parent
        while isinstance(parent, exp.Paren):
            parent = parent.parent
        if parent is not node and isinstance(parent, (exp.Func, exp.Binary)) and not isinstance(parent, exp.Connector):
            self.facts.wrapped.append((read, column, parent))

    def _using(self, scope: Scope, joins: Sequence[exp.Expression], pinned: Collection[tuple[str, str]]) -> None:
        for join in joins:
            for name in join.args.get("using") or ():
                column = name.name.lower()
                reads = [
                    read
                    for source in scope.sources.values()
                    if column in source.exposed
                    for read in source.exposed[column].reads
                ]
                known = any(column in source.pinned for source in scope.sources.values()) or any(
                    pin[1] == column for pin in pinned
                )
                for read in reads:
                    read.filtered = read.filtered or known
                    read.partners += [other for other in reads if other is not read]
                    read.joined.append(column)

    def _cross_joins(
        self, scope: Scope, node: exp.Select, source: exp.Expression | None, joins: Sequence[exp.Expression]
    ) -> None:
        if source is None or scope.is_open or self._via:
            return
        before = [source.this]
        conditions = _conjuncts(node.args.get("where"))
        for join in joins:
            conditions += _conjuncts_of(join.args.get("on"))
        for join in joins:
            this = join.this
            condition = join.args.get("on") or join.args.get("using")
            plain = not condition and not join.args.get("method")
            if plain and not self._is_small(scope, this) and not all(self._is_small(scope, each) for each in before):
                alias = this.alias_or_name.lower()
                if not any(_links(condition, alias) for condition in conditions):
                    left = before[0].alias_or_name
                    self.facts.crosses.append(CrossJoin(this, left, this.alias_or_name))
            before.append(this)

    @staticmethod
    def _is_small(scope: Scope, node: exp.Expression) -> bool:
        relation = scope.sources.get(node.alias_or_name.lower())
        if isinstance(node, exp.Unnest) or not isinstance(node, (exp.Table, exp.Subquery)):
            return True
        return relation is None or relation.single_row or relation.is_hole or relation.is_array or HOLE in node.name

    def _aliases(self, scope: Scope, node: exp.Select, where: exp.Expression) -> None:
        """Note aliases of the SELECT list in WHERE, where no source has a column of that name."""
        known = [source.columns for source in scope.sources.values()]
        if self._via or not known or any(columns is None for columns in known) or scope.outer is not None:
            return
        names = {name for columns in known if columns is not None for name in columns}
        aliases = {each.alias.lower() for each in node.expressions if isinstance(each, exp.Alias)} - names
        if aliases:
            self.facts.aliases_in_where += [
                column
                for column in columns_of(where.this)
                if not column.table
                and column.name.lower() in aliases
                and column.name.lower() not in self._variables
                and not column.name.startswith("_")
            ]

    def _expressions(self, node: exp.Expression, names: Names, scope: Scope, *, limited: bool) -> list[exp.Window]:
        """Resolve the queries inside of expressions; returns the window functions."""
        windows: list[exp.Window] = []
        for name, value in node.args.items():
            if name in ("from_", "with_") or value is None:
                continue
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, exp.Join):
                    for part in ("on",):
                        if each.args.get(part) is not None:
                            windows += self._nested(each.args[part], names, scope)
                elif isinstance(each, exp.Expression):
                    windows += self._nested(each, names, scope)
        return windows

    def _nested(self, node: exp.Expression, names: Names, scope: Scope | None) -> list[exp.Window]:
        windows: list[exp.Window] = []
        waiting = [node]
        while waiting:
            each = waiting.pop()
            if isinstance(each, exp.Query):
                self.query(each, names, scope)
                continue
            if isinstance(each, exp.Window):
                windows.append(each)
            elif isinstance(each, exp.Column) or isinstance(each, exp.Literal):
                continue
            waiting.extend(each.iter_expressions())
        return windows

    @staticmethod
    def _reads_nothing(node: exp.Select) -> bool:
        """Return whether a query only counts rows, which BigQuery answers from metadata."""
        if any(node.args.get(name) for name in ("where", "group", "joins", "having", "qualify")):
            return False
        return all(not columns_of(each) and not each.find(exp.Query) for each in node.expressions) and not node.is_star

    # Results

    def _result(
        self, node: exp.Select, scope: Scope, pinned: Collection[tuple[str, str]], windows: Sequence[exp.Window]
    ) -> Relation:
        exposed: dict[str, Exposed] = {}
        columns: list[str] | None = []
        whole: list[Read] = []
        fixed: set[str] = {name for _, name in pinned}
        for each in node.expressions:
            inner = each.unalias()
            if inner.is_star:
                left_out = _left_out(inner)
                table = inner.table.lower() if isinstance(inner, exp.Column) else ""
                for alias, source in scope.sources.items():
                    if table and alias != table:
                        continue
                    for name, found in source.exposed.items():
                        if name not in left_out:
                            exposed.setdefault(name, found)
                    fixed |= source.pinned - left_out
                    if not left_out:
                        whole += source.whole
                    columns = (
                        None
                        if columns is None or source.columns is None
                        else [*columns, *(name for name in source.columns if name not in left_out)]
                    )
                continue
            name = each.alias_or_name.lower()
            if columns is not None:
                columns.append(name)
            column = _order_kept(inner)
            if column is not None:
                found_here = scope.exposing(column)
                if found_here:
                    reads = tuple(read for _, one in found_here for read in one.reads)
                    exposed[name] = Exposed(reads, next((one.blocked for _, one in found_here if one.blocked), ""))
                if column.name.lower() in fixed or scope.is_pinned(column, pinned):
                    fixed.add(name)
        relation = Relation(
            exposed,
            None if columns is None else tuple(columns),
            frozenset(fixed),
            tuple(whole),
            _is_single_row(node, windows),
        )
        if node.args.get("limit") is not None:
            _block(relation, _LATE_LIMIT)
        elif windows:
            _block(relation, _LATE_WINDOW, [_partition_names(window) for window in windows])
        return relation

    # DML

    def _dml(self, tree: exp.Expression) -> None:
        scope = Scope(None)
        scope.is_open = self._is_open
        names = self._with(tree, {}, None)
        target = tree.this if isinstance(tree.this, exp.Expression) else next(iter(tree.args.get("tables") or ()), None)
        if target is None:
            return
        self._add(scope, target, names)
        own = scope.sources[target.alias_or_name.lower()] if target.alias_or_name.lower() in scope.sources else None
        if isinstance(tree, exp.Merge):
            self._add(scope, tree.args["using"], names)
            on = tree.args.get("on")
            conditions = _conjuncts_of(on)
            if isinstance(on, exp.Boolean) and not on.this and own is not None and own.read is not None:
                own.read.excused = True
            for when in tree.args["whens"].expressions:
                conditions += _conjuncts_of(when.args.get("condition"))
        else:
            source = tree.args.get("from_")
            if source is not None:
                self._add(scope, source.this, names)
                for join in source.this.args.get("joins") or ():
                    conditions_of_join = _conjuncts_of(join.args.get("on"))
                    self._conditions(scope, [(part, _side(join, scope)) for part in conditions_of_join])
            conditions = _conjuncts(tree.args.get("where"))
        self._conditions(scope, [(part, None) for part in conditions])
        for name, value in tree.args.items():
            if name in ("this", "with_", "using", "from_", "tables") or value is None:
                continue
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, exp.Expression):
                    self._nested(each, names, scope)
        if scope.is_open:
            for relation in scope.sources.values():
                for exposed in relation.exposed.values():
                    for read in exposed.reads:
                        read.excused = True


def _left_out(node: exp.Expression) -> set[str]:
    """Return the columns that `* EXCEPT (…)` leaves out."""
    star = node if isinstance(node, exp.Star) else node.this
    return {part.name.lower() for part in star.args.get("except_") or ()}


def _block(relation: Relation, why: str, partitions: Sequence[Collection[str]] = ()) -> None:
    """Say that filters on the result come too late, except for columns that each window is computed by."""
    for name, found in list(relation.exposed.items()):
        if partitions and all(name in each for each in partitions):
            continue
        relation.exposed[name] = Exposed(found.reads, found.blocked or why)


def _partition_names(window: exp.Window) -> set[str]:
    return {each.name.lower() for each in window.args.get("partition_by") or ()}


def _conjuncts(where: exp.Expression | None) -> list[exp.Expression]:
    return [] if where is None else _conjuncts_of(where.this)


def _conjuncts_of(node: exp.Expression | None) -> list[exp.Expression]:
    if node is None:
        return []
    node = node.unnest()
    if isinstance(node, exp.And):
        return [inner for part in node.flatten() for inner in _conjuncts_of(part)]
    return [node]


def _side(join: exp.Expression, scope: Scope) -> Collection[str] | None:
    """Return the sources that the condition of a join filters: of an outer join only one side, of a full one none."""
    side = str(join.args.get("side") or "").upper()
    this = join.this.alias_or_name.lower()
    if side == "LEFT":
        return {this}
    if side == "RIGHT":
        return {alias for alias in scope.sources if alias != this}
    return set() if side == "FULL" else None


def _stands_alone(column: exp.Column) -> bool:
    """Return whether a hole is a whole condition: `AND {more}`, `OR {more}`."""
    parent = column.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return isinstance(parent, (exp.Connector, exp.Where, exp.Not))


def _owner(scope: Scope, column: exp.Column) -> Read | None:
    """Return the table of this scope that a column is of, None if that is not certain."""
    if column.table:
        found = scope.sources.get(column.table.lower())
        return None if found is None else found.read
    name = column.name.lower()
    having = [source for source in scope.sources.values() if source.columns is None or name in source.columns]
    return having[0].read if len(having) == 1 else None


def _links(condition: exp.Expression, alias: str) -> bool:
    """Return whether a condition may connect a source with another one."""
    columns = columns_of(condition)
    if any(HOLE in column.name for column in columns):
        return True
    tables = {column.table.lower() for column in columns}
    return len(tables) > 1 and (alias in tables or "" in tables) or (tables == {""} and len(columns) > 1)


def _limits_to(node: exp.Select, value: str) -> bool:
    limit = node.args.get("limit")
    return isinstance(limit, exp.Limit) and isinstance(limit.expression, exp.Literal) and limit.expression.name == value


def _order_kept(node: exp.Expression) -> exp.Column | None:
    """Return the column that a projection is, by itself or as its day."""
    while isinstance(
        node, (exp.Paren, exp.Date, exp.TsOrDsToDate, exp.TimestampTrunc, exp.DateTrunc, exp.DatetimeTrunc)
    ):
        if node.args.get("zone") is not None:
            return None
        node = node.this
    if isinstance(node, exp.Cast) and node.to.this.name in ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "DATETIME"):
        node = node.this
    return node if isinstance(node, exp.Column) else None


def _is_single_row(node: exp.Select, windows: Sequence[exp.Window]) -> bool:
    if _limits_to(node, "1") or node.args.get("from_") is None:
        return True
    if node.args.get("group") is not None or windows:
        return False
    return any(isinstance(part, exp.AggFunc) for each in node.expressions for part in _own(each))


def _own(node: exp.Expression) -> Iterator[exp.Expression]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        if not isinstance(each, exp.Query):
            waiting.extend(each.iter_expressions())
