"""JSON functions: paths of plain keys and zero-based subscripts; a JSON null is not a scalar."""

from __future__ import annotations

import re
from typing import Final

from nbactl.adapters.duckdb.sql.casts import float_text, moment_text
from nbactl.adapters.duckdb.sql.functions.table import Call, special
from nbactl.adapters.duckdb.sql.parse import invalid, refused
from nbactl.adapters.duckdb.sql.types import BOOL, FLOAT64, INT64, JSON, STRING, Type, Value, array, struct_names, text

_PAGE: Final = "json_functions#"
_TWO: Final = 2
_STEP: Final = re.compile(r"""\.([A-Za-z_][A-Za-z0-9_\-]*)|\."((?:[^"\\])*)"|\[(\d+)\]""")

_ODD_NUMBER: Final = r"\.(0{2,}|[0-9]*[1-9][0-9]*0)([^0-9]|$)|[0-9][eE][-+0-9]|[0-9]\.[0-9]{15,}|[0-9]{17,}"


def _path(call: Call) -> str:
    """Return the path as DuckDB's: keys quoted, so that nothing else in them has a meaning."""
    if len(call.arguments) == 1:
        return "$"
    written = call.literal(1, "a path")
    if not written.startswith("$"):
        raise invalid(f"'{written}' is not a JSONPath", call.arguments[1])
    path, rest = "$", written[1:]
    while rest:
        step = _STEP.match(rest)
        if step is None:
            raise refused(f"the JSONPath '{written}'", call.arguments[1], 'Use $.key, $."key" and $[0].')
        key = step[1] if step[1] is not None else step[2]
        path += f"[{step[3]}]" if key is None else f'."{key}"'
        rest = rest[step.end() :]
    return path


def _source(call: Call) -> tuple[str, Type]:
    """Return the JSON; a text that is not JSON has nothing in it."""
    call.count(1, _TWO)
    value = call.value(0)
    if value.type == JSON:
        return value.sql, JSON
    text_ = call.typed(0, STRING)
    odd = f"regexp_matches({text_}, {text(_ODD_NUMBER)})"  # DuckDB writes such a number in another form
    fail = "ERROR('a number in JSON text that is not in its shortest form; use PARSE_JSON first')"
    return f"(CASE WHEN {odd} THEN {fail} WHEN json_valid({text_}) THEN TRY_CAST({text_} AS JSON) END)", STRING


@special("JSON_VALUE", f"{_PAGE}json_value", "JSON or STRING[, path] -> STRING", safe=True)
def _value(call: Call) -> Value:
    source, _ = _source(call)
    path = text(_path(call))
    scalar = f"json_type({source}, {path}) NOT IN ('OBJECT', 'ARRAY', 'NULL')"
    return Value(f"(CASE WHEN {scalar} THEN json_extract_string({source}, {path}) END)", STRING)


@special("JSON_EXTRACT_SCALAR", f"{_PAGE}json_extract_scalar", "JSON or STRING[, path] -> STRING", safe=True)
def _extract_scalar(call: Call) -> Value:
    return _value.build(call)


@special("JSON_QUERY", f"{_PAGE}json_query", "JSON or STRING[, path] -> JSON or STRING", safe=True)
def _query(call: Call) -> Value:
    source, kind = _source(call)
    path = text(_path(call))
    found = f"json_extract({source}, {path})"
    if kind == JSON:
        return Value(found, JSON)
    return Value(f"(CASE WHEN json_type({source}, {path}) <> 'NULL' THEN CAST({found} AS VARCHAR) END)", STRING)


@special("JSON_EXTRACT", f"{_PAGE}json_extract", "JSON or STRING[, path] -> JSON or STRING", safe=True)
def _extract(call: Call) -> Value:
    return _query.build(call)


@special("JSON_VALUE_ARRAY", f"{_PAGE}json_value_array", "JSON or STRING[, path] -> ARRAY<STRING>", safe=True)
def _value_array(call: Call) -> Value:
    source, _ = _source(call)
    path = _path(call)
    items = f"json_extract({source}, {text(path + '[*]')})"
    plain = f"len(list_filter({items}, lambda _x: json_type(_x) IN ('OBJECT', 'ARRAY'))) = 0"
    values = (
        f"list_transform({items}, lambda _x: CASE WHEN json_type(_x) <> 'NULL' THEN json_extract_string(_x, '$') END)"
    )
    return Value(
        f"(CASE WHEN json_type({source}, {text(path)}) = 'ARRAY' AND {plain} THEN {values} END)", array(STRING)
    )


@special("JSON_QUERY_ARRAY", f"{_PAGE}json_query_array", "JSON or STRING[, path] -> ARRAY<JSON or STRING>", safe=True)
def _query_array(call: Call) -> Value:
    source, kind = _source(call)
    path = _path(call)
    items = f"json_extract({source}, {text(path + '[*]')})"
    if kind != JSON:
        items = f"list_transform({items}, lambda _x: CAST(_x AS VARCHAR))"
    return Value(f"(CASE WHEN json_type({source}, {text(path)}) = 'ARRAY' THEN {items} END)", array(kind))


@special("JSON_TYPE", f"{_PAGE}json_type", "JSON -> STRING", safe=True)
def _type(call: Call) -> Value:
    call.count(1)
    value = call.typed(0, JSON)
    kind = f"json_type({value})"
    numbers = f"WHEN {kind} IN ('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT') THEN 'number'"
    texts = f"WHEN {kind} = 'VARCHAR' THEN 'string' {numbers}"
    return Value(f"(CASE {texts} ELSE lower({kind}) END)", STRING)


def _converted(name: str, kind: Type, wanted: str, conversion: str) -> object:
    @special(name, f"{_PAGE}{name.lower()}_for_json", f"JSON -> {kind}", safe=True)
    def build(call: Call) -> Value:
        call.count(1)
        value = call.typed(0, JSON)
        found = f"json_type({value})"
        fail = call.fail(f"the JSON is not {'an' if kind == INT64 else 'a'} {kind}")
        result = conversion.replace("{0}", value)
        converted = f"CASE WHEN {found} IN ({wanted}) THEN {result} END"
        sql = f"COALESCE({converted}, CASE WHEN {found} IS NOT NULL THEN {fail} END)"
        return Value(sql, kind)

    return build


@special("PARSE_JSON", f"{_PAGE}parse_json", "STRING -> JSON", safe=True)
def _parse(call: Call) -> Value:
    call.count(1)
    value = call.typed(0, STRING)
    fail = call.fail("the text is not JSON")
    sql = f"(CASE WHEN json_valid({value}) THEN TRY_CAST({value} AS JSON) WHEN {value} IS NOT NULL THEN {fail} END)"
    return Value(sql, JSON)


@special("TO_JSON_STRING", f"{_PAGE}to_json_string", "value -> STRING", safe=True)
def _to_string(call: Call) -> Value:
    call.count(1)
    value = call.value(0)
    return Value(f"COALESCE({_json_text(value.sql, value.type, call)}, 'null')", STRING, aggregate=value.aggregate)


def _json_text(sql: str, kind: Type, call: Call) -> str:  # noqa: PLR0911 - one return a type
    """Return a value as JSON text, NULL for NULL."""
    if kind.kind == "JSON":
        return f"CAST(json({sql}) AS VARCHAR)"
    if kind.kind in ("STRING", "BOOL", "NULL"):
        return f"CAST(to_json({sql}) AS VARCHAR)" if kind.kind != "NULL" else "CAST(NULL AS VARCHAR)"
    if kind == INT64:
        limit = 2**53
        digits = f"CAST({sql} AS VARCHAR)"
        return f"(CASE WHEN {sql} BETWEEN -{limit} AND {limit} THEN {digits} ELSE '\"' || {digits} || '\"' END)"
    if kind == FLOAT64:
        odd = f"'\"' || (CASE WHEN isnan({sql}) THEN 'NaN' WHEN {sql} > 0 THEN 'Infinity' ELSE '-Infinity' END) || '\"'"
        return f"(CASE WHEN isfinite({sql}) THEN {float_text(sql)} WHEN {sql} IS NOT NULL THEN {odd} END)"
    if kind.kind == "DATE":
        return f"strftime({sql}, '\"%Y-%m-%d\"')"
    if kind.kind in ("DATETIME", "TIMESTAMP"):
        local = f"timezone('UTC', {sql})" if kind.kind == "TIMESTAMP" else sql
        end = "Z" if kind.kind == "TIMESTAMP" else ""
        return f"('\"' || {moment_text(local, '%Y-%m-%dT%H:%M:%S')} || '{end}\"')"
    if kind.element is not None:
        item = _json_text("_x", kind.element, call)
        return f"('[' || array_to_string(list_transform({sql}, lambda _x: COALESCE({item}, 'null')), ',') || ']')"
    if kind.kind == "STRUCT" and "_x" not in sql:
        parts = []
        for own, (name, field) in zip(struct_names(kind), kind.fields, strict=True):
            written = _json_text(f"struct_extract({sql}, {text(own)})", field, call)
            parts.append(f"CAST(to_json({text(name)}) AS VARCHAR) || ':' || COALESCE({written}, 'null')")
        return f"(CASE WHEN {sql} IS NOT NULL THEN '{{' || {' || chr(44) || '.join(parts)} || '}}' END)"
    raise refused(f"TO_JSON_STRING of {kind}", call.node, "CAST it to STRING, or convert its parts.")


_WHOLE: Final = (  # 10.0 is an INT64
    "TRY_CAST(CASE WHEN json_type({0}) <> 'DOUBLE' OR trunc(TRY_CAST(json_extract_string({0}, '$') AS DOUBLE)) = "
    "TRY_CAST(json_extract_string({0}, '$') AS DOUBLE) THEN json_extract_string({0}, '$') END AS BIGINT)"
)

FUNCTIONS: Final = (
    _value, _extract_scalar, _query, _extract, _value_array, _query_array, _type, _parse, _to_string,
    _converted("INT64", INT64, "'BIGINT', 'UBIGINT', 'DOUBLE'", _WHOLE),
    _converted(
        "FLOAT64", FLOAT64, "'BIGINT', 'UBIGINT', 'DOUBLE'", "TRY_CAST(json_extract_string({0}, '$') AS DOUBLE)"
    ),
    _converted("BOOL", BOOL, "'BOOLEAN'", "TRY_CAST(json_extract_string({0}, '$') AS BOOLEAN)"),
)  # fmt: skip
