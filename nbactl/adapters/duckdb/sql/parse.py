"""Parsing that keeps what was written: functions stay calls by name, so that each one is looked up in the list."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.sql.definitions import parse_definition
from nbactl.errors import DataError, PreconditionError, UnsupportedSqlError
from nbactl.ports.sql import parse_one

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.dialects.dialect import Dialect


@lru_cache(maxsize=1)
def dialect() -> Dialect:
    """Return BigQuery's dialect without any function that sqlglot would translate on its own."""
    from sqlglot.dialects.bigquery import BigQuery
    from sqlglot.parsers.bigquery import BigQueryParser
    from sqlglot.tokenizer_core import TokenType

    kept = ("ARRAY", "CAST", "EXTRACT", "SAFE_CAST", "STRING_AGG")

    class Plain(BigQuery):
        class Parser(BigQueryParser):
            COLUMN_OPERATORS: Final[dict[Any, Any]] = {  # type: ignore[misc]
                sign: build  # BigQuery has no value::TYPE
                for sign, build in BigQueryParser.COLUMN_OPERATORS.items()
                if sign != TokenType.DCOLON
            }
            FUNCTIONS: Final[dict[str, Any]] = {}  # type: ignore[misc]
            FUNCTION_PARSERS: Final[dict[str, Any]] = {  # type: ignore[misc]
                name: BigQueryParser.FUNCTION_PARSERS[name] for name in kept
            }

    made = Plain()
    try:
        made.parser()
    except TypeError as error:
        raise PreconditionError(
            "target local does not work with the compiled sqlglot",
            cause="The package sqlglotc is installed, whose parser cannot be extended.",
            next_step="Run: pip uninstall sqlglotc.",
        ) from error
    return made


def parse(sql: str) -> exp.Expr:
    """Parse one statement. Raises DataError with line and column."""
    return parse_definition(sql, dialect()) or parse_one(sql, dialect())


def place(node: exp.Expr | None) -> str:
    """Return where a node is written, as ` (line 1, column 8)`, or nothing if the parser did not keep it."""
    while node is not None:
        for part in node.walk():
            if "line" in part.meta:
                start, end = part.meta.get("start"), part.meta.get("end")
                width = end - start if isinstance(start, int) and isinstance(end, int) else 0
                return f" (line {part.meta['line']}, column {part.meta['col'] - width})"
        node = node.parent
    return ""


def refused(what: str, node: exp.Expr | None, instead: str | None = None, *, why: str | None = None) -> DataError:
    """Return the error for something that is not on the list."""
    return UnsupportedSqlError(
        f"the local warehouse cannot answer {what} as BigQuery does{place(node)}",
        cause=why or "it is not on the list of what gives the same answer on both engines",
        next_step=instead or "docs/warehouse.md lists what can be used.",
        details={"construct": what},
    )


def invalid(what: str, node: exp.Expr | None, *, why: str | None = None, instead: str | None = None) -> DataError:
    """Return the error for something that BigQuery refuses as well."""
    return DataError(f"{what}{place(node)}", cause=why, next_step=instead)
