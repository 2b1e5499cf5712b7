"""Firestore's order of values of all types, as bytes that compare like the values."""

from __future__ import annotations

import json
import struct
from datetime import datetime
from typing import Any

from nbactl.adapters.sqlite.encoding import decode_any, encode_text, encode_time

NULL, BOOL, NUMBER, TIME, TEXT, ARRAY, MAP = range(1, 8)
"""The order of types: the first byte of a sort key."""

_SIGN = 1 << 63
_ALL = (1 << 64) - 1


def sort_key(value: Any) -> bytes:  # noqa: ANN401 - any storable value
    """Return bytes that order like Firestore: null, bool, number, time, string, array, map.

    Equal keys mean equal values: 1 and 1.0 are equal, 1 and True are not.
    """
    match value:
        case None:
            rank, content = NULL, b""
        case bool():
            rank, content = BOOL, bytes((value,))
        case int() | float():
            rank, content = NUMBER, _number(value)
        case datetime():
            rank, content = TIME, encode_time(value).encode()
        case str():
            rank, content = TEXT, _text(value)
        case list():
            rank, content = ARRAY, b"".join(map(sort_key, value)) + b"\x00"
        case _:
            rank, content = MAP, b"".join(_text(key) + sort_key(value[key]) for key in sorted(value)) + b"\x00"
    return bytes((rank,)) + content


def stored_sort_key(text: str) -> bytes:
    """Return the sort key of a value in stored form (an SQL function)."""
    return sort_key(decode_any(text))


def json_number(value: float) -> str:
    """Return a number as JSON, to be read by SQLite's own parser as the stored ones are."""
    return json.dumps(value)


def _text(text: str) -> bytes:
    return encode_text(text).encode() + b"\x00"  # the stored form holds no NUL


def _number(value: float) -> bytes:
    # The nearest double, then how far an integer lies from it: exact for mixed 64-bit integers and doubles.
    nearest = float(value) + 0.0  # -0.0 equals 0
    bits: int = struct.unpack(">Q", struct.pack(">d", nearest))[0]
    ordered = bits ^ _ALL if bits & _SIGN else bits | _SIGN
    offset = value - int(nearest) if isinstance(value, int) else 0
    return struct.pack(">QQ", ordered, offset + _SIGN)
