"""String functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from nbactl.adapters.duckdb.sql.functions.table import Call, Function, fn, special
from nbactl.adapters.duckdb.sql.operators import unified, whole_literal
from nbactl.adapters.duckdb.sql.parse import refused
from nbactl.adapters.duckdb.sql.types import STRING, Value, array, text

_PAGE: Final = "string_functions#"
_SPACES: Final = (
    "' \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000'"
)
_START: Final = (
    "(CASE WHEN {1} > 0 THEN {1} WHEN {1} = 0 THEN 1 WHEN {1} < 0 THEN GREATEST(LENGTH({0}) + {1} + 1, 1) END)"
)
_LENGTH: Final = "CASE WHEN {2} < 0 THEN {!SUBSTR with a negative length} ELSE SUBSTRING({0}, " + _START + ", {2}) END"
_SUBSTR: Final = (
    ("STRING, INT64 -> STRING", "SUBSTRING({0}, " + _START + ")"),
    ("STRING, INT64, INT64 -> STRING", f"({_LENGTH})"),
)


def _substr(general: Function) -> Function:
    """Of literals it is known when the query is planned which case they are."""

    def build(call: Call) -> Value:
        values = call.values()
        numbers = [whole_literal(value) for value in values[1:]]
        known = len(values) in (2, 3) and values[0].type == STRING
        if known and all(n is not None and n >= lowest for n, lowest in zip(numbers, (1, 0), strict=False)):
            listed = ", ".join(value.sql for value in values)
            return Value(f"SUBSTRING({listed})", STRING, aggregate=values[0].aggregate)
        return general.build(call)

    return replace(general, build=build)


_PAD: Final = (
    "(CASE WHEN {1} < 0 OR {2} = '' THEN {!a length below 0 or an empty pattern} WHEN {1} = 0 THEN '' "
    "WHEN {1} > 100000 THEN ERROR('a text of more than 100000 characters') "
    "ELSE %s({0}, CAST({1} AS INTEGER), {2}) END)"
)


def _pad(name: str, duck: str) -> Function:
    whole = _PAD % duck
    return fn(
        name,
        f"{_PAGE}{name.lower()}",
        ("STRING, INT64 -> STRING", whole.replace("{2}", "' '")),
        ("STRING, INT64, STRING -> STRING", whole),
    )


def _trim(name: str) -> Function:
    return fn(
        name,
        f"{_PAGE}{name.lower()}",
        ("STRING -> STRING", f"{name.lower()}({{0}}, {_SPACES})"),
        ("STRING, STRING -> STRING", f"{name.lower()}({{0}}, {{1}})"),
    )


@special("CONCAT", f"{_PAGE}concat", "value... -> STRING", safe=True)
def _concat(call: Call) -> Value:
    values = call.values()
    if not values:
        call.count(1)
    if any(value.type.kind not in ("STRING", "NULL") for value in values):
        odd = next(value for value in values if value.type.kind not in ("STRING", "NULL"))
        raise refused(f"CONCAT of {odd.type}", call.node, "CAST it to STRING.")
    _, sqls = unified(values, "CONCAT", call.node)
    return Value(f"({' || '.join(sqls)})", STRING, aggregate=any(value.aggregate for value in values))


@special("SPLIT", f"{_PAGE}split", "STRING -> ARRAY<STRING>", "STRING, STRING -> ARRAY<STRING>", safe=True)
def _split(call: Call) -> Value:
    count = call.count(1, 2)
    value = call.typed(0, STRING)
    delimiter = "','" if count == 1 else call.typed(1, STRING)
    empty = f"WHEN {value} = '' AND {delimiter} IS NOT NULL THEN ['']"
    known = f"{value} IS NOT NULL AND {delimiter} IS NOT NULL"
    sql = f"(CASE {empty} WHEN {known} THEN STRING_SPLIT({value}, {delimiter}) END)"
    return Value(sql, array(STRING))


_WORDS: Final = r"""[\s\[\](){}/|<>!?@"^#$&~_,.:;*%+-]"""
_CAPITAL: Final = "lambda _w: upper(substr(_w, 1, 1)) || substr(_w, 2)"
_PIECES: Final = text(f"{_WORDS}+|{_WORDS.replace('[', '[^', 1)}+")


_POSITION: Final = "CAST(STRPOS({0}, {1}) AS BIGINT)"

FUNCTIONS: Final = (
    _concat,
    _split,
    _substr(fn("SUBSTR", f"{_PAGE}substr", *_SUBSTR)),
    _substr(fn("SUBSTRING", f"{_PAGE}substring", *_SUBSTR)),
    _trim("TRIM"),
    _trim("LTRIM"),
    _trim("RTRIM"),
    _pad("LPAD", "LPAD"),
    _pad("RPAD", "RPAD"),
    fn("UPPER", f"{_PAGE}upper", ("STRING -> STRING", "UPPER({0})")),
    fn("LOWER", f"{_PAGE}lower", ("STRING -> STRING", "LOWER({0})")),
    fn("LENGTH", f"{_PAGE}length", ("STRING -> INT64", "LENGTH({0})"), ("BYTES -> INT64", "octet_length({0})")),
    fn("CHAR_LENGTH", f"{_PAGE}char_length", ("STRING -> INT64", "LENGTH({0})")),
    fn("CHARACTER_LENGTH", f"{_PAGE}character_length", ("STRING -> INT64", "LENGTH({0})")),
    fn(
        "BYTE_LENGTH",
        f"{_PAGE}byte_length",
        ("STRING -> INT64", "strlen({0})"),
        ("BYTES -> INT64", "octet_length({0})"),
    ),
    fn("STRPOS", f"{_PAGE}strpos", ("STRING, STRING -> INT64", f"CASE WHEN {{1}} = '' THEN 1 ELSE {_POSITION} END")),
    fn(
        "INITCAP",
        f"{_PAGE}initcap",
        (
            "STRING -> STRING",
            f"array_to_string(list_transform(regexp_extract_all(lower({{0}}), {_PIECES}), {_CAPITAL}), '')",
        ),
    ),
    fn("STARTS_WITH", f"{_PAGE}starts_with", ("STRING, STRING -> BOOL", "starts_with({0}, {1})")),
    fn("ENDS_WITH", f"{_PAGE}ends_with", ("STRING, STRING -> BOOL", "ends_with({0}, {1})")),
    fn(
        "REPLACE",
        f"{_PAGE}replace",
        (
            "STRING, STRING, STRING -> STRING",
            "CASE WHEN {1} = '' AND {2} IS NOT NULL THEN {0} ELSE replace({0}, {1}, {2}) END",
        ),
    ),
    fn(
        "REPEAT",
        f"{_PAGE}repeat",
        ("STRING, INT64 -> STRING", "CASE WHEN {1} < 0 THEN {!REPEAT below 0} ELSE repeat({0}, {1}) END"),
    ),
    fn(
        "LEFT",
        f"{_PAGE}left",
        (
            "STRING, INT64 -> STRING",
            "CASE WHEN {1} < 0 THEN {!LEFT with a negative length} ELSE SUBSTRING({0}, 1, {1}) END",
        ),
    ),
    fn(
        "RIGHT",
        f"{_PAGE}right",
        (
            "STRING, INT64 -> STRING",
            (
                "CASE WHEN {1} < 0 THEN {!RIGHT with a negative length} "
                "WHEN {1} >= 0 THEN SUBSTRING({0}, GREATEST(LENGTH({0}) - {1} + 1, 1)) END"
            ),
        ),
    ),
    fn("TO_HEX", f"{_PAGE}to_hex", ("BYTES -> STRING", "lower(hex({0}))")),
    fn("FROM_HEX", f"{_PAGE}from_hex", ("STRING -> BYTES", "unhex({0})"), safe=False),
    fn("MD5", "hash_functions#md5", ("STRING -> BYTES", "unhex(md5({0}))"), ("BYTES -> BYTES", "unhex(md5({0}))")),
    fn("SHA1", "hash_functions#sha1", ("STRING -> BYTES", "unhex(sha1({0}))"), ("BYTES -> BYTES", "unhex(sha1({0}))")),
    fn(
        "SHA256",
        "hash_functions#sha256",
        ("STRING -> BYTES", "unhex(sha256({0}))"),
        ("BYTES -> BYTES", "unhex(sha256({0}))"),
    ),
)
