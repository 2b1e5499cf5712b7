"""Whether a finished task is still fresh: what it read, what it wrote and its code are as the ledger has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from nbactl.ports.compute import Versions, Work


class CurrentVersions(Protocol):
    """What tasks would read now, and what is there of what they wrote."""

    def current(self, works: Mapping[str, Work], days: Sequence[date]) -> Mapping[tuple[str, date], Versions]:
        """Return the versions by task name and date: one query per table for all dates.

        A task that cannot say what it reads is left out; a resource that cannot be asked without work (a server) is
        missing from `reads`; what is gone is missing from `writes`.
        """
        ...

    def changed(self, work: Work, day: date, since: datetime) -> Sequence[str]:
        """Return what the task reads that changed after `since`, such as `nba_raw.games 2025-01-14`, oldest first."""
        ...
