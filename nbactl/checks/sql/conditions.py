"""Applies conditions to the sources that they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp  # noqa: TID253 - loaded when SQL is looked at

from nbactl.checks.sql.filters import Joined, Judge, Prunes, Useless, columns_of, is_hole
from nbactl.checks.sql.scopes import owner_of
from nbactl.checks.sql.text import HOLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from nbactl.checks.sql.relations import Facts, Read
    from nbactl.checks.sql.scopes import Scope


class Conditions:
    """The conditions of one statement. Those of a view say nothing of the text that is looked at."""

    def __init__(self, facts: Facts, variables: Collection[str]) -> None:
        self._facts = facts
        self._variables = variables
        self.is_in_view = False

    def apply(
        self, scope: Scope, conditions: Sequence[tuple[exp.Expr, Collection[str] | None]]
    ) -> set[tuple[str, str]]:
        """Apply conditions to the sources; each holds for the aliases beside it, for all if there are none.

        Returns the columns that are compared with constants, with their alias.
        """
        pinned: set[tuple[str, str]] = set()
        joined: list[tuple[Read, Joined]] = []
        for node, aliases in conditions:
            if is_hole(node):
                scope.is_open = True
                continue
            columns = columns_of(node)
            if any(HOLE in column.name and _stands_alone(column) for column in columns):
                scope.is_open = True
            self._pin(node, columns, pinned)
            if not self.is_in_view:
                self._facts.today += node.find_all(exp.CurrentDate)
            about: dict[int, tuple[Read, str]] = {}
            for column in columns:
                for alias, exposed in scope.exposing(column):
                    if aliases is None or alias in aliases:
                        about.update({id(read): (read, exposed.blocked) for read in exposed.reads})
                self._note_wrapped(scope, node, column)
            joined += [
                (read, each) for read, blocked in about.values() for each in self._judge(scope, read, blocked, node)
            ]
        for read, each in joined:
            self._join(scope, read, each, pinned)
        return pinned

    @staticmethod
    def _join(scope: Scope, read: Read, joined: Joined, pinned: Collection[tuple[str, str]]) -> None:
        """Note that the partition column equals another column: what limits one of them limits both."""
        if scope.is_pinned(joined.other, pinned):
            read.filtered = True
            return
        read.joined.append(joined.other.sql("bigquery"))
        for _, exposed in scope.exposing(joined.other):
            for partner in exposed.reads:
                read.partners.append(partner)
                partner.partners.append(read)

    def _judge(self, scope: Scope, read: Read, blocked: str, node: exp.Expr) -> Iterator[Joined]:
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
    def _pin(node: exp.Expr, columns: Sequence[exp.Column], pinned: set[tuple[str, str]]) -> None:
        if len(columns) == 1 and isinstance(node, (exp.EQ, exp.Between, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In)):
            pinned.add((columns[0].table.lower(), columns[0].name.lower()))

    def _note_wrapped(self, scope: Scope, node: exp.Expr, column: exp.Column) -> None:
        read = owner_of(scope, column)
        name = column.name.lower()
        if self.is_in_view or read is None or name not in read.table.clustering or name in read.table.partition:
            return
        if not isinstance(
            node, (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between, exp.Like, exp.StartsWith)
        ):
            return
        parent = column.parent
        while isinstance(parent, exp.Paren):
            parent = parent.parent
        if parent is not node and isinstance(parent, (exp.Func, exp.Binary)) and not isinstance(parent, exp.Connector):
            self._facts.wrapped.append((read, column, parent))

    def using(self, scope: Scope, joins: Sequence[exp.Expr], pinned: Collection[tuple[str, str]]) -> None:
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


def _stands_alone(column: exp.Column) -> bool:
    """Return whether a hole is a whole condition: `AND {more}`, `OR {more}`."""
    parent = column.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return isinstance(parent, (exp.Connector, exp.Where, exp.Not))
