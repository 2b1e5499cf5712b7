"""Log records for a person: one line each, in Eastern time."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbactl.core._support.gamedate import EASTERN
from nbactl.core.observe.context import current
from nbactl.core.observe.logging.cloud import fields_of, severity_of
from nbactl.core.observe.masking import mask

if TYPE_CHECKING:
    from collections.abc import Mapping


class HumanFormatter(logging.Formatter):
    """`12:00:01 WARNING player_game_summary: message  rows=3`, Eastern time."""

    def format(self, record: logging.LogRecord) -> str:
        labels = current().labels()
        place = labels.get("task") or labels.get("workflow") or record.name
        extra = fields_of(record, ())
        if record.exc_info and record.exc_info[0] is not None:
            extra["stack_trace"] = mask("".join(traceback.format_exception(*record.exc_info)))
        time = datetime.fromtimestamp(record.created, UTC)
        return readable(time, severity_of(record.levelno), place, mask(record.getMessage()), extra)


def readable(time: datetime, severity: str, place: str, message: str, extra: Mapping[str, Any]) -> str:
    """Return a log entry for a person: one line in Eastern time, and below it the traceback if there is one."""
    pairs = " ".join(f"{name}={value}" for name, value in extra.items() if name != "stack_trace")
    stamp = time.astimezone(EASTERN).strftime("%H:%M:%S")
    line = f"{stamp} {severity:<7} {place}: {message}" + (f"  {pairs}" if pairs else "")
    return "\n".join([line, *str(extra.get("stack_trace", "")).splitlines()])
