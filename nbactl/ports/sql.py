"""SQL as the warehouse port takes it: BigQuery's dialect, parsed by sqlglot in this one place.

It is here because engines and the query gateway need it, and rooms of one floor do not import each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.errors import DataError

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.dialects.dialect import Dialect


def parse_one(sql: str, dialect: Dialect | None = None) -> exp.Expr:
    """Parse exactly one statement, in BigQuery's dialect or a variant of it. Raises DataError with line and column."""
    import sqlglot
    from sqlglot.errors import ParseError, TokenError

    try:
        statements = [tree for tree in sqlglot.parse(sql, read=dialect or "bigquery") if tree is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        line, column = first.get("line"), first.get("col")
        raise DataError(
            f"SQL syntax error in line {line}, column {column}",
            cause=str(first.get("description", error)),
            next_step=f"Look near: {first.get('start_context', '')[-40:]}»{first.get('highlight', '')}«",
            details={"line": line, "column": column, "sql": sql},
        ) from error
    except TokenError as error:
        raise DataError("SQL syntax error", cause=str(error), details={"sql": sql}) from error
    if len(statements) != 1:
        raise DataError(f"{len(statements)} statements where one is expected", next_step="Send them one by one.")
    return statements[0]
