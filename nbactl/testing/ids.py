"""Identifiers that are the same in every run of a test."""

from __future__ import annotations

import threading
from collections import Counter


class SequentialIds:
    """Ids that count: `run-0001`, `run-0002`, `task-0001`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def new(self, prefix: str) -> str:
        """Return the next id of `prefix`."""
        with self._lock:
            self._counts[prefix] += 1
            return f"{prefix}-{self._counts[prefix]:04d}"
