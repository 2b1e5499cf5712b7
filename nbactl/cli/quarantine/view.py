"""Refused records as JSON, as CSV and as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.quarantine.command import RefusedRecord, RefusedRecords
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment

_FIELDS = ("id", "table", "game_date", "reason", "message", "origin", "shape")


def refused_list(found: RefusedRecords) -> View:
    """Show which records were refused and why, and how many for each reason."""
    reasons = [{"table": table, "reason": reason, "records": count} for (table, reason), count in found.reasons.items()]

    def show(console: Console) -> None:
        if not found.records:
            console.note(f"No record matches in the quarantine of {', '.join(found.tables)}.")
            return
        rows: list[list[Segment | None]] = [
            [record.id, str(record.game_date), record.table, record.reason, record.origin, record.message]
            for record in found.records
        ]
        console.table(["id", "date", "table", "reason", "origin", "message"], rows, optional=["table", "date"])
        console.print()
        counted: list[list[Segment | None]] = [
            [str(one["table"]), str(one["reason"]), f"{one['records']:,}"] for one in reasons
        ]
        console.table(["table", "reason", "records"], counted)
        console.showing(len(found.records), found.total, "refused records", more="--limit shows more.")

    return View(
        {"records": [_record(record) for record in found.records], "reasons": reasons, "total": found.total},
        show,
        items="records",
        csv=[list(_FIELDS), *([getattr(record, name) for name in _FIELDS] for record in found.records)],
        paged=True,
    )


def refused_record(records: Sequence[RefusedRecord]) -> View:
    """Show everything about a refused record, the record itself with its control characters made visible."""

    def show(console: Console) -> None:
        for number, record in enumerate(records):
            if number:
                console.print()
            for name in _FIELDS:
                console.print(Styled(f"{name.replace('_', ' '):<11}", "dim"), str(getattr(record, name)))
            text = json.dumps(record.payload, ensure_ascii=False, indent=2)
            for line in text.split("\n"):
                console.print(line)

    return View({"records": [_record(record) for record in records]}, show, items="records", paged=True)


def _record(record: RefusedRecord) -> dict[str, Any]:
    return {**{name: getattr(record, name) for name in _FIELDS}, "payload": record.payload}
