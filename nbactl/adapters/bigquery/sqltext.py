"""What kind of statement a text is, without a parser: what may run where is decided before anything is sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SKIPPED: Final = re.compile(
    r"(?P<text>'''.*?'''|\"\"\".*?\"\"\"|[rb]{0,2}'(?:\\.|[^'\\\n])*'|[rb]{0,2}\"(?:\\.|[^\"\\\n])*\"|`[^`]*`)"
    r"|(?P<comment>--[^\n]*|#[^\n]*|/\*.*?\*/)",
    re.DOTALL | re.IGNORECASE,
)
_WORD: Final = re.compile(r"[A-Za-z_]+")
_QUERIES: Final = frozenset({"SELECT", "WITH", "FROM"})
_CHANGES: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_DEFINITIONS: Final = frozenset({"CREATE", "ALTER", "DROP"})
_PIPED: Final = re.compile(r"\|>\s*(INSERT|CREATE|EXPORT|CALL)\b", re.IGNORECASE)
_TABLE: Final = re.compile(r"\b(?:FROM|JOIN)\s+`?([\w-]+\.)?(\w+)`?\.`?(\w+)`?", re.IGNORECASE)


def check_query(sql: str) -> None:
    """Raise DataError unless the text is one query."""
    code = _one_statement(sql)
    if _first_word(code) not in _QUERIES or _PIPED.search(code):
        raise DataError(
            "this statement is not a query", cause=f"It is: {_start(sql)}", next_step="Write one SELECT statement."
        )


def check_definition(sql: str) -> None:
    """Raise DataError unless the text is one statement that defines something."""
    if _first_word(_one_statement(sql)) not in _DEFINITIONS:
        raise DataError(
            f"this statement is not a definition: {_start(sql)}", next_step="apply_ddl takes CREATE, ALTER and DROP."
        )


def transaction(statements: Sequence[str]) -> str:
    """Return statements that change rows as one text: several are a transaction. Raises DataError for others."""
    if not statements:
        raise DataError("there is no statement", cause="The list is empty.")
    for sql in statements:
        if _first_word(_one_statement(sql)) not in _CHANGES:
            raise DataError(
                f"this statement does not change rows: {_start(sql)}",
                next_step="run_dml takes INSERT, UPDATE, DELETE and MERGE.",
            )
    if len(statements) == 1:
        return statements[0]
    parts = ["BEGIN TRANSACTION", *(sql.rstrip().rstrip(";") for sql in statements), "COMMIT TRANSACTION"]
    return "".join(f"{part}\n;\n" for part in parts)  # a line of its own, for a statement may end in a comment


def tables_named(sql: str) -> list[str]:
    """Return the tables `dataset.table` that a text seems to read, for suggestions."""
    return [f"{found[2]}.{found[3]}" for found in _TABLE.finditer(sql)]


def _one_statement(sql: str) -> str:
    """Return the text without comments and literals. Raises DataError for none or several statements."""
    code = _SKIPPED.sub(lambda found: " " if found["comment"] else "''", sql).strip()
    if not code.rstrip("; \n"):
        raise DataError("there is no statement", cause="The text is empty.")
    if ";" in code.rstrip("; \n\t"):
        raise DataError(
            "several statements were given", cause="One is expected.", next_step="Leave only one statement."
        )
    return code


def _first_word(code: str) -> str:
    word = _WORD.match(code.lstrip("( \n\t\r"))
    return word[0].upper() if word else ""


def _start(sql: str) -> str:
    return sql.strip().partition("\n")[0][:80]
