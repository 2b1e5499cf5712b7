r"""Documents as JSON text that SQLite can look into.

JSON has no time stamps, and SQLite (3.40) cuts strings at NUL and finds no key that is escaped in the text. So:

- in strings NUL becomes `\x01\x01` and `\x01` becomes `\x01\x02`, which keeps their order;
- a time stamp is the string `\x01\x03` and its ISO form in UTC at fixed width, so text order is time order;
- in keys `%`, `"`, `\` and control characters are written `%XX`.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

TIME_MARK: Final = "\x01\x03"
AFTER_TIMES: Final = "\x01\x04"
"""Sorts after every encoded time stamp and before every string that follows."""

_AS_THEY_ARE = frozenset({type(None), bool, int, float})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KEY_ESCAPED = re.compile(r'[%"\\\x00-\x1f]')
_KEY_CODE = re.compile(r"%([0-9A-F]{2})")
_dump = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_load = json.JSONDecoder().decode


def to_micros(instant: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=64)
def from_micros(micros: int) -> datetime:
    """Return microseconds since 1970 as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=micros)


def encode(data: dict[str, Any]) -> str:
    """Return the stored text of checked data."""
    return _dump(encode_value(data))


def decode(text: str) -> dict[str, Any]:
    """Return the data of a stored text."""
    value: dict[str, Any] = _load(text)
    # Only what was escaped needs the walk; JSON writes \x01 as \u0001.
    return _decode_map(value) if "\\u0001" in text or "%" in text else value


def decode_any(text: str) -> Any:  # noqa: ANN401 - any stored value
    """Return the value of a stored text that need not be a map."""
    return decode_value(_load(text))


def encode_value(value: Any) -> Any:  # noqa: ANN401 - any storable value
    """Return a checked value as JSON types."""
    kind = type(value)
    if kind is str:
        return encode_text(value)
    if kind is datetime:
        return encode_time(value)
    made: Any = value
    match value:
        case bool() | None:
            pass
        case str():
            made = encode_text(value)
        case dict():
            made = {
                encode_key(key): item if type(item) in _AS_THEY_ARE else encode_value(item)
                for key, item in value.items()
            }
        case datetime():
            made = encode_time(value)
        case list():
            made = [encode_value(item) for item in value]
        case float():
            made = float(value)
        case _:
            made = int(value)
    return made


def encode_text(text: str) -> str:
    """Return a string in stored form."""
    if "\x01" in text or "\x00" in text:
        return text.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    return text if type(text) is str else str.__str__(text)


def encode_time(instant: datetime) -> str:
    """Return a checked datetime in stored form."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return TIME_MARK + instant.isoformat(timespec="microseconds")


@lru_cache(maxsize=4096)
def encode_key(key: str) -> str:
    """Return a map key in stored form."""
    return _KEY_ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", key)


def decode_value(value: Any) -> Any:  # noqa: ANN401 - any stored value
    """Return JSON types as the value they stand for."""
    kind = type(value)  # as JSON gives them, there are no others
    if kind is str:
        return _decode_text(value)
    if kind is dict:
        return _decode_map(value)
    return [decode_value(item) for item in value] if kind is list else value


def _decode_map(value: dict[str, Any]) -> dict[str, Any]:
    return {(_decode_key(key) if "%" in key else key): decode_value(item) for key, item in value.items()}


def _decode_key(key: str) -> str:
    return _KEY_CODE.sub(lambda match: chr(int(match[1], 16)), key)


def _decode_text(text: str) -> Any:  # noqa: ANN401 - a string or a time stamp
    if "\x01" not in text:
        return text
    if text.startswith(TIME_MARK):
        return datetime.fromisoformat(text[len(TIME_MARK) :])
    return text.replace("\x01\x01", "\x00").replace("\x01\x02", "\x01")
