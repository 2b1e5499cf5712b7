"""What `nbactl migrate completions` is asked to do: one action, and the options that it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from nbactl.core._support.names import did_you_mean
from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import UsageError
from nbactl.migrations.completions.migration import NAME
from nbactl.migrations.completions.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbactl.core._support.gamedate import GameDate

ACTIONS: Final = (
    *("status", "plan", "start-dual-write", "backfill", "validate", "repair", "switch-reads", "stop-dual-write"),
    *("cleanup", "rollback", "pause", "resume"),
)
READING: Final = frozenset({"status", "plan", "validate"})
"""Actions that change no batch and no stage."""

_PARTS: Final = {"plan", "backfill", "validate", "repair"}
_TAKES: Final[Mapping[str, set[str]]] = {
    "batch": {*_PARTS, "cleanup"},
    "since": _PARTS,
    "sample": {"plan", "validate"},
    "rate": {"plan", "backfill"},
    "max_age": {"switch-reads", "stop-dual-write"},
    "watch": {"validate"},
    "force": {"start-dual-write", "switch-reads", "stop-dual-write", "cleanup"},
    "to": {"rollback"},
    "undo": {"cleanup"},
    "dry_run": set(ACTIONS) - READING,
    "reason": set(ACTIONS) - READING - {"resume"},
}
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)(?:/s)?")


@dataclass(frozen=True, slots=True)
class MigrateRequest:
    """The options of an action; each action reads those that it takes.

    `batch`, `since` and `sample` (percent) choose batches; `rate` is in writes per second, `max_age` in seconds.
    """

    batch: tuple[str, ...] = ()
    since: GameDate | None = None
    sample: float | None = None
    rate: float | None = None
    max_age: float | None = None
    watch: bool = False
    force: bool = False
    to: CompletionStage | None = None
    undo: Path | None = None
    dry_run: bool = False
    reason: str | None = None

    @property
    def selection(self) -> Selection:
        """The chosen batches."""
        return Selection(self.batch, self.since, self.sample)


def one_action(chosen: Mapping[str, bool]) -> str:
    """Return the chosen action, `status` by default. Raises UsageError for more than one."""
    actions = [action for action, is_chosen in chosen.items() if is_chosen]
    if len(actions) > 1:
        raise UsageError(
            f"--{actions[0]} and --{actions[1]} are two actions",
            next_step="Give one action at a time: each needs what the one before has proved.",
        )
    return actions[0] if actions else "status"


def check_options(action: str, request: MigrateRequest) -> None:
    """Raise UsageError for an option that `action` does not take."""
    for field in fields(request):
        if getattr(request, field.name) in (None, False, ()):
            continue
        takes = _TAKES[field.name]
        if action not in takes or (field.name, action, request.undo) == ("batch", "cleanup", None):
            others = ", ".join(f"--{other}" for other in ACTIONS if other in takes)
            option = f"--{field.name.replace('_', '-')}"
            raise UsageError(f"--{action} does not take {option}", next_step=f"It goes with {others}.")


def parse_force(text: str | None) -> bool:
    """Say whether a step is forced. Raises UsageError unless the migration's name was typed."""
    if text is not None and text != NAME:
        raise UsageError(
            f"--force {text} is not the migration's name",
            cause="To force a step, its name has to be typed.",
            next_step=f"If you are sure: --force {NAME}",
        )
    return text is not None


def parse_sample(percent: float | None) -> float | None:
    """Return the share of batches in percent. Raises UsageError outside of its bounds."""
    if percent is not None and not 0 < percent <= 100:  # noqa: PLR2004 - percent
        raise UsageError(
            f"--sample must be above 0 and at most 100, not {percent:g}", next_step="For a tenth: --sample 10"
        )
    return percent


def parse_stage(text: str | None) -> CompletionStage | None:
    """Return the stage of that name. Raises UsageError if there is none."""
    if text is None:
        return None
    try:
        return CompletionStage(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a stage", next_step=did_you_mean(text, CompletionStage)) from None


def parse_rate(text: str | None) -> float | None:
    """Return writes per second from `500` or `500/s`. Raises UsageError for anything else."""
    if text is None:
        return None
    match = _RATE.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"'{text}' is not a valid rate", next_step="Give writes per second, such as 500/s.")
    return float(match[1])
