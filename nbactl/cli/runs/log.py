"""Reads the log of a run: the JSON lines that `core.logging` wrote."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.observe.logging import SEVERITIES, readable
from nbactl.core.observe.logging.cloud import LABELS, OURS, PREFIX
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KNOWN: Final = OURS | {"labels"}


@frozen
class LogFilter:
    """Which entries are wanted: at least as severe as `level`, and of one task if `task` is given."""

    level: str = "INFO"
    task: str | None = None

    def wants(self, entry: dict[str, Any]) -> bool:
        """Say whether an entry is wanted."""
        severity = entry.get("severity", "INFO")
        if severity in SEVERITIES and SEVERITIES.index(severity) < SEVERITIES.index(self.level):
            return False
        return self.task is None or entry.get("labels", {}).get("task") == self.task


class LogFile:
    """A run's log that may still grow; every call of `new_entries` yields what was added since the last."""

    def __init__(self, path: Path, wanted: LogFilter) -> None:
        self._path = path
        self._wanted = wanted
        self._position = 0

    def new_entries(self, *, last: bool) -> Iterator[dict[str, Any]]:
        """Yield the wanted entries added since the last call; `last` says that no line is still being written."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n") and not last:
                    return
                self._position += len(line)
                if self._wanted.wants(entry := _parse(line)):
                    yield entry


def for_a_person(entry: dict[str, Any]) -> str:
    """Return an entry as it is read: one line, and its traceback below."""
    labels = entry.get("labels", {})
    place = labels.get("task") or labels.get("workflow") or entry.get("logger", "")
    extra = {name: value for name, value in entry.items() if name not in _KNOWN and not name.startswith(PREFIX)}
    if "time" not in entry:
        return str(entry["message"])
    return readable(datetime.fromisoformat(entry["time"]), entry["severity"], place, entry["message"], extra)


def _parse(line: bytes) -> dict[str, Any]:
    """Return an entry; what a killed process left unfinished is shown as it is."""
    text = line.decode(errors="replace").rstrip("\n")
    try:
        entry = json.loads(text)
    except ValueError:
        entry = None
    complete = isinstance(entry, dict) and {"time", "severity", "message"} <= set(entry)
    if complete and LABELS in entry:
        entry["labels"] = entry.pop(LABELS)
    return entry if complete else {"severity": "WARNING", "message": f"unreadable line: {text}"}
