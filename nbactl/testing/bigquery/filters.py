"""What the filters of a query leave of a table: partitions, and blocks of clustered rows.

Filters count that compare a column with something that is known before the query runs:
https://cloud.google.com/bigquery/docs/querying-partitioned-tables and, for blocks,
https://cloud.google.com/bigquery/docs/querying-clustered-tables#best_practices: a function of a clustering column, and
a comparison of it with another column, leave all blocks, and a column counts only if those before it are filtered too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp  # noqa: TID253 - loaded by those who start a server

from nbactl.testing.bigquery import partitions, values
from nbactl.testing.bigquery.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.adapters.duckdb.sql.types import Type
    from nbactl.testing.bigquery.session import Session
    from nbactl.testing.bigquery.store import Table


@dataclass(frozen=True, slots=True)
class Span:
    """What the values of a column can be: from `low` to `high`, both included (None: no value), and NULL or not."""

    low: Any
    high: Any
    null: bool = False


Test = Callable[[Span], bool]
Compare = Callable[[Any, Any, Any], bool]


def all_of(tests: Iterable[Test | None]) -> Test | None:
    """Return the test that all of these together are; None says nothing."""
    known = [test for test in tests if test is not None]
    return (lambda span: all(test(span) for test in known)) if known else None


def _any_of(tests: list[Test | None]) -> Test | None:
    known = [test for test in tests if test is not None]
    return (lambda span: any(test(span) for test in known)) if len(known) == len(tests) else None


class Filters:
    """The filters by one column of a table."""

    def __init__(self, session: Session, table: Table, alias: str, field: str) -> None:
        self._session = session
        self._alias = alias
        self._field = field.lower()
        self._kind = {name.lower(): kind for name, kind in table.columns}[self._field]

    def test(self, node: exp.Expr) -> Test | None:
        """Return what a condition leaves, None if it says nothing of the column."""
        node = node.unnest()
        if isinstance(node, (exp.And, exp.Or)):
            sides = [self.test(node.left), self.test(node.right)]
            return all_of(sides) if isinstance(node, exp.And) else _any_of(sides)
        if isinstance(node, exp.Binary) and type(node) in _TURNED:
            return self._comparison(node)
        if not isinstance(node, (exp.Between, exp.In, exp.Is)) or (whole := self._whole(node.this)) is None:
            return None
        if isinstance(node, exp.Between):
            low, high = self._constant(node.args["low"]), self._constant(node.args["high"])
            return all_of([self._compared(exp.GTE, low, whole=whole), self._compared(exp.LTE, high, whole=whole)])
        if isinstance(node, exp.In):
            return _any_of([self._compared(exp.EQ, one, whole=whole) for one in self._listed(node)])
        return (lambda span: span.null) if isinstance(node.expression, exp.Null) else None

    def _comparison(self, node: exp.Binary) -> Test | None:
        if (whole := self._whole(node.left)) is not None:
            return self._compared(type(node), self._constant(node.right), whole=whole)
        if (whole := self._whole(node.right)) is not None:
            return self._compared(_TURNED[type(node)], self._constant(node.left), whole=whole)
        return None

    def _listed(self, node: exp.In) -> list[Any]:
        unnest = node.args.get("unnest")
        if unnest is None:
            return [self._constant(part) for part in node.expressions] or [None]
        found = self._value(unnest.expressions[0] if isinstance(unnest, exp.Unnest) else unnest)
        return [comparable(part, self._kind) for part in found] if isinstance(found, list) else [None]

    def _whole(self, node: exp.Expr) -> bool | None:
        """Say whether an expression is the column (False), its day (True), or neither (None)."""
        node = node.unnest()
        if not isinstance(node, exp.Column):
            return None
        ours = node.name.lower() == self._field and node.table.lower() in ("", self._alias.lower())
        return False if ours else None

    def _compared(self, operator: type[exp.Expr], value: Any, *, whole: bool) -> Test | None:  # noqa: ANN401 - of any type
        if value is None:
            return None
        compare = _OPERATORS[operator]
        days = whole or self._kind.kind == "DATE"

        def test(span: Span) -> bool:
            if span.low is None:
                return False
            return compare(_day(span.low), _day(span.high), value) if days else compare(span.low, span.high, value)

        return test

    def _constant(self, node: exp.Expr) -> Any:  # noqa: ANN401 - a value of any type
        return comparable(self._value(node), self._kind)

    def _value(self, node: exp.Expr) -> Any:  # noqa: ANN401 - a value of any type
        """Return what is known before the query runs: no column in it, and no query."""
        if isinstance(node, exp.Literal):
            return node.this if node.is_string else Decimal(node.this)
        if isinstance(node, exp.Parameter):
            return self._session.parameters.get(node.name, (None, None))[1]
        if node.find(exp.Query) is not None:
            return None
        for column in node.find_all(exp.Column):
            if column.name.lower() not in self._session.variables and not column.name.startswith("@@"):
                return None
        try:
            return self._session.constant(node)
        except ApiError:
            return None


class PartitionFilters(Filters):
    """The filters by the partitioning column, and by its day."""

    def __init__(self, session: Session, table: Table, alias: str) -> None:
        super().__init__(session, table, alias, table.partition_field or "")

    def _whole(self, node: exp.Expr) -> bool | None:
        node = node.unnest()
        inner = None
        if isinstance(node, exp.Anonymous) and str(node.this).upper() == "DATE" and len(node.expressions) == 1:
            inner = node.expressions[0]
        elif isinstance(node, (exp.Cast, exp.Date)) and (isinstance(node, exp.Date) or node.args["to"].is_type("date")):
            inner = node.this
        elif isinstance(node, exp.Extract) and node.this.name.upper() == "DATE":
            inner = node.expression
        if inner is None:
            return super()._whole(node)
        return None if self._whole(inner) is None else True


def key_tests(session: Session, table: Table, alias: str, conditions: Iterable[exp.Expr]) -> tuple[Test, ...]:
    """Return what conditions leave of the first clustering columns, as far as each of these is filtered."""
    found: list[Test] = []
    for column in (table.resource.get("clustering") or {}).get("fields", ()):
        filters = Filters(session, table, alias, column)
        test = all_of([filters.test(one) for one in conditions])
        if test is None:
            break
        found.append(test)
    return tuple(found)


def comparable(value: Any, kind: Type) -> Any:  # noqa: ANN401 - a value of any type
    """Return a value as it is compared with those of a column of a type, None if it cannot be."""
    match kind.kind:
        case "DATE" | "DATETIME" | "TIMESTAMP":
            if isinstance(value, str):
                try:
                    value = values.parsed(value, kind)
                except ValueError:
                    return None
            return partitions.as_moment(value) if isinstance(value, date) else None
        case "INT64" | "NUMERIC":
            return value if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) else None
        case "BOOL":
            return value if isinstance(value, bool) else None
        case "STRING":
            return value if isinstance(value, str) else None
        case _:
            return None


_TURNED: Final[dict[type[exp.Expr], type[exp.Expr]]] = {
    exp.EQ: exp.EQ,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
}
_OPERATORS: Final[dict[type[exp.Expr], Compare]] = {
    exp.EQ: lambda low, high, value: low <= value <= high,
    exp.LT: lambda low, _, value: low < value,
    exp.LTE: lambda low, _, value: low <= value,
    exp.GT: lambda _, high, value: high > value,
    exp.GTE: lambda _, high, value: high >= value,
}


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
