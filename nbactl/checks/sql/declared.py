"""Tables and views in DDL, for what queries may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp  # noqa: TID253 - loaded when SQL is looked at

from nbactl.checks.code.files import read
from nbactl.checks.sql.statement import NotParsedError, created_table, read_script
from nbactl.checks.sql.tables import KnownTable, Tables
from nbactl.checks.sql.text import TEMPLATE
from nbactl.errors import DataError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def read_tables(paths: Sequence[Path]) -> list[KnownTable]:
    """Return the tables and views that files, and folders of `*.sql`, create. Other statements are passed over.

    Raises NotFoundError for a path that is missing, DataError for a file that cannot be parsed, UsageError if there is
    no table.
    """
    found = [table for path in paths for file in _files(path) for table in _tables(file)]
    if not found:
        raise UsageError(
            f"no table is created in {', '.join(map(str, paths))}",
            next_step="Name files with CREATE TABLE dataset.table (day DATE) PARTITION BY day.",
        )
    return found


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise NotFoundError(f"--schema: there is no {path}", next_step="Name a file of DDL, or a folder of them.")
    return sorted(path.rglob("*.sql")) if path.is_dir() else [path]


def _tables(file: Path) -> Iterator[KnownTable]:
    try:
        text = read(file).decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise UsageError(f"--schema: {file} cannot be read", cause=error.strerror or str(error)) from error
    if TEMPLATE.search(text):
        raise DataError(f"{file}: the DDL cannot be parsed", cause="It is a Jinja template.")
    try:
        statements, failures = read_script(text, Tables(), is_open=False)
    except NotParsedError as error:
        failures, statements = [error], []
    if failures:
        line = text.count("\n", 0, failures[0].offset or 0) + 1
        raise DataError(f"{file}:{line}: the DDL cannot be parsed", cause=failures[0].reason)
    for statement in statements:
        if isinstance(statement.tree, exp.Create) and (table := created_table(statement.tree)) is not None:
            yield table
