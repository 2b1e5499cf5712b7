"""What a statement reads: its sources, how their columns travel upwards, and what each source is filtered by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

    from nbactl.checks.sql.filters import Useless
    from nbactl.checks.sql.tables import KnownTable


@dataclass(slots=True, eq=False)
class Read:
    """One read of a table that is known, at `node`; `via` is the view that it is read through."""

    table: KnownTable
    node: exp.Expr
    via: str = ""
    filtered: bool = False
    useless: list[Useless] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    """Columns that the partition column is compared with."""
    partners: list[Read] = field(default_factory=list)
    """Reads whose partition column equals that of this one."""
    excused: bool = False
    """A filter may be filled in later, or the query reads no column."""
    left_open: bool = False
    """A view exposes the partition column, and its queries can filter."""


@dataclass(slots=True)
class Exposed:
    """A column that is the partition column of reads. `blocked` says why a filter on it comes too late."""

    reads: tuple[Read, ...]
    blocked: str = ""


@dataclass(slots=True)
class Relation:
    """The result of a table, a view or a query.

    `columns` are its names where all of them are known. `pinned` are columns that are compared with constants. `whole`
    are the tables all of whose columns it has.
    """

    exposed: dict[str, Exposed] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    pinned: frozenset[str] = frozenset()
    whole: tuple[Read, ...] = ()
    single_row: bool = False
    read: Read | None = None
    """The table itself, of a table."""
    is_array: bool = False
    is_hole: bool = False


@dataclass(slots=True)
class CrossJoin:
    """A join without a condition."""

    node: exp.Expr
    left: str
    right: str


@dataclass(slots=True)
class Facts:
    """What the rules ask of one statement."""

    reads: list[Read] = field(default_factory=list)
    crosses: list[CrossJoin] = field(default_factory=list)
    wrapped: list[tuple[Read, exp.Column, exp.Expr]] = field(default_factory=list)
    """Clustering columns inside of a function."""
    aliases_in_where: list[exp.Column] = field(default_factory=list)
    whole: tuple[Read, ...] = ()
    """Tables all of whose columns are in the result of a query."""
    today: list[exp.Expr] = field(default_factory=list)
    """CURRENT_DATE() in conditions."""
    reads_tables: bool = False
