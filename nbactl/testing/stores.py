"""Stores that live in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.testing.clock import FakeClock

if TYPE_CHECKING:
    from nbactl.core.clock import Clock

_BUSY_TIMEOUT = 5.0


def memory_documents(clock: Clock | None = None) -> SqliteDocuments:
    """Return an empty document store in memory; without a clock it gets a FakeClock."""
    return SqliteDocuments(":memory:", clock=clock or FakeClock(), busy_timeout=_BUSY_TIMEOUT)
