"""CAST and SAFE_CAST: which texts are values of a type, how numbers round, and how values are written as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.adapters.duckdb.sql.coercion import as_type, moment, numeric
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import Type, Value, coerces, duckdb_name, text

if TYPE_CHECKING:
    from sqlglot import exp

_SPACE: Final = r"[ \t\n\v\f\r]*"
_FLOAT: Final = rf"(?i){_SPACE}[+-]?(\d+\.?\d*(e[+-]?\d+)?|\.\d+(e[+-]?\d+)?|inf(inity)?|nan){_SPACE}"
_DECIMAL: Final = rf"(?i){_SPACE}[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?{_SPACE}"
_WHOLE: Final = rf"{_SPACE}[+-]?(\d+|0[xX][0-9a-fA-F]{{1,16}}){_SPACE}"
_DAY: Final = r"(\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})-\d{1,2}-\d{1,2}"
_CLOCK: Final = r"([01]?\d|2[0-3]):\d{1,2}:[0-5]?\d(\.\d{1,6})?"
_ZONE: Final = r"([+-]\d{1,2}(:\d{2})?|Z|z)"
_NAMED_ZONE: Final = rf"{_DAY}[ Tt]{_CLOCK} [A-Za-z].*|.*:60.*"

_PATTERNS: Final = {
    "INT64": _WHOLE,
    "FLOAT64": _FLOAT,
    "NUMERIC": _DECIMAL,
    "BOOL": "(?i)(true|false)",
    "DATE": _DAY,
    "TIME": _CLOCK,
    "DATETIME": f"{_DAY}([ Tt]{_CLOCK})?",
    "TIMESTAMP": f"{_DAY}([ Tt]{_CLOCK}{_ZONE}?)?",
}
_PLAIN: Final[dict[tuple[str, str], str]] = {
    ("INT64", "BOOL"): "({0} <> 0)",
    ("INT64", "STRING"): "CAST({0} AS VARCHAR)",
    ("INT64", "FLOAT64"): "CAST({0} AS DOUBLE)",
    ("INT64", "NUMERIC"): "CAST({0} AS DECIMAL(38,9))",
    ("NUMERIC", "FLOAT64"): "CAST({0} AS DOUBLE)",
    ("NUMERIC", "STRING"): "rtrim(rtrim(CAST({0} AS VARCHAR), '0'), '.')",
    ("BOOL", "INT64"): "CAST({0} AS BIGINT)",
    ("BOOL", "STRING"): "CAST({0} AS VARCHAR)",
    ("STRING", "BYTES"): "encode({0})",
    ("DATE", "STRING"): "strftime({0}, '%Y-%m-%d')",
    ("DATE", "DATETIME"): "CAST({0} AS TIMESTAMP)",
    ("DATE", "TIMESTAMP"): "timezone('UTC', CAST({0} AS TIMESTAMP))",
    ("DATETIME", "DATE"): "CAST({0} AS DATE)",
    ("DATETIME", "TIME"): "CAST({0} AS TIME)",
    ("DATETIME", "TIMESTAMP"): "timezone('UTC', {0})",
    ("TIMESTAMP", "DATE"): "CAST(timezone('UTC', {0}) AS DATE)",
    ("TIMESTAMP", "TIME"): "CAST(timezone('UTC', {0}) AS TIME)",
    ("TIMESTAMP", "DATETIME"): "timezone('UTC', {0})",
}
_MAY_FAIL: Final[dict[tuple[str, str], str]] = {
    ("FLOAT64", "INT64"): "{cast}(ROUND({0}) AS BIGINT)",
    ("FLOAT64", "NUMERIC"): "{cast}(printf('%.30f', {0}) AS DECIMAL(38,9))",
    ("NUMERIC", "INT64"): "{cast}({0} AS BIGINT)",
}


def cast(value: Value, to: Type, node: exp.Expr, *, safe: bool) -> Value:  # noqa: PLR0911 - one return a kind
    """Return CAST(value AS to), or SAFE_CAST. Raises DataError for a pair that is not on the list."""
    own = value.type
    if own == to or own.kind == "NULL":
        return Value(as_type(value, to, node), to, aggregate=value.aggregate)
    if value.literal is not None and own.kind == "STRING" and not safe and to.kind in ("NUMERIC", *_MOMENTS):
        literal = numeric(value.literal, node) if to.kind == "NUMERIC" else moment(value.literal, to, node)
        return Value(literal, to)
    pair = (own.kind, to.kind)
    if pair in _PLAIN:
        return Value(_PLAIN[pair].replace("{0}", value.sql), to, aggregate=value.aggregate)
    if pair in _MAY_FAIL:
        sql = _MAY_FAIL[pair].replace("{0}", value.sql).replace("{cast}", "TRY_CAST" if safe else "CAST")
        return Value(sql, to, aggregate=value.aggregate)
    if own.kind == "STRING" and to.kind in _PATTERNS:
        return Value(_from_text(value.sql, to, safe=safe), to, aggregate=value.aggregate)
    if to.kind == "STRING" and own.kind in _TO_TEXT:
        return Value(_TO_TEXT[own.kind].replace("{0}", value.sql), to, aggregate=value.aggregate)
    if own.element is not None and coerces(value, to):
        return Value(as_type(value, to, node), to, aggregate=value.aggregate)
    known = {"ARRAY", "STRUCT", "INTERVAL", "BYTES", "JSON"}
    if own.kind in known or to.kind in known:
        raise refused(f"CAST({own} AS {to})", node)
    raise invalid(f"a {own} cannot be cast to {to}", node)


_MOMENTS: Final = ("DATE", "DATETIME", "TIME", "TIMESTAMP")


def _from_text(sql: str, to: Type, *, safe: bool) -> str:
    """A text of another form is an error, or NULL in SAFE_CAST: DuckDB would take more of them."""
    source = f"trim({sql}, ' \t\n\v\f\r')" if to.kind in ("INT64", "FLOAT64", "NUMERIC") else sql
    if to.kind == "TIMESTAMP":
        source = (
            f"(CASE WHEN regexp_full_match({sql}, {text(_PATTERNS['DATETIME'])}) THEN {sql} || '+00' "
            f"ELSE regexp_replace({sql}, '([+-])([0-9])(:[0-9][0-9])?$', '\\10\\2\\3') END)"
        )
    fits = f"regexp_full_match({sql}, {text(_PATTERNS[to.kind])})"
    converted = f"(CASE WHEN {fits} THEN TRY_CAST({source} AS {duckdb_name(to)}) END)"
    if to.kind == "INT64":
        hexadecimal = f"TRY_CAST(regexp_replace({source}, '^[+-]', '') AS HUGEINT)"
        signed = f"TRY_CAST(CASE WHEN {source} LIKE '-%' THEN -{hexadecimal} ELSE {hexadecimal} END AS BIGINT)"
        is_hexadecimal = f"lower({source}) LIKE '%x%'"
        number = f"CASE WHEN {is_hexadecimal} THEN {signed} ELSE TRY_CAST({source} AS BIGINT) END"
        converted = f"(CASE WHEN {fits} THEN {number} END)"
    if to.kind == "TIMESTAMP":
        named = f"regexp_full_match({sql}, {text(_NAMED_ZONE)})"
        converted = (
            f"(CASE WHEN {named} THEN ERROR('a text with the name of a time zone or second 60') ELSE {converted} END)"
        )
    if safe:
        return converted
    message = f"'not a value of {to}: ' || {sql}"
    return f"COALESCE({converted}, CASE WHEN {sql} IS NOT NULL THEN ERROR({message}) END)"


def float_text(sql: str) -> str:
    """Return a FLOAT64 as BigQuery writes it: 15 digits if they are enough to read it back, else 17."""
    short, long = f"printf('%.15g', {sql})", f"printf('%.17g', {sql})"
    return f"(CASE WHEN {sql} = 0 THEN '0' WHEN CAST({short} AS DOUBLE) = {sql} THEN {short} ELSE {long} END)"


def fraction_text(micros: str) -> str:
    """Return `.978` or `.978123` of microseconds within the second, or nothing if they are zero."""
    thousandths = f"lpad(CAST({micros} // 1000 AS VARCHAR), 3, '0')"
    millionths = f"lpad(CAST({micros} AS VARCHAR), 6, '0')"
    digits = f"CASE WHEN {micros} % 1000 = 0 THEN {thousandths} ELSE {millionths} END"
    return f"CASE WHEN {micros} = 0 THEN '' ELSE '.' || {digits} END"


def moment_text(local: str, form: str) -> str:
    """Return a DATETIME as text by a form of strftime, with its fraction of a second."""
    micros = f"(EXTRACT(MICROSECONDS FROM {local}) % 1000000)"
    return f"(strftime({local}, '{form}') || {fraction_text(micros)})"


_TO_TEXT: Final = {
    "FLOAT64": float_text("{0}"),
    "DATETIME": moment_text("{0}", "%Y-%m-%d %H:%M:%S"),
    "TIMESTAMP": "(" + moment_text("timezone('UTC', {0})", "%Y-%m-%d %H:%M:%S") + " || '+00')",
    "TIME": moment_text("(DATE '1970-01-01' + {0})", "%H:%M:%S"),
}
