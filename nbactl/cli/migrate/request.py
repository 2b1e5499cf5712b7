"""What `nbactl migrate completions` was asked: one action, and only options that it has."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import UsageError
from nbactl.migrations.completions.migration import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbactl.migrations.completions.selection import Selection

ACTIONS: Final = (
    *("status", "plan", "start-dual-write", "backfill", "validate", "repair", "switch-reads", "stop-dual-write"),
    *("cleanup", "rollback", "pause", "resume"),
)
READING: Final = frozenset({"status", "plan", "validate"})
"""Actions that change no batch and no stage."""

_PARTS: Final = {"plan", "backfill", "validate", "repair"}
_GATED: Final = {"start-dual-write", "switch-reads", "stop-dual-write", "cleanup"}
_TAKES: Final[Mapping[str, set[str]]] = {
    "batch": _PARTS,
    "since": _PARTS,
    "sample": {"plan", "validate"},
    "rate": {"plan", "backfill"},
    "max_age": {"switch-reads", "stop-dual-write"},
    "watch": {"validate"},
    "force": _GATED,
    "to": {"rollback"},
    "undo": {"cleanup"},
    "dry_run": set(ACTIONS) - READING,
    "reason": set(ACTIONS) - READING - {"resume"},
}
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:/s)?")


@dataclass(frozen=True, slots=True)
class Options:
    """The options as they were given; None, False or empty where they were not."""

    batch: tuple[str, ...]
    since: str | None
    sample: float | None
    rate: str | None
    max_age: str | None
    watch: bool
    force: str | None
    to: str | None
    undo: Path | None
    dry_run: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `rate` is in writes a second, `max_age` in seconds."""

    action: str
    selection: Selection
    rate: float | None
    max_age: float | None
    watch: bool
    force: bool
    to: CompletionStage | None
    undo: Path | None
    dry_run: bool
    reason: str | None


def one_action(chosen: Mapping[str, bool]) -> str:
    """Return the action that was asked for, `status` if none was. Raises UsageError for more than one."""
    asked = [action for action, is_asked in chosen.items() if is_asked]
    if len(asked) > 1:
        raise UsageError(
            f"--{asked[0]} and --{asked[1]} are two actions",
            next_step="Give one at a time: each stands on what the one before proved.",
        )
    return asked[0] if asked else "status"


def check_options(action: str, options: Options) -> None:
    """Raise UsageError for an option that `action` does not have."""
    for field in fields(options):
        if field.name == "batch" and options.undo is not None:
            continue
        if getattr(options, field.name) and action not in _TAKES[field.name]:
            name = field.name.replace("_", "-")
            others = ", ".join(f"--{each}" for each in ACTIONS if each in _TAKES[field.name])
            raise UsageError(f"--{action} has no --{name}", next_step=f"It goes with {others}.")
    if options.sample is not None and not 0 < options.sample <= 100:  # noqa: PLR2004 - percent
        raise UsageError(f"a sample of {options.sample:g} % is none", next_step="Give more than 0, at most 100.")
    if options.force is not None and options.force != NAME:
        raise UsageError(
            f"--force {options.force} is not the migration's name",
            cause="To force a step its name has to be typed.",
            next_step=f"If you are sure: --force {NAME}",
        )


def parse_stage(text: str | None) -> CompletionStage | None:
    """Return the stage of that name. Raises UsageError if there is none."""
    if text is None:
        return None
    try:
        return CompletionStage(text)
    except ValueError:
        raise UsageError(f"'{text}' is no stage", next_step=f"They are {', '.join(CompletionStage)}.") from None


def parse_rate(text: str | None) -> float | None:
    """Return writes a second from `500` or `500/s`. Raises UsageError for anything else."""
    if text is None:
        return None
    match = _RATE.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"'{text}' is no rate", next_step="Write how many a second, such as 500/s.")
    return float(match[1])
