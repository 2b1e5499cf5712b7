"""What a caller passed in `extra=`."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.logging.masking import MASK, is_secret_name, mask, mask_within

if TYPE_CHECKING:
    from collections.abc import Collection

_LATE: Final = frozenset({"message", "asctime"})
"""What formatters add to a record."""
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | _LATE | {"taskName"}
_PLAIN: Final = frozenset({int, float, bool, type(None)})


def fields_of(record: logging.LogRecord, ours: Collection[str]) -> dict[str, Any]:
    """Return the fields with secrets masked; a name that is among `ours` gets an underscore in front."""
    given = record.__dict__
    names = []
    for name in reversed(given):  # what was added to a record stands behind what it was made with
        if name not in _STANDARD:
            names.append(name)
        elif name not in _LATE:
            break
    fields: dict[str, Any] = {}
    for name in reversed(names):
        value = given[name]
        if type(value) is str:
            told = MASK if _is_secret(name) else mask(value)
        elif type(value) in _PLAIN:
            told = MASK if _is_secret(name) else value
        else:
            told = MASK if _is_secret(name) else mask_within(value)
        fields[f"_{name}" if name in ours else name] = told
    return fields


_is_secret = lru_cache(maxsize=1024)(is_secret_name)
