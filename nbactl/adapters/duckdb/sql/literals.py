"""String literals, read again from the text of the query: the parser does not know all of BigQuery's escapes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbactl.adapters.duckdb.sql.parse import invalid, refused

if TYPE_CHECKING:
    from sqlglot import exp

_SIMPLE: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", "?": "?", '"': '"',
    "'": "'", "`": "`",
}  # fmt: skip
_ESCAPE: Final = re.compile(
    r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)


def string_text(sql: str, node: exp.Literal) -> str:
    """Return what a string literal means. Raises DataError for an escape that BigQuery does not have."""
    start, end = node.meta.get("start"), node.meta.get("end")
    written = sql[start : end + 1] if start is not None and end is not None else ""
    found = re.fullmatch(r"""('''|\"\"\"|'|")(.*)\1""", written, re.DOTALL)
    if found is None:
        if "\\" in node.this:
            raise refused("this string literal", node)
        return str(node.this)
    value = _ESCAPE.sub(lambda match: _character(match, node), found[2])
    if "\0" in value:
        raise refused("a string with a NUL character", node)
    return value


def _character(match: re.Match[str], node: exp.Literal) -> str:
    two, four, eight, octal, plain = match.groups()
    if plain is not None:
        if plain not in _SIMPLE:
            raise invalid(f"illegal escape sequence \\{plain} in a string", node, instead="Write a raw string: r'…'.")
        return _SIMPLE[plain]
    return chr(int(octal, 8) if octal else int(two or four or eight, 16))
