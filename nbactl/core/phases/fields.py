"""Fields of documents that other programs wrote: what cannot be used is named, and counts as missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from nbactl.frozen import frozen

_SHOWN: Final = 60
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2999
"""A time outside of these stands for none, and time limits cannot be counted from it."""


@frozen
class Malformed:
    """A stored value that is not what it should be. `value` is its text, cut short."""

    field: str
    value: str
    reason: str


def as_time(value: object) -> tuple[datetime | None, str | None]:
    """Return a stored time as aware UTC, and what is wrong with it.

    Old programs wrote texts, and times without a zone; these are UTC, as Cloud Run's clocks are.
    """
    wrong = None
    if isinstance(value, str):
        wrong = "is a text, not a time"
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None, "is not a time"
    if not isinstance(value, datetime):
        return None, "is not a time"
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        return None, f"is outside the years {_FIRST_YEAR} to {_LAST_YEAR}"
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC), "has no time zone, taken for UTC"
    return value.astimezone(UTC), wrong


class StoredFields:
    """Fields of a stored map. What cannot be used is noted in `problems` and counts as missing."""

    def __init__(self, data: object, prefix: str = "", problems: list[Malformed] | None = None) -> None:
        self.absent = not isinstance(data, Mapping)
        self.data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        self.problems: list[Malformed] = [] if problems is None else problems
        self._prefix = prefix

    def refuse(self, name: str, reason: str) -> None:
        """Note what is wrong with a field."""
        value = ascii(self.data[name]) if name in self.data else ""
        shown = value if len(value) <= _SHOWN else f"{value[: _SHOWN - 3]}..."
        self.problems.append(Malformed(f"{self._prefix}{name}", shown, reason))

    def map(self, name: str) -> StoredFields:
        """Return a map inside."""
        value = self.data.get(name)
        if not isinstance(value, Mapping):
            self.refuse(name, "is not a map")
        return StoredFields(value, f"{self._prefix}{name}.", self.problems)

    def time(self, name: str) -> datetime | None:
        if (value := self.data.get(name)) is None:
            return None
        found, wrong = as_time(value)
        if wrong is not None:
            self.refuse(name, wrong)
        return found

    def text(self, name: str) -> str | None:
        value = self.data.get(name)
        if value is None or isinstance(value, str):
            return value
        self.refuse(name, "is not a text")
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.data.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.refuse(name, "is not a list of texts")
            return ()
        return tuple(value)

    def maps(self, name: str) -> tuple[Mapping[str, Any], ...]:
        value = self.data.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            self.refuse(name, "is not a list of maps")
            return ()
        return tuple(value)

    def flag(self, name: str) -> bool | None:
        value = self.data.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.refuse(name, "is not true or false")
        return None

    def count(self, name: str) -> int | None:
        value = self.data.get(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JavaScript and JSON know no other numbers
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.refuse(name, "is not a whole number from 0 up")
            return None
        return value
