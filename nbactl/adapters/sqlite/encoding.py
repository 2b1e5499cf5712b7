r"""Documents as JSON text that SQLite can look into.

JSON has no time stamps, and SQLite (3.40) cuts strings at NUL and finds no key that is escaped in the text. So:

- in strings NUL becomes `\x01\x01` and `\x01` becomes `\x01\x02`, which keeps their order;
- a time stamp is the string `\x01\x03` and its ISO form in UTC at fixed width, so text order is time order;
- in keys `%`, `"`, `\` and control characters are written `%XX`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

TIME_MARK: Final = "\x01\x03"
AFTER_TIMES: Final = "\x01\x04"
"""Sorts after every encoded time stamp and before every string that follows."""

_AS_THEY_ARE = frozenset({type(None), bool, int, float})
_KEY_ESCAPED = re.compile(r'[%"\\\x00-\x1f]')
_KEY_CODE = re.compile(r"%([0-9A-F]{2})")


def encode(data: dict[str, Any]) -> str:
    """Return the stored text of checked data."""
    return orjson.dumps(encode_value(data)).decode()


def decode(text: bytes) -> dict[str, Any]:
    """Return the data of a stored text. Raises ValueError for a text that is not what `encode` writes."""
    value: dict[str, Any] = orjson.loads(text)
    if type(value) is not dict:
        raise ValueError("it is not a map")
    # Only what was escaped needs the walk; JSON writes \x01 as \u0001.
    return _decode_map(value) if b"\\u0001" in text or b"%" in text else value


def decode_any(text: str) -> Any:  # noqa: ANN401 - any stored value
    """Return the value of a stored text that need not be a map."""
    return decode_value(orjson.loads(text))


def encode_value(value: Any) -> Any:  # noqa: ANN401, PLR0911 - any storable value, a kind a line
    """Return a checked value as JSON types."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is str:
        return encode_text(value)
    if kind is datetime:
        return encode_time(value)
    if isinstance(value, dict):
        return {encode_key(key): encode_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [encode_value(item) for item in value]
    if isinstance(value, str):  # a subclass, such as an enumeration's
        return encode_text(value)
    if isinstance(value, datetime):
        return encode_time(value)
    return float(value) if isinstance(value, float) else int(value)


def encode_text(text: str) -> str:
    """Return a string in stored form."""
    if "\x01" in text or "\x00" in text:
        return text.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    return text if type(text) is str else str.__str__(text)


def encode_time(instant: datetime) -> str:
    """Return a checked datetime in stored form."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    if instant.microsecond and type(instant) is datetime:
        return TIME_MARK + orjson.dumps(instant)[1:-1].decode()  # the same, five times faster
    return TIME_MARK + instant.isoformat(timespec="microseconds")


@lru_cache(maxsize=4096)
def encode_key(key: str) -> str:
    """Return a map key in stored form."""
    return _KEY_ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", key)


def decode_value(value: Any) -> Any:  # noqa: ANN401 - any stored value
    """Return the value that JSON types encode."""
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
