"""Quarantine: records that are not what they should be, kept verbatim with the reason and where they stood."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.errors import DataError

if TYPE_CHECKING:
    from nbactl.pipeline.sources.base import RawRecord

Reason = Literal[
    "missing_name",
    "missing_value",
    "missing_minutes",
    "bad_minutes",
    "bad_value",
    "negative_value",
    "impossible_value",
    "wrong_date",
    "unknown_team",
    "team_not_in_game",
    "no_such_game",
    "wrong_game",
    "second_row",
    "not_in_box_score",
    "conflict",
]

COLUMNS: Final = ("game_date", "reason", "message", "origin", "shape", "payload")


class RejectedRecordError(DataError):
    """A record that goes to quarantine."""

    code = "rejected_record"

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record in quarantine."""

    record: RawRecord
    reason: Reason
    message: str

    def row(self) -> tuple[Any, ...]:
        """Return the values of COLUMNS."""
        record = self.record
        payload = json.dumps(record.payload, ensure_ascii=False)
        return (record.game_date, self.reason, self.message, record.origin, record.shape, payload)


def quarantine_table(table: str) -> str:
    """Return the quarantine of a table. Each has its own, so that processors that run side by side never meet."""
    return f"{table}_quarantine"


@dataclass(slots=True)
class Normalised:
    """The outcome for a date. Records in = rows + quarantined + the sum of `set_aside`; nothing else goes missing."""

    records: int
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    set_aside: Counter[str] = field(default_factory=Counter)
    """Records that are neither rows nor faults: dnp, duplicates, superseded, games that are not the thirty teams'."""
    warnings: list[str] = field(default_factory=list)
    """Sentences for the operator about what was taken as it is, though it may be wrong."""

    notes: list[str] = field(default_factory=list)
    """Sentences about decisions that are right and may be of interest."""

    def detail(self) -> dict[str, Any]:
        """Return the reconciliation for the ledger."""
        detail: dict[str, Any] = {"records": self.records, "quarantined": len(self.quarantined), **self.set_aside}
        if self.quarantined:
            detail["reasons"] = dict(Counter(bad.reason for bad in self.quarantined))
        for name, sentences in (("warnings", self.warnings), ("notes", self.notes)):
            if sentences:
                detail[name] = list(sentences)
        return detail
