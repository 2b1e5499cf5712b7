"""What the compilation of one query shares: tables, parameters, common table expressions, fresh names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbactl.adapters.duckdb.sql.types import Type, identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlglot import exp

    from nbactl.adapters.duckdb.sql.scope import Scope


@dataclass(frozen=True, slots=True)
class Out:
    """A column of a query: its name in BigQuery, its type, and its name in DuckDB."""

    name: str
    type: Type
    sql_name: str
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A compiled query. `whole` says that its rows are values themselves (SELECT AS STRUCT)."""

    sql: str
    columns: tuple[Out, ...]
    whole: Type | None = None

    @property
    def only(self) -> Type:
        """The type of the single column, or of the row."""
        return self.whole or self.columns[0].type


@dataclass(slots=True)
class Context:
    """One compilation. `columns_of` gives the columns of a table, and raises NotFoundError."""

    columns_of: Callable[[str], tuple[tuple[str, Type], ...]]
    parameters: Mapping[str, Type]
    query: Callable[[Context, exp.Expr, Scope | None], Query]
    text: str = ""
    used_parameters: set[str] = field(default_factory=set)
    tables: dict[str, tuple[tuple[str, Type], ...]] = field(default_factory=dict)
    ctes: dict[str, tuple[str, Query]] = field(default_factory=dict)
    windows: list[dict[str, exp.Expr]] = field(default_factory=list)
    listed: dict[str, None] = field(default_factory=dict)
    assigned: tuple[str, ...] = ()
    """What is set in each row that the statement updates, besides what it says."""
    _count: int = 0

    def fresh(self, stem: str = "t") -> str:
        """Return an identifier that is used nowhere else in the query."""
        self._count += 1
        return identifier(f"_{stem}{self._count}")

    def table(self, name: str) -> tuple[tuple[str, Type], ...]:
        """Return the columns of a table, and note that the query reads it."""
        if name not in self.tables:
            self.tables[name] = self.columns_of(name)
        return self.tables[name]
