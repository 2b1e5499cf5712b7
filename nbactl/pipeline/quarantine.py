"""Quarantine: records that are not what they should be, kept verbatim with the reason and where they stood."""

from __future__ import annotations

import json
from dataclasses import dataclass
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
