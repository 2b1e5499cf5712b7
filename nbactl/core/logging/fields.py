"""What a caller passed in `extra=`."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.logging.masking import MASK, is_secret_name, mask_within

if TYPE_CHECKING:
    from collections.abc import Collection

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN: Final = frozenset({int, float, bool, type(None)})


def fields_of(record: logging.LogRecord, ours: Collection[str]) -> dict[str, Any]:
    """Return the fields with secrets masked; a name that is among `ours` gets an underscore in front."""
    given = record.__dict__
    if len(given) <= len(_STANDARD) and given.keys() <= _STANDARD:
        return {}
    fields: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _STANDARD:
            if _is_secret(name):
                value = MASK  # noqa: PLW2901 - that is the point
            elif type(value) not in _PLAIN:
                value = mask_within(value)  # noqa: PLW2901
            fields[f"_{name}" if name in ours else name] = value
    return fields


_is_secret = lru_cache(maxsize=1024)(is_secret_name)
