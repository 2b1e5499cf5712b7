"""What a SELECT makes of its sources: its columns, and joins and names that are likely mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlglot import exp  # noqa: TID253 - loaded when SQL is looked at

from nbactl.checks.sql.filters import columns_of
from nbactl.checks.sql.relations import CrossJoin, Exposed, Facts, Read, Relation
from nbactl.checks.sql.scopes import conjuncts, conjuncts_of
from nbactl.checks.sql.text import HOLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from nbactl.checks.sql.scopes import Scope

_LATE_WINDOW: Final = "the filter comes after a window function that reads all partitions"
LATE_LIMIT: Final = "the filter comes after a LIMIT"


def cross_joins(
    facts: Facts, scope: Scope, node: exp.Select, source: exp.Expr | None, joins: Sequence[exp.Expr]
) -> None:
    """Note the joins without a condition, unless one side is small or WHERE has one."""
    if source is None or scope.is_open:
        return
    before = [source.this]
    conditions = conjuncts(node.args.get("where"))
    for join in joins:
        conditions += conjuncts_of(join.args.get("on"))
    for join in joins:
        this = join.this
        condition = join.args.get("on") or join.args.get("using")
        plain = not condition and not join.args.get("method")
        if plain and not _is_small(scope, this) and not all(_is_small(scope, each) for each in before):
            alias = this.alias_or_name.lower()
            if not any(_links(condition, alias) for condition in conditions):
                left = before[0].alias_or_name
                facts.crosses.append(CrossJoin(this, left, this.alias_or_name))
        before.append(this)


def _is_small(scope: Scope, node: exp.Expr) -> bool:
    relation = scope.sources.get(node.alias_or_name.lower())
    if not isinstance(node, (exp.Table, exp.Subquery)):
        return True
    if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
        return True  # a table function takes its arguments from the tables before it
    return relation is None or relation.single_row or relation.is_hole or relation.is_array or HOLE in node.name


def aliases_in_where(scope: Scope, node: exp.Select, where: exp.Expr, variables: Collection[str]) -> list[exp.Column]:
    """Return where WHERE has aliases of the SELECT list, if no source has a column of that name."""
    known = [source.columns for source in scope.sources.values()]
    if not known or scope.outer is not None:
        return []
    names: set[str] = set(variables)
    for columns in known:
        if columns is None:
            return []
        names.update(columns)
    aliases = {each.alias.lower() for each in node.expressions if isinstance(each, exp.Alias)} - names
    return [
        column
        for column in (columns_of(where.this) if aliases else ())
        if not column.table and column.name.lower() in aliases and not column.name.startswith("_")
    ]


def reads_nothing(node: exp.Select) -> bool:
    """Return whether a query only counts rows, which BigQuery answers from metadata."""
    if any(node.args.get(name) for name in ("where", "group", "joins", "having", "qualify")):
        return False
    return all(not columns_of(each) and not each.find(exp.Query) for each in node.expressions) and not node.is_star


# Results


def result_of(
    node: exp.Select, scope: Scope, pinned: Collection[tuple[str, str]], windows: Sequence[exp.Window]
) -> Relation:
    """Return the relation that a SELECT makes of its sources."""
    made = _Result(scope, pinned)
    for each in node.expressions:
        inner = each.unalias()
        if inner.is_star:
            made.add_star(inner)
        else:
            made.add(each.alias_or_name.lower(), inner)
    columns = None if made.columns is None else tuple(made.columns)
    single = _is_single_row(node, windows)
    relation = Relation(made.exposed, columns, frozenset(made.pinned), tuple(made.whole), single)
    if node.args.get("limit") is not None:
        block(relation, LATE_LIMIT)
    elif windows:
        block(relation, _LATE_WINDOW, [_partition_names(window) for window in windows])
    return relation


class _Result:
    """The columns of a SELECT, one after the other."""

    def __init__(self, scope: Scope, pinned: Collection[tuple[str, str]]) -> None:
        self._scope = scope
        self._compared = pinned
        self.exposed: dict[str, Exposed] = {}
        self.columns: list[str] | None = []
        self.whole: list[Read] = []
        self.pinned = {name for _, name in pinned}

    def add_star(self, star: exp.Expr) -> None:
        """Add the columns of `*` or `alias.*`."""
        left_out = _left_out(star)
        table = star.table.lower() if isinstance(star, exp.Column) else ""
        for alias, source in self._scope.sources.items():
            if table and alias != table:
                continue
            for name, found in source.exposed.items():
                if name not in left_out:
                    self.exposed.setdefault(name, found)
            self.pinned |= source.pinned - left_out
            self.whole += () if left_out else source.whole
            if self.columns is not None and source.columns is not None:
                self.columns += [name for name in source.columns if name not in left_out]
            else:
                self.columns = None

    def add(self, name: str, value: exp.Expr) -> None:
        """Add one column."""
        if self.columns is not None:
            self.columns.append(name)
        column = _order_kept(value)
        if column is None:
            return
        found = [exposed for _, exposed in self._scope.exposing(column)]
        if found:
            reads = tuple(read for each in found for read in each.reads)
            self.exposed[name] = Exposed(reads, next((each.blocked for each in found if each.blocked), ""))
        if self._scope.is_pinned(column, self._compared):
            self.pinned.add(name)


def _left_out(node: exp.Expr) -> set[str]:
    """Return the columns that `* EXCEPT (…)` leaves out."""
    star = node if isinstance(node, exp.Star) else node.this
    return {part.name.lower() for part in star.args.get("except_") or ()}


def block(relation: Relation, why: str, partitions: Sequence[Collection[str]] = ()) -> None:
    """Say that filters on the result come too late, except for columns that each window is computed by."""
    for name, found in list(relation.exposed.items()):
        if partitions and all(name in each for each in partitions):
            continue
        relation.exposed[name] = Exposed(found.reads, found.blocked or why)


def _partition_names(window: exp.Window) -> set[str]:
    return {each.name.lower() for each in window.args.get("partition_by") or ()}


def _links(condition: exp.Expr, alias: str) -> bool:
    """Return whether a condition may connect a source with another one."""
    columns = columns_of(condition)
    if any(HOLE in column.name for column in columns):
        return True
    tables = {column.table.lower() for column in columns}
    return (len(tables) > 1 and (alias in tables or "" in tables)) or (tables == {""} and len(columns) > 1)


def limits_to(node: exp.Select, value: str) -> bool:
    """Return whether a SELECT has this number behind LIMIT."""
    limit = node.args.get("limit")
    return isinstance(limit, exp.Limit) and isinstance(limit.expression, exp.Literal) and limit.expression.name == value


def _order_kept(node: exp.Expr) -> exp.Column | None:
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
    if limits_to(node, "1") or node.args.get("from_") is None:
        return True
    if node.args.get("group") is not None or windows:
        return False
    return any(isinstance(part, exp.AggFunc) for each in node.expressions for part in _own(each))


def _own(node: exp.Expr) -> Iterator[exp.Expr]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        if not isinstance(each, exp.Query):
            waiting.extend(each.iter_expressions())
