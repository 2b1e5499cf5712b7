"""Regular expressions: both engines use RE2, so that a pattern means the same; what surrounds it does not."""

from __future__ import annotations

import re
from typing import Final

from nbactl.adapters.duckdb.sql.functions.table import Call, special
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import BOOL, STRING, Value, array, text

_PAGE: Final = "string_functions#"
_TWO: Final = 2
_THREE: Final = 3


def _pattern(call: Call) -> tuple[str, int]:
    """Return the pattern and the number of its groups."""
    pattern = call.literal(1, "a pattern")
    plain = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]", "", pattern)
    return pattern, len(re.findall(r"\((?!\?)|\(\?P?<", plain))


def _one_group(call: Call) -> tuple[str, int]:
    pattern, groups = _pattern(call)
    if groups > 1:
        raise invalid(f"the pattern of {call.name} has more than one group", call.arguments[1], instead="Write (?:…).")
    return text(pattern), groups


@special("REGEXP_CONTAINS", f"{_PAGE}regexp_contains", "STRING, STRING -> BOOL", safe=True)
def _contains(call: Call) -> Value:
    call.count(_TWO)
    pattern, _ = _pattern(call)
    return Value(f"regexp_matches({call.typed(0, STRING)}, {text(pattern)})", BOOL)


@special("REGEXP_EXTRACT", f"{_PAGE}regexp_extract", "STRING, STRING -> STRING", safe=True)
def _extract(call: Call) -> Value:
    if len(call.arguments) > _TWO:
        raise refused("REGEXP_EXTRACT with a position", call.node, "Use REGEXP_EXTRACT_ALL(…)[SAFE_OFFSET(n)].")
    call.count(_TWO)
    value = call.typed(0, STRING)
    pattern, group = _one_group(call)
    return Value(f"LIST_EXTRACT(regexp_extract_all({value}, {pattern}, {group}), 1)", STRING)


@special("REGEXP_EXTRACT_ALL", f"{_PAGE}regexp_extract_all", "STRING, STRING -> ARRAY<STRING>", safe=True)
def _extract_all(call: Call) -> Value:
    call.count(_TWO)
    value = call.typed(0, STRING)
    pattern, group = _one_group(call)
    return Value(f"regexp_extract_all({value}, {pattern}, {group})", array(STRING))


@special("REGEXP_REPLACE", f"{_PAGE}regexp_replace", "STRING, STRING, STRING -> STRING", safe=True)
def _replace(call: Call) -> Value:
    call.count(_THREE)
    value = call.typed(0, STRING)
    pattern, groups = _pattern(call)
    if pattern == "":
        raise refused("REGEXP_REPLACE of an empty pattern", call.arguments[1])
    replacement = call.literal(2, "a replacement")
    for found in re.finditer(r"\\(.?)", replacement):
        if not found[1].isdigit() and found[1] != "\\":
            raise invalid(f"'{replacement}' is not a replacement", call.arguments[2])
        if found[1].isdigit() and int(found[1]) > groups:
            raise invalid(f"the pattern has no group {found[1]}", call.arguments[2])
    return Value(f"regexp_replace({value}, {text(pattern)}, {text(replacement)}, 'g')", STRING)


FUNCTIONS: Final = (_contains, _extract, _extract_all, _replace)
