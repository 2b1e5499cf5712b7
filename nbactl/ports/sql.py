"""SQL as the warehouse port takes it: BigQuery's dialect, parsed by sqlglot in this one place.

It is here because engines and the query gateway need it, and rooms of one floor do not import each other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.dialects.dialect import Dialect


_CLASS: Final = re.compile(r"Required keyword: '\w+' missing for <class '[\w.]*?(\w+)'>")
_UNEXPECTED: Final = "Invalid expression / Unexpected token"
_TOKEN: Final = re.compile(r"<Token token_type: TokenType\.\w+, text: (.*?), line: .*>", re.DOTALL)


def plain_reason(description: str) -> str:
    """Return the parser's description without the names of its classes."""
    description = _CLASS.sub(lambda found: f"{found[1].upper()} has nothing behind it", description)
    return _TOKEN.sub(lambda found: "the end" if found[1] == "SENTINEL" else found[1], description)


def too_deep(sql: str) -> DataError:
    """Return the error for a query whose parts are nested beyond what Python's stack holds."""
    return DataError(
        "the query is nested too deeply", next_step="Compute its parts in WITH queries first.", details={"sql": sql}
    )


def parse_one(sql: str, dialect: Dialect | None = None) -> exp.Expr:
    """Parse exactly one statement, in BigQuery's dialect or a variant of it. Raises DataError with line and column."""
    import sqlglot
    from sqlglot.errors import ParseError, TokenError

    try:
        statements = [tree for tree in sqlglot.parse(sql, read=dialect or "bigquery") if tree is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        near = str(first.get("highlight") or "")
        line, end = first.get("line"), first.get("col")
        column = end if end is None or "\n" in near else max(1, end - len(near) + 1)
        raise DataError(
            f"SQL syntax error in line {line}, column {column}",
            cause=plain_reason(str(first.get("description", error))).replace(
                _UNEXPECTED, f"'{near}' is not expected here"
            ),
            next_step=f"Look near: {first.get('start_context', '')[-40:]}»{near}«",
            details={"line": line, "column": column, "sql": sql},
        ) from error
    except RecursionError:
        raise too_deep(sql) from None
    except TokenError as error:
        opened = re.fullmatch(r"Missing (\S+) from (\d+):(\d+)", str(error.__cause__))
        where = ""
        if opened:
            start = int(opened[3])  # within the whole text, whatever the line
            where = f" in line {sql.count(chr(10), 0, start) + 1}, column {start - sql.rfind(chr(10), 0, start)}"
        cause = f"a {opened[1]} is not closed" if opened else "a comment is not closed, or a character is not SQL"
        raise DataError(f"SQL syntax error{where}", cause=cause, details={"sql": sql}) from error
    if len(statements) != 1:
        raise DataError(f"{len(statements)} statements where one is expected", next_step="Send them one by one.")
    return statements[0]
