"""What a condition says about the partition column of a table: which forms leave partitions out, and why others do not.

https://cloud.google.com/bigquery/docs/querying-partitioned-tables: the column is compared by itself with what is known
before the query runs. A day, month or hour of it keeps the order of its values; other functions are not documented to
prune.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlglot import exp  # noqa: TID253 - loaded when SQL is looked at

from nbactl.checks.sql.text import HOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_COMPARISONS: Final = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)
_TRUNCATING: Final = (exp.TimestampTrunc, exp.DateTrunc, exp.DatetimeTrunc)
_ARITHMETIC: Final = (
    exp.Add, exp.Sub, exp.DateAdd, exp.DateSub, exp.TimestampAdd, exp.TimestampSub, exp.DatetimeAdd, exp.DatetimeSub,
    exp.DateDiff, exp.TimestampDiff, exp.DatetimeDiff,
)  # fmt: skip
_CONVERTING: Final = (
    exp.Date, exp.Timestamp, exp.Datetime, exp.TsOrDsToDate, exp.TsOrDsToDatetime, exp.TsOrDsToTimestamp,
)  # fmt: skip


class Prunes(NamedTuple):
    """The condition leaves partitions out. `pins` says that it is a comparison with a constant."""


class Useless(NamedTuple):
    """The condition names the column, and every partition is read all the same."""

    reason: str
    node: exp.Expr


class Joined(NamedTuple):
    """The column is compared with a column of another source."""

    other: exp.Column
    node: exp.Expr


Outcome = Prunes | Useless | Joined
_PRUNES: Final = Prunes()


def is_hole(node: exp.Expr) -> bool:
    """Return whether a condition is nothing but what is filled in later."""
    return isinstance(node, exp.Column) and node.name.startswith(HOLE) and not node.table


class Judge:
    """Judges conditions. `is_column` says of a column whether it is the partition column in question."""

    def __init__(self, is_column: Callable[[exp.Column], bool], variables: Collection[str]) -> None:
        self._is_column = is_column
        self._variables = variables

    def outcomes(self, node: exp.Expr) -> list[Outcome]:
        """Return what each part of a condition says that names the column."""
        node = node.unnest()
        if isinstance(node, exp.And):
            return [outcome for part in node.flatten() for outcome in self.outcomes(part)]
        if not self._mentions(node):
            return []
        if isinstance(node, exp.Or):
            return [self._either(node)]
        return [self._judge(node)]

    def _mentions(self, node: exp.Expr) -> bool:
        return any(self._is_column(column) for column in columns_of(node))

    def _either(self, node: exp.Or) -> Outcome:
        for part in node.flatten():
            found = self.outcomes(part)
            if not any(isinstance(each, Prunes) for each in found):
                useless = next((each for each in found if isinstance(each, Useless)), None)
                return useless or Useless("an alternative of OR does not limit it", part)
        return _PRUNES

    def _judge(self, node: exp.Expr) -> Outcome:  # noqa: C901, PLR0911, PLR0912 - one return a form
        if isinstance(node, exp.Not):
            inner = node.this.unnest()
            if isinstance(inner, exp.Is):
                return Useless("IS NOT NULL leaves every partition", node)
            if isinstance(inner, (exp.In, exp.EQ)):
                return Useless("a condition that excludes values leaves the other partitions", node)
            return self._judge(inner)
        if isinstance(node, exp.NEQ):
            return Useless("a condition that excludes values leaves the other partitions", node)
        if isinstance(node, _COMPARISONS):
            left, right = node.left, node.right
            if not self._mentions(left):
                left, right = right, left
            return self._compared(node, left, right)
        if isinstance(node, exp.Between):
            if not self._mentions(node.this):
                return Useless("the bounds are columns", node)
            outcome: Outcome = _PRUNES
            for bound in (node.args["low"], node.args["high"]):
                outcome = self._compared(node, node.this, bound)
                if isinstance(outcome, Prunes):
                    return outcome
            return outcome
        if isinstance(node, exp.In):
            if node.args.get("query") is not None:
                return self._operand(node.this) or _by_subquery(node)
            values = [*node.expressions, *filter(None, (node.args.get("unnest"), node.args.get("field")))]
            return self._compared(node, node.this, exp.Tuple(expressions=[each.copy() for each in values]))
        if isinstance(node, exp.Is):
            return self._operand(node.this) or _PRUNES
        return Useless(f"{_named(node)} around it is not known to prune", node)

    def _compared(self, node: exp.Expr, side: exp.Expr, other: exp.Expr) -> Outcome:
        if (useless := self._operand(side)) is not None:
            return useless
        if self._mentions(other):
            return Useless("it is compared with itself", node)
        if any(True for _ in other.find_all(exp.Query)):
            return _by_subquery(node)
        bare = other.unnest()
        for column in columns_of(other):
            if column.name.startswith(HOLE) or (not column.table and column.name.lower() in self._variables):
                continue
            if column.table.startswith(HOLE):
                continue
            if column is bare and isinstance(node, (exp.EQ, exp.NullSafeEQ)):
                return Joined(column, node)
            return Useless(f"it is compared with the column {column.name}", node)
        return _PRUNES

    def _operand(self, node: exp.Expr) -> Useless | None:
        """Return why an operand is not the column in a form that prunes, None if it is."""
        whole = node
        while True:
            node = node.unnest()
            if isinstance(node, exp.Column):
                return None if self._is_column(node) else Useless("it is part of another value", whole)
            if isinstance(node, _TRUNCATING):
                if node.args.get("zone") is not None:
                    return Useless(f"{_named(node)} with a time zone around it is not known to prune", whole)
                node = node.this
            elif isinstance(node, _CONVERTING):
                if node.args.get("zone") is not None or node.args.get("expression") is not None or node.expressions:
                    return Useless(f"{_named(node)} with a time zone around it is not known to prune", whole)
                node = node.this
            elif isinstance(node, exp.Cast) and node.to.this.name in ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "DATETIME"):
                node = node.this
            elif isinstance(node, exp.Extract) and node.name.upper() == "DATE":
                node = node.expression
            elif isinstance(node, _ARITHMETIC):
                return Useless("arithmetic on it does not prune", whole)
            else:
                return Useless(f"{_named(node)} around it is not known to prune", whole)


def columns_of(node: exp.Expr) -> list[exp.Column]:
    """Return the columns in an expression, without those inside of queries."""
    found: list[exp.Column] = []
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, exp.Column):
            found.append(each)
        elif not isinstance(each, exp.Query):
            waiting.extend(each.iter_expressions())
    return found


def _by_subquery(node: exp.Expr) -> Useless:
    return Useless("its values come from a subquery, and are not known before the query runs", node)


def _named(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return f"{node.name.upper()}()"
    if isinstance(node, (exp.Case, exp.If)):
        return "CASE" if isinstance(node, exp.Case) else "IF()"
    if isinstance(node, exp.Cast):
        return "CAST()"
    if isinstance(node, exp.Like):
        return "LIKE"
    if isinstance(node, exp.Func):
        name = str(node.meta.get("bigquery_name") or node.sql_name()) if node._meta else node.sql_name()  # noqa: SLF001 - `meta` makes one
        return f"{_BIGQUERY.get(name, name)}()"
    return "an expression"


_BIGQUERY: Final = {"TIME_TO_STR": "FORMAT_DATE", "STR_TO_DATE": "PARSE_DATE", "TS_OR_DS_TO_DATE": "DATE"}
