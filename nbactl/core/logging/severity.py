"""Severities of Cloud Logging, for the levels of the standard library."""

from __future__ import annotations

from functools import cache

SEVERITIES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@cache
def severity_of(level: int) -> str:
    """Return the severity that a level number of `logging` stands for."""
    return SEVERITIES[min(max(level // 10 - 1, 0), len(SEVERITIES) - 1)]
