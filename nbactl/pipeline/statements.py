"""The SQL statements of phases 3 and 4, with what they read declared beside them.

Lines at the head of a file in `sql/` and `sql/common/`:

    -- with: team_box, roster              common table expressions that it uses, files of `sql/common/`
    -- reads: nba_raw.games -365..0        a table that it names, and the partitions: days relative to each of the dates
    -- reads only: nba_raw.games 0..0      the partitions on which its result depends, whatever its expressions read

A statement computes a set of dates, `@dates`, and sees for each of them its own past alone. One date is the set of one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date
    from importlib.resources.abc import Traversable

_INCLUDE: Final = "-- with:"
_READS: Final = re.compile(r"^-- reads( only)?: (\w+\.\w+) (-?\d+)\.\.(-?\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Window:
    """The partitions that a statement reads of a table for a date, as days relative to it, both included."""

    first: int
    last: int

    def __or__(self, other: Window) -> Window:
        """Return the window that covers both."""
        return Window(min(self.first, other.first), max(self.last, other.last))


@cache
def table_sql(table: str) -> str:
    """Return the statement that computes partitions of `table`; `date_parameters` has its parameters."""
    sql = _text(table)
    common = dict(_common(sql))
    expressions = ",\n".join(f"{name} AS (\n{text})" for name, text in common.items())
    return f"WITH {expressions}\n{sql}" if common else sql


def date_parameters(days: Sequence[date]) -> dict[str, Any]:
    """Return the parameters of a statement that computes these dates.

    `@first` and `@last` bound the partitions that are read: BigQuery prunes by constant bounds, not by an array.
    """
    return {"dates": sorted(days), "first": min(days), "last": max(days)}


@cache
def windows(table: str) -> Mapping[str, Window]:
    """Return what the statement of `table` reads, by table. Raises DataError for a table that is not declared."""
    found: dict[str, Window] = {}
    narrowed: dict[str, Window] = {}
    for only, name, first, last in _READS.findall(table_sql(table)):
        window = Window(int(first), int(last))
        if only:
            narrowed[name] = window
        else:
            found[name] = found.get(name, window) | window
    if undeclared := sorted(_named(table) - found.keys()):
        raise DataError(
            f"the statement of {table} reads {', '.join(undeclared)} and does not declare it",
            cause="Whether a date is still fresh is decided by what its statement declares.",
            next_step=f"Write `-- reads: {undeclared[0]} 0..0` above it, with the first and last day that it reads.",
        )
    return found | narrowed


_TOKEN: Final = re.compile(
    r"(?P<text>'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`[^`]*`)"
    r"|(?P<comment>--[^\n]*|#[^\n]*|/\*.*?\*/)|(?P<space>\s+)|(?P<word>\w+)|(?P<sign>.)",
    re.DOTALL,
)


@cache
def normalised(sql: str) -> str:
    """Return a statement without comments and with one space between any two tokens."""
    return " ".join(found[0] for found in _TOKEN.finditer(sql) if found.lastgroup not in ("comment", "space"))


def _named(table: str) -> set[str]:
    """Return the tables that the text of a statement names."""
    return {name.replace(" ", "") for name in re.findall(r"\bnba_\w+ ?\. ?\w+", normalised(table_sql(table)))}


def _common(sql: str, seen: set[str] | None = None) -> Iterator[tuple[str, str]]:
    """Yield the expressions that `sql` names, each once and after those that it needs itself."""
    seen = set() if seen is None else seen
    for line in sql.splitlines():
        if line.startswith(_INCLUDE):
            for name in line.removeprefix(_INCLUDE).replace(" ", "").split(","):
                if name not in seen:
                    seen.add(name)
                    text = _text(f"common/{name}")
                    yield from _common(text, seen)
                    yield name, text


def _text(name: str) -> str:
    return _folder().joinpath(f"{name}.sql").read_text(encoding="utf-8")


def _folder() -> Traversable:
    return files("nbactl.pipeline") / "sql"
