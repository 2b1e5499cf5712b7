"""DuckDB's errors as ours: what happened, why, what to do next."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nbactl.core._support.names import closest
from nbactl.errors import (
    AlreadyExistsError,
    ContentionError,
    DataError,
    NbactlError,
    NotFoundError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_TABLE: Final = re.compile(r"(?:Table|View) with name \"?([\w.\-]+)\"? does not exist")
_EXISTS: Final = re.compile(r"(?:Table|View) with name \"?([\w.\-]+)\"? already exists")
_DATASET: Final = re.compile(r"Schema with name \"?([\w\-]+)\"? does not exist")
_COLUMN: Final = re.compile(r"column \"?([\w.]+)\"? not found|does not have a column named \"([^\"]+)\"")
_NO_SPACE: Final = re.compile(r"no space left|file too large|max_temp_directory_size", re.IGNORECASE)


_ENGINE: Final = re.compile(r"^[A-Z][\w ]* Error: ")
_MEANT: Final = (
    (re.compile(r"must appear in the GROUP BY"), "a column is neither in GROUP BY nor inside an aggregate function"),
    (re.compile(r"clause cannot contain aggregates"), "WHERE and ON cannot contain aggregate functions"),
    (re.compile(r"clause cannot contain window"), "WHERE and ON cannot contain window functions"),
    (
        re.compile(r"window function"),
        "a window function is inside an aggregate or window function, or QUALIFY has none",
    ),
    (re.compile(r"More than one row returned by a subquery"), "a subquery in an expression gives more than one row"),
    (re.compile(r"INT128|HUGEINT|DECIMAL\(|destination type DECIMAL"), "a value is out of range for NUMERIC or INT64"),
    (re.compile(r"Overflow|destination type INT(64|32)"), "a value is out of range for INT64"),
)


@contextmanager
def translated(
    *, sql: str = "", tables: Callable[[], Iterable[str]] = tuple, columns: Callable[[], Iterable[str]] = tuple
) -> Iterator[None]:
    """Turn DuckDB's errors into ours; `tables` and `columns` supply the names for did-you-mean."""
    import duckdb

    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise _missing(error, sql, tables, columns) from error
    except duckdb.Error as error:
        raise _failed(error, sql) from error


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return a next step that suggests the nearest known name, or None."""
    close = closest(name, known)
    return f"Did you mean '{close}'?" if close else None


def no_such_table(name: str, known: Iterable[str], cause: str | None = None) -> NotFoundError:
    """Return the error for a table that is not there."""
    by_last_part = {full.rpartition(".")[2]: full for full in known}
    hint = did_you_mean(name, by_last_part.values())
    if hint is None and (close := closest(name.rpartition(".")[2], by_last_part)):
        hint = f"Did you mean '{by_last_part[close]}'?"
    return NotFoundError(
        f"there is no table {name}",
        cause=cause,
        next_step=hint or "`nbactl run` creates declared tables when it needs them.",
        details={"table": name},
    )


def no_room(cause: str) -> UnavailableError:
    """Return the error for a full disk."""
    return UnavailableError(
        "there is no room to write the local warehouse",
        cause=cause,
        next_step="Free disk space, or choose another state directory: --state-dir DIR.",
        retryable=False,
    )


def is_no_room(text: str) -> bool:
    """Say whether an engine's message means that the disk, or the process's share of it, is full."""
    return _NO_SPACE.search(text) is not None


def first_line(error: BaseException) -> str:
    """Return the message without the excerpt of SQL that follows it."""
    return str(error).strip().partition("\n")[0]


def _meaning(error: BaseException) -> str:
    """Return what an engine's error about a query means, without the names that only the compiled query has."""
    line = _ENGINE.sub("", first_line(error))
    return next((meaning for pattern, meaning in _MEANT if pattern.search(line)), line)


def _missing(
    error: Exception, sql: str, tables: Callable[[], Iterable[str]], columns: Callable[[], Iterable[str]]
) -> NbactlError:
    text = str(error)
    if found := _EXISTS.search(text):
        return AlreadyExistsError(f"table {found.group(1)} exists already", cause=first_line(error))
    if table := _TABLE.search(text):
        return no_such_table(table.group(1), tables(), first_line(error))
    if dataset := _DATASET.search(text):
        name = dataset.group(1)
        known = {full.partition(".")[0] for full in tables()}
        return NotFoundError(
            f"there is no dataset {name}", cause=first_line(error), next_step=did_you_mean(name, known)
        )
    if column := _COLUMN.search(text):
        name = next(group for group in column.groups() if group)
        return NotFoundError(
            f"there is no column {name}",
            cause=first_line(error),
            next_step=did_you_mean(name.rpartition(".")[2], columns()),
            details={"column": name, "sql": sql},
        )
    return DataError("the query is not valid", cause=_meaning(error), details={"sql": sql})


def _failed(error: Exception, sql: str) -> NbactlError:
    import duckdb

    cause, details = first_line(error), {"sql": sql} if sql else {}
    if isinstance(error, (duckdb.ParserException, duckdb.SyntaxException)):
        return DataError("the query is not valid", cause=_meaning(error), details=details)
    if is_no_room(str(error)):
        return no_room(cause)
    if isinstance(error, duckdb.TransactionException) and "conflict" in str(error).lower():
        return ContentionError("the transaction conflicted with another one", cause=cause, details=details)
    if isinstance(error, duckdb.OutOfMemoryException):
        return UnavailableError(
            "the query needs more memory than there is",
            cause=cause,
            next_step="Free memory or disk space, or process fewer dates at once.",
            details=details,
        )
    if isinstance(error, (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException)):
        return UnavailableError("the local warehouse failed", cause=cause, details=details)
    return DataError("the query cannot be run on these data", cause=_meaning(error), details=details)
