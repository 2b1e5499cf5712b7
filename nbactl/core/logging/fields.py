"""What a caller passed in `extra=`."""

from __future__ import annotations

import logging
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.observe.masking import MASK, is_secret_name, mask, mask_within

if TYPE_CHECKING:
    from collections.abc import Collection

_STANDARD: Final = len(vars(logging.makeLogRecord({})))
"""Attributes that every record is made with; what was added to one stands behind them."""
_LATE: Final = frozenset({"message", "asctime"})
"""What formatters add to a record."""
_PLAIN: Final = frozenset({int, float, bool, type(None)})


def fields_of(record: logging.LogRecord, ours: Collection[str]) -> dict[str, Any]:
    """Return the fields with secrets masked; a name that is among `ours` gets an underscore in front."""
    fields: dict[str, Any] = {}
    for name, value in islice(record.__dict__.items(), _STANDARD, None):
        if name in _LATE:
            continue
        if _is_secret(name):
            told = MASK
        elif type(value) is str:
            told = mask(value)
        elif type(value) in _PLAIN:
            told = value
        else:
            told = mask_within(value)
        fields[f"_{name}" if name in ours else name] = told
    return fields


_is_secret = lru_cache(maxsize=1024)(is_secret_name)
