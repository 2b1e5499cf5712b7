"""FORMAT: C's directives for whole numbers and texts, and those of FLOAT64 that both engines round alike."""

from __future__ import annotations

import re
from typing import Final

from nbactl.adapters.duckdb.sql.casts import cast, float_text
from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.functions.table import Call, special
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import FLOAT64, INT64, NULL, STRING, Type, Value, coerces, text

_DIRECTIVE: Final = re.compile(r"%(?:%|([-+ 0]*)(\d*)((?:\.\d+)?)([a-zA-Z]))|([^%]+)|(%)")
_KINDS: Final[dict[str, Type]] = {
    "d": INT64, "i": INT64, "x": INT64, "X": INT64, "o": INT64, "s": STRING, "f": FLOAT64, "e": FLOAT64, "g": FLOAT64,
}  # fmt: skip


@special("FORMAT", "string_functions#format_string", "literal, value... -> STRING", safe=True)
def _format(call: Call) -> Value:
    form = call.literal(0, "a format")
    values = call.values()[1:]
    pieces, used = [], 0
    for found in _DIRECTIVE.finditer(form):
        flags, width, precision, letter, plain, stray = found.groups()
        if letter == "t" and not flags + width + precision and used < len(values):
            pieces.append(_shown(values[used], call))
            used += 1
            continue
        if stray or (letter and letter not in _KINDS):
            raise refused(f"%{letter or ''} in FORMAT", call.arguments[0], "Use %d, %s, %f, %e, %g or %t.")
        if letter is None:
            pieces.append(text(plain if plain is not None else "%"))
            continue
        if used >= len(values):
            raise invalid("FORMAT has fewer values than directives", call.node)
        value, kind = values[used], _KINDS[letter]
        used += 1
        if not coerces(value, kind):
            raise invalid(
                f"%{letter} in FORMAT takes {kind}, not {value.type}", call.arguments[used], instead="CAST it."
            )
        directive = text(f"%{flags}{width}{precision}{'d' if letter == 'i' else letter}")
        if value.type == NULL or (letter == "s" and (flags.strip("-") or precision)):
            raise refused("this directive in FORMAT", call.arguments[0])
        if letter in "xXo":
            raise refused(f"%{letter} in FORMAT", call.arguments[0])
        pieces.append(f"printf({directive}, {as_type(value, kind)})")
    if used != len(values):
        raise invalid("FORMAT has more values than directives", call.node)
    strict = [value for value, letter in zip(values, _letters(form), strict=True) if letter != "t"]
    missing = " OR ".join(f"{value.sql} IS NULL" for value in strict) or "FALSE"
    return Value(f"(CASE WHEN NOT ({missing}) THEN {' || '.join(pieces or [text('')])} END)", STRING)


def _letters(form: str) -> list[str]:
    return [found[4] for found in _DIRECTIVE.finditer(form) if found[4]]


def _shown(value: Value, call: Call) -> str:
    """Return a value as %t shows it: a FLOAT64 with a point, NULL as the word."""
    kind = value.type
    if kind.element is not None:
        item = _shown(Value("_y", kind.element), call)
        shown = f"'[' || array_to_string(list_transform({value.sql}, lambda _y: {item}), ', ') || ']'"
    elif kind == STRING:
        shown = value.sql
    elif kind == FLOAT64:
        plain = float_text(value.sql)
        shown = f"{plain} || CASE WHEN regexp_full_match({plain}, '-?[0-9]+') THEN '.0' ELSE '' END"
    elif kind.kind in ("INT64", "NUMERIC", "BOOL", "DATE", "DATETIME", "TIMESTAMP", "TIME"):
        shown = cast(value, STRING, call.node, safe=False).sql
    else:
        raise refused(f"%t of {kind} in FORMAT", call.node, "CAST it to STRING.")
    return f"COALESCE({shown}, 'NULL')"


FUNCTIONS: Final = (_format,)
