"""Date parts and time zones: what EXTRACT, the TRUNC and the DIFF functions share."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sqlglot import exp  # noqa: TID253 - imported by dialect.py inside functions

from nbactl.adapters.duckdb.sql.parse import invalid
from nbactl.adapters.duckdb.sql.types import text

if TYPE_CHECKING:
    from nbactl.adapters.duckdb.sql.functions.table import Call

WEEKDAYS: Final = {
    "MONDAY": 1, "TUESDAY": 2, "WEDNESDAY": 3, "THURSDAY": 4, "FRIDAY": 5, "SATURDAY": 6, "SUNDAY": 7,
}  # fmt: skip
MICROSECONDS: Final = {
    "MICROSECOND": 1,
    "MILLISECOND": 1_000,
    "SECOND": 1_000_000,
    "MINUTE": 60_000_000,
    "HOUR": 3_600_000_000,
    "DAY": 86_400_000_000,
}
MONTHS: Final = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}


def part_name(node: exp.Expr) -> str:
    """Return a date part as it is written, such as MONTH or WEEK(MONDAY)."""
    if isinstance(node, exp.Anonymous) and len(node.expressions) == 1:
        return f"{str(node.this).upper()}({node.expressions[0].name.upper()})"
    return node.name.upper()


def week_day(part: str) -> int | None:
    """Return the first day of the week of a part (1 is Monday), None for a part that is not a week."""
    if part == "WEEK":
        return 7
    if part == "ISOWEEK":
        return 1
    found = re.fullmatch(r"WEEK\((\w+)\)", part)
    return WEEKDAYS.get(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone by name, or an offset from UTC."""

    name: str = "UTC"
    offset: int | None = None

    def local(self, instant: str) -> str:
        """Return a TIMESTAMP as the DATETIME of this zone."""
        if self.offset is None:
            return f"timezone({text(self.name)}, {instant})"
        return f"(timezone('UTC', {instant}) + to_minutes({self.offset}))"

    def instant(self, local: str) -> str:
        """Return a DATETIME of this zone as a TIMESTAMP; of a time that comes twice, the first."""
        if self.name == "UTC":
            return f"timezone('UTC', {local})"
        if self.offset is None:
            later = f"timezone({text(self.name)}, {local})"
            earlier = f"({later} - INTERVAL 1 HOUR)"
            return f"(CASE WHEN timezone({text(self.name)}, {earlier}) = {local} THEN {earlier} ELSE {later} END)"
        return f"timezone('UTC', {local} - to_minutes({self.offset}))"


UTC: Final = Zone()


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def zone_of(call: Call, number: int) -> Zone:
    """Return the time zone of an argument, UTC if there is none. Raises DataError for one that is not a literal."""
    if number >= len(call.arguments):
        return UTC
    return named_zone(call.literal(number, "a time zone"), call.arguments[number])


def named_zone(name: str, node: exp.Expr) -> Zone:
    """Return a time zone by its name or offset. Raises DataError for an unknown one."""
    offset = re.fullmatch(r"(?:UTC)?([+-])(\d{1,2})(?::(\d{2}))?", name)
    if offset is not None:
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        if minutes <= 14 * 60 and int(offset[3] or 0) < 60:  # noqa: PLR2004 - the range of offsets
            return Zone(name, -minutes if offset[1] == "-" else minutes)
    elif name in _known():
        return Zone(name)
    raise invalid(f"'{name}' is not a time zone", node, instead="Write a name such as America/New_York, or +05:30.")


def days_into_week(day: str, first: int) -> str:
    """Return how many days a date is after the first day of its week."""
    return f"((isodow({day}) - {first} + 7) % 7)"


def truncated_date(day: str, part: str) -> str | None:
    """Return the first day of the part that a DATE is in, None for a part that DATE has not."""
    if part == "DAY":
        return day
    if (first := week_day(part)) is not None:
        return f"({day} - CAST({days_into_week(day, first)} AS INTEGER))"
    if part in MONTHS:
        return f"CAST(date_trunc('{part.lower()}', {day}) AS DATE)"
    if part == "ISOYEAR":
        fourth = f"make_date(isoyear({day}), 1, 4)"
        return f"({fourth} - CAST(isodow({fourth}) - 1 AS INTEGER))"
    return None


def truncated_datetime(local: str, part: str) -> str | None:
    """Return the begin of the part that a DATETIME is in, None for an unknown part."""
    if part in MICROSECONDS and part != "DAY":
        return local if part == "MICROSECOND" else f"date_trunc('{part.lower()}', {local})"
    day = truncated_date(f"CAST({local} AS DATE)", part)
    return None if day is None else f"CAST({day} AS TIMESTAMP)"


def truncated_timestamp(instant: str, part: str, zone: Zone) -> str | None:
    """Return the begin of the part that a TIMESTAMP is in, by the clock of a zone."""
    if part == "MICROSECOND":
        return instant
    local = zone.local(instant)
    begin = truncated_datetime(local, part)
    if begin is None:
        return None
    if part in MICROSECONDS and part != "DAY":  # by distance: an hour that comes twice is not lost
        return f"({instant} - ({local} - {begin}))"
    return zone.instant(begin)


def extracted(local: str, part: str, kind: str) -> str | None:  # noqa: PLR0911 - one return a kind of part
    """Return a part of a DATE, DATETIME or TIME, None for one that the type does not have."""
    clock = {
        "MICROSECOND": f"(EXTRACT(MICROSECONDS FROM {local}) % 1000000)",
        "MILLISECOND": f"(EXTRACT(MICROSECONDS FROM {local}) % 1000000 // 1000)",
        "SECOND": f"EXTRACT(SECOND FROM {local})",
        "MINUTE": f"EXTRACT(MINUTE FROM {local})",
        "HOUR": f"EXTRACT(HOUR FROM {local})",
    }
    if part in clock:
        return None if kind == "DATE" else clock[part]
    if kind == "TIME":
        return None
    if part in ("DAY", "MONTH", "QUARTER", "YEAR", "ISOYEAR"):
        return f"EXTRACT({part} FROM {local})"
    if part == "DAYOFWEEK":
        return f"(EXTRACT(DAYOFWEEK FROM {local}) + 1)"
    if part == "DAYOFYEAR":
        return f"EXTRACT(DAYOFYEAR FROM {local})"
    if part == "ISOWEEK":
        return f"EXTRACT(WEEK FROM {local})"
    if (first := week_day(part)) is not None:
        return f"((EXTRACT(DAYOFYEAR FROM {local}) - {days_into_week(local, first)} + 6) // 7)"
    return None
