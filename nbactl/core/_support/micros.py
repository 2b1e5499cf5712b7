"""Instants as microseconds since 1970, as files keep them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=64)
def from_micros(micros: int) -> datetime:
    """Return microseconds since 1970 as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=micros)


def rfc3339(instant: datetime) -> str:
    """Return an aware UTC instant as Google's APIs write it: 2026-01-15T12:00:00.125Z."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
