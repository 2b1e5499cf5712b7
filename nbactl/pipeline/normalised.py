"""What becomes of the raw records of one game date: rows, quarantine, and a count of everything else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbactl.pipeline.quarantine import Quarantined


@dataclass(slots=True)
class Normalised:
    """The outcome for a date. Records in = rows + quarantined + the sum of `set_aside`; nothing else goes missing."""

    records: int
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    set_aside: Counter[str] = field(default_factory=Counter)
    """Records that are no rows and no fault: dnp, duplicates, superseded."""

    def detail(self) -> dict[str, Any]:
        """Return the reconciliation for the ledger."""
        detail: dict[str, Any] = {"records": self.records, "quarantined": len(self.quarantined), **self.set_aside}
        if self.quarantined:
            detail["reasons"] = dict(Counter(bad.reason for bad in self.quarantined))
        return detail
