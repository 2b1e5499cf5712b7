"""As much of Cloud Logging as its queries need: what becomes of a line, and which entries a query selects.

A query is a comparison a line, joined by AND: `path=value`, `path>=value`, with `(value OR value)` for several.
"""

from __future__ import annotations

import json
import re
from typing import Any

_COMPARISON = re.compile(r"([\w.]+)(>=|=)(.+)")
_SEVERITIES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LIFTED = {
    "time": "timestamp",
    "severity": "severity",
    "logging.googleapis.com/labels": "labels",
    "logging.googleapis.com/trace": "trace",
    "logging.googleapis.com/spanId": "spanId",
    "logging.googleapis.com/trace_sampled": "traceSampled",
    "logging.googleapis.com/sourceLocation": "sourceLocation",
}


def log_entry(line: str) -> dict[str, Any]:
    """Return the entry that the logging agent makes of a line."""
    given = json.loads(line)
    entry = {_LIFTED[name]: value for name, value in given.items() if name in _LIFTED}
    return {**entry, "jsonPayload": {name: value for name, value in given.items() if name not in _LIFTED}}


def selects(query: str, entry: dict[str, Any]) -> bool:
    """Say whether a query selects an entry."""
    return all(_holds(line, entry) for line in query.strip().splitlines())


def _holds(line: str, entry: dict[str, Any]) -> bool:
    found = _COMPARISON.fullmatch(line)
    assert found is not None, line
    path, operator, text = found.groups()
    value: Any = entry
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return False
    if path == "severity":
        value = _SEVERITIES.index(value)
        wanted: list[Any] = [_SEVERITIES.index(text)]
    else:
        wanted = [json.loads(part) for part in text.strip("()").split(" OR ")]
    return bool(value >= wanted[0]) if operator == ">=" else value in wanted
