"""The model of `retention` in timeouts.yaml: how long each kind of what accumulates is kept, with the reason."""

from __future__ import annotations

from typing import Final

from nbactl.config.base import Seconds, Strict, Why

KINDS: Final[tuple[str, ...]] = (
    "runs",
    "run_logs",
    "raw_files",
    "exports",
    "flag_history",
    "migration_history",
    "audit",
    "decisions",
    "crash_reports",
    "bus",
)
"""What `prune` and ticks remove, in this order: a log is judged by its run."""


class Keep(Strict):
    """How long something is kept at least."""

    keep: Seconds
    why: Why
