"""Why a warehouse file cannot be opened, in words that help."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbactl.adapters.duckdb.errors import first_line, is_no_room, no_room
from nbactl.errors import DataError, NbactlError, NotAuthorisedError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

_READ_ONLY: Final = re.compile(r"read-only file system", re.IGNORECASE)
_FORBIDDEN: Final = re.compile(r"permission denied|operation not permitted", re.IGNORECASE)
_DAMAGED: Final = re.compile(r"not a valid DuckDB database file|checksum|corrupt|read enough bytes|WAL", re.IGNORECASE)
_NEWER: Final = re.compile(r"newer|version number|storage version", re.IGNORECASE)


def cannot_open(path: Path, error: Exception) -> NbactlError:
    """Return the error for a warehouse file that the system or DuckDB refused to open."""
    text = first_line(error)
    if is_no_room(text):
        return no_room(text)
    kind, cause, next_step = _explain(path, text)
    if kind is UnavailableError:
        return UnavailableError(_what(path), cause=cause, next_step=next_step, retryable=False)
    return kind(_what(path), cause=cause, next_step=next_step)


def _what(path: Path) -> str:
    return f"the local warehouse {path} cannot be opened"


def _explain(path: Path, text: str) -> tuple[type[NbactlError], str, str]:
    away = (
        f"Move {path} away, then make the tables anew from the raw files beside it: "
        "nbactl run phase2 phase3 phase4 --from DATE --to DATE --force"
    )
    if path.is_dir():
        return DataError, "there is a directory in its place", f"Move {path} away and run again."
    if _READ_ONLY.search(text):
        return UnavailableError, "the file system is read-only", "Choose another state directory: --state-dir DIR."
    if _FORBIDDEN.search(text):
        return NotAuthorisedError, text, "Make the state directory writable, or choose another: --state-dir DIR."
    if _NEWER.search(text):
        return DataError, f"a newer DuckDB wrote it: {text}", f"Install that DuckDB version. Or: {away}"
    if _DAMAGED.search(text):
        return DataError, text, away
    return UnavailableError, text, "`nbactl doctor` checks the state directory."
