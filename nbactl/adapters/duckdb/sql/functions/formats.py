"""FORMAT_ and PARSE_ functions: format elements are put together one by one, each as BigQuery defines it."""

from __future__ import annotations

import re
from typing import Final

from nbactl.adapters.duckdb.sql.coercion import as_type
from nbactl.adapters.duckdb.sql.functions.parts import Zone, zone_of
from nbactl.adapters.duckdb.sql.functions.table import Call, Function, special
from nbactl.adapters.duckdb.sql.parse import refused
from nbactl.adapters.duckdb.sql.types import DATE, DATETIME, STRING, TIME, TIMESTAMP, Type, Value, coerces, text

_ELEMENT: Final = re.compile(r"%(E\*S|E\dS|E4Y|Ez|.)|([^%]+)", re.DOTALL)
_DATES: Final[dict[str, str]] = {
    "A": "strftime({0}, '%A')",
    "a": "strftime({0}, '%a')",
    "B": "strftime({0}, '%B')",
    "b": "strftime({0}, '%b')",
    "h": "strftime({0}, '%b')",
    "C": "printf('%02d', EXTRACT(YEAR FROM {0}) // 100)",
    "D": "strftime({0}, '%m/%d/%y')",
    "x": "strftime({0}, '%m/%d/%y')",
    "d": "strftime({0}, '%d')",
    "e": "lpad(CAST(EXTRACT(DAY FROM {0}) AS VARCHAR), 2, ' ')",
    "E4Y": "printf('%04d', EXTRACT(YEAR FROM {0}))",
    "F": "strftime({0}, '%Y-%m-%d')",
    "G": "CAST(isoyear({0}) AS VARCHAR)",
    "g": "printf('%02d', isoyear({0}) % 100)",
    "j": "strftime({0}, '%j')",
    "m": "strftime({0}, '%m')",
    "Q": "CAST(EXTRACT(QUARTER FROM {0}) AS VARCHAR)",
    "U": "strftime({0}, '%U')",
    "u": "CAST(isodow({0}) AS VARCHAR)",
    "V": "printf('%02d', EXTRACT(WEEK FROM {0}))",
    "W": "strftime({0}, '%W')",
    "w": "CAST(EXTRACT(DAYOFWEEK FROM {0}) AS VARCHAR)",
    "Y": "CAST(EXTRACT(YEAR FROM {0}) AS VARCHAR)",
    "y": "strftime({0}, '%y')",
}
_TIMES: Final[dict[str, str]] = {
    "H": "strftime({0}, '%H')",
    "I": "strftime({0}, '%I')",
    "k": "lpad(CAST(EXTRACT(HOUR FROM {0}) AS VARCHAR), 2, ' ')",
    "l": "lpad(CAST((EXTRACT(HOUR FROM {0}) + 11) % 12 + 1 AS VARCHAR), 2, ' ')",
    "M": "strftime({0}, '%M')",
    "P": "lower(strftime({0}, '%p'))",
    "p": "strftime({0}, '%p')",
    "R": "strftime({0}, '%H:%M')",
    "S": "strftime({0}, '%S')",
    "T": "strftime({0}, '%H:%M:%S')",
    "X": "strftime({0}, '%H:%M:%S')",
    **{f"E{n}S": "substr(strftime({0}, '%S.%f'), 1, " + str(3 + n) + ")" for n in range(1, 7)},
    "E*S": "rtrim(rtrim(strftime({0}, '%S.%f'), '0'), '.')",
}
_BOTH: Final = {
    "c": "strftime({0}, '%a %b ') || lpad(CAST(EXTRACT(DAY FROM {0}) AS VARCHAR), 2, ' ') || "
    "strftime({0}, ' %H:%M:%S ') || CAST(EXTRACT(YEAR FROM {0}) AS VARCHAR)"
}
_PLAIN: Final = {"%": "%", "n": "\n", "t": "\t"}


def _zone_elements(zone: Zone, instant: str) -> dict[str, str]:
    local = zone.local(instant)
    minutes = f"CAST((epoch_us({local}) - epoch_us({instant})) // 60000000 AS BIGINT)"
    micros = f"epoch_us({instant})"
    sign = f"(CASE WHEN {minutes} < 0 THEN '-' ELSE '+' END)"
    return {
        "z": f"{sign} || printf('%02d%02d', ABS({minutes}) // 60, ABS({minutes}) % 60)",
        "Ez": f"{sign} || printf('%02d:%02d', ABS({minutes}) // 60, ABS({minutes}) % 60)",
        "s": f"CAST(({micros} - (({micros} % 1000000) + 1000000) % 1000000) // 1000000 AS VARCHAR)",
        **({"Z": "'UTC'"} if zone == Zone() else {}),
    }


def _formatter(name: str, kind: Type, elements: dict[str, str]) -> Function:
    zone_form = "[, zone]" if kind == TIMESTAMP else ""

    @special(name, f"{kind.kind.lower()}_functions#{name.lower()}", f"literal, {kind}{zone_form} -> STRING", safe=True)
    def build(call: Call) -> Value:
        call.count(*((2, 3) if kind == TIMESTAMP else (2,)))
        form = call.literal(0, "a format")
        value = call.value(1)
        if not coerces(value, kind):
            raise refused(f"{name} of {value.type}", call.arguments[1], f"CAST it to {kind}.")
        sql = as_type(value, kind, call.arguments[1])
        known = dict(elements)
        if kind == TIMESTAMP:
            zone = zone_of(call, 2)
            known.update(_zone_elements(zone, sql))
            sql = zone.local(sql)
        if kind == TIME:
            sql = f"(DATE '1970-01-01' + {sql})"
        pieces = [f"({_element(piece, known, sql, call)})" for piece in _ELEMENT.finditer(form)]
        missing = f"CASE WHEN {sql} IS NOT NULL THEN "
        written = " || ".join(pieces or ["''"])
        return Value(f"({missing}{written} END)", STRING, aggregate=value.aggregate)

    return build


def _element(piece: re.Match[str], known: dict[str, str], sql: str, call: Call) -> str:
    element, plain = piece.groups()
    if plain is not None:
        return text(plain)
    if element in _PLAIN:
        return text(_PLAIN[element])
    if element not in known:
        raise refused(f"%{element} in {call.name}", call.arguments[0])
    return known[element].replace("{0}", sql)


_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_READ_DATES: Final[dict[str, tuple[str, ...]]] = {
    "Y": ("Y",), "E4Y": ("Y",), "m": ("m",), "d": ("d",), "e": ("d",), "b": ("b",), "h": ("b",), "B": ("b",),
    "F": ("Y", "-", "m", "-", "d"), "y": ("y",), "D": ("m", "/", "d", "/", "y"), "x": ("m", "/", "d", "/", "y"),
}  # fmt: skip
_READ_TIMES: Final[dict[str, tuple[str, ...]]] = {
    "H": ("H",), "k": ("H",), "M": ("M",), "S": ("S",), "E*S": ("f",), "T": ("H", ":", "M", ":", "S"),
    "X": ("H", ":", "M", ":", "S"), "R": ("H", ":", "M"), "I": ("I",), "l": ("I",), "p": ("p",), "P": ("p",),
    **{f"E{n}S": ("f",) for n in range(1, 7)},
}  # fmt: skip
_PATTERNS: Final = {
    "Y": r"\d{1,4}", "m": r"\d{1,2}", "d": r"\s?\d{1,2}", "y": r"\d{1,2}", "H": r"\s?\d{1,2}", "M": r"\d{1,2}",
    "S": r"\d{1,2}", "f": r"\d{1,2}(?:\.\d{1,6})?", "I": r"\s?\d{1,2}", "p": r"(?i:am|pm)",
    "b": "(?i:" + "|".join((*_FULL_MONTHS, *_MONTHS)) + ")", "z": r"[+-]\d{1,2}:?\d{2}|Z",
}  # fmt: skip
_GROUPS: Final = {
    "Y": "year", "m": "month_number", "d": "day", "y": "short_year", "H": "hour", "M": "minute", "S": "second",
    "f": "fraction", "I": "twelve", "p": "half", "b": "month", "z": "zone",
}  # fmt: skip


def _reader(name: str, kind: Type, elements: dict[str, tuple[str, ...]]) -> Function:
    zone_form = "[, zone]" if kind == TIMESTAMP else ""

    @special(name, f"{kind.kind.lower()}_functions#{name.lower()}", f"literal, STRING{zone_form} -> {kind}", safe=True)
    def build(call: Call) -> Value:
        call.count(*((2, 3) if kind == TIMESTAMP else (2,)))
        form = call.literal(0, "a format")
        source = call.typed(1, STRING)
        names: list[str] = []
        pattern = _pattern(form, elements, names, call)
        found = (
            f"regexp_extract({source}, {text(pattern)}, [{', '.join(text(_GROUPS[one]) for one in names)}])"
            if names
            else ""
        )
        made = _made(found, names, kind, zone_of(call, 2) if kind == TIMESTAMP else Zone())
        fits = f"regexp_full_match({source}, {text(pattern)})"
        read = f"(CASE WHEN {fits} THEN {made} END)"
        fail = call.fail(f"{name}: the text does not match the format")
        sql = f"(CASE WHEN {read} IS NOT NULL THEN {read} WHEN {source} IS NOT NULL THEN {fail} END)"
        return Value(sql, kind)

    return build


def _pattern(form: str, elements: dict[str, tuple[str, ...]], names: list[str], call: Call) -> str:
    pattern = r"\s*"
    for piece in _ELEMENT.finditer(form):
        element, plain = piece.groups()
        if plain is not None:
            pattern += "".join(r"\s*" if part.isspace() else re.escape(part) for part in re.findall(r"\s+|\S", plain))
            continue
        if element in _PLAIN:
            pattern += r"\s*" if element in "nt" else "%"
            continue
        if element not in elements:
            raise refused(f"%{element} in {call.name}", call.arguments[0])
        for step in elements[element]:
            if step not in _PATTERNS:
                pattern += re.escape(step)
                continue
            if step in names:
                raise refused(f"a format with two elements for the same part in {call.name}", call.arguments[0])
            names.append(step)
            pattern += f"({_PATTERNS[step]})"
    clash = [{"m", "b"}, {"Y", "y"}, {"H", "I"}, {"S", "f"}]
    if any(pair <= set(names) for pair in clash) or ("I" in names) != ("p" in names):
        raise refused(f"this format in {call.name}", call.arguments[0], "Use one element for each part.")
    return pattern + r"\s*"


def _made(found: str, names: list[str], kind: Type, zone: Zone) -> str:
    def part(name: str, otherwise: str) -> str:
        return f"TRY_CAST(trim(struct_extract({found}, '{_GROUPS[name]}')) AS BIGINT)" if name in names else otherwise

    year = part("Y", "1970")
    if "y" in names:
        short = part("y", "70")
        year = f"({short} + CASE WHEN {short} < 69 THEN 2000 ELSE 1900 END)"
    month = part("m", "1")
    if "b" in names:
        listed = ", ".join(text(name) for name in _MONTHS)
        month = f"list_position([{listed}], lower(substr(struct_extract({found}, 'month'), 1, 3)))"
    day = f"printf('%04d-%02d-%02d', {year}, {month}, {part('d', '1')})"
    date = f"(CASE WHEN {year} >= 1 THEN TRY_CAST({day} AS DATE) END)"
    if kind == DATE:
        return date
    hour = part("H", "0")
    if "I" in names:
        twelve = part("I", "12")
        afternoon = f"CASE WHEN lower(struct_extract({found}, 'half')) = 'pm' THEN 12 ELSE 0 END"
        hour = f"(CASE WHEN {twelve} BETWEEN 1 AND 12 THEN {twelve} % 12 + {afternoon} ELSE 99 END)"
    second = (
        f"lpad(struct_extract({found}, 'fraction'), 2, '0')" if "f" in names else f"printf('%02d', {part('S', '0')})"
    )
    if "f" in names:
        written = f"struct_extract({found}, 'fraction')"
        second = f"(CASE WHEN length(split_part({written}, '.', 1)) = 1 THEN '0' ELSE '' END || {written})"
    clock = f"TRY_CAST(printf('%02d:%02d:', {hour}, {part('M', '0')}) || {second} AS TIME)"
    if kind == TIME:
        return clock
    local = f"({date} + {clock})"
    if kind == DATETIME:
        return local
    if "z" not in names:
        return zone.instant(local)
    offset = f"struct_extract({found}, 'zone')"
    digits = f"regexp_replace({offset}, '[^0-9]', '', 'g')"
    minutes = (
        f"(TRY_CAST(substr({digits}, 1, length({digits}) - 2) AS BIGINT) * 60 + TRY_CAST(right({digits}, 2) AS BIGINT))"
    )
    signed = f"(CASE WHEN {offset} = 'Z' THEN 0 WHEN {offset} LIKE '-%' THEN -{minutes} ELSE {minutes} END)"
    return f"timezone('UTC', {local} - to_minutes({signed}))"


_READ_ZONE: Final = {"z": ("z",), "Ez": ("z",)}

FUNCTIONS: Final = (
    _formatter("FORMAT_DATE", DATE, _DATES),
    _formatter("FORMAT_DATETIME", DATETIME, {**_DATES, **_TIMES, **_BOTH}),
    _formatter("FORMAT_TIMESTAMP", TIMESTAMP, {**_DATES, **_TIMES, **_BOTH}),
    _formatter("FORMAT_TIME", TIME, _TIMES),
    _reader("PARSE_DATE", DATE, _READ_DATES),
    _reader("PARSE_DATETIME", DATETIME, {**_READ_DATES, **_READ_TIMES}),
    _reader("PARSE_TIMESTAMP", TIMESTAMP, {**_READ_DATES, **_READ_TIMES, **_READ_ZONE}),
    _reader("PARSE_TIME", TIME, _READ_TIMES),
)
