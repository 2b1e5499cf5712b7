"""The Retry-After header of HTTP (RFC 9110, 10.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_MOST_DIGITS: Final = 9


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return the seconds that the header asks to wait, from a number or a date; None for nothing or nonsense."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MOST_DIGITS])
    try:
        when = parsedate_to_datetime(text)
        if when.tzinfo is None:  # "-0000": the date is in UTC, but says nothing about the sender's zone
            when = when.replace(tzinfo=UTC)
        return max(0.0, (when - now).total_seconds())
    except (ValueError, OverflowError):  # an hour, a year or a zone that no date has
        return None
