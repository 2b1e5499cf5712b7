"""What `nbactl bq apply` is asked to do: one action, and the options that it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.errors import UsageError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEEP: Final = "7d"
ACTIONS: Final = ("status", "pause", "resume", "undo")
_ALL: Final = ("apply", *ACTIONS)
_TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    "file": ("apply", "undo"),
    "tables": _ALL,
    "schemas": ("apply",),
    "drop_columns": ("apply",),
    "keep": ("apply",),
    "rate": ("apply", "undo"),
    "max_bytes": ("apply", "undo"),
    "dry_run": ("apply", "undo"),
    "reason": ("apply", "pause", "undo"),
}
_OPTIONS: Final = {"tables": "--table", "schemas": "--schema", "file": "FILE"}


@frozen
class ApplyRequest:
    """Which plan is applied to which tables, or what is asked of those under way.

    Without a `file` the declared tables are planned now. `keep` is in seconds, by default those of KEEP, `rate` in
    bytes a second, and `max_bytes` those that one statement may be billed.
    """

    file: Path | None = None
    tables: tuple[str, ...] = ()
    schemas: tuple[Path, ...] = ()
    drop_columns: bool = False
    keep: float | None = None
    rate: float | None = None
    max_bytes: int | None = None
    dry_run: bool = False
    reason: str | None = None


def one_action(chosen: Mapping[str, bool]) -> str:
    """Return the chosen action, `apply` by default. Raises UsageError for more than one."""
    actions = [action for action, is_chosen in chosen.items() if is_chosen]
    if len(actions) > 1:
        raise UsageError(f"--{actions[0]} and --{actions[1]} are two actions", next_step="Give one of them.")
    return actions[0] if actions else "apply"


def check_options(action: str, request: ApplyRequest) -> None:
    """Raise UsageError for an option that `action` does not take."""
    for name, actions in _TAKES.items():
        if getattr(request, name) in (None, False, ()) or action in actions:
            continue
        option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
        raise UsageError(f"--{action} does not take {option}", next_step="See: nbactl bq apply --help")
    if request.file is not None and (request.schemas or request.drop_columns):
        option = "--schema" if request.schemas else "--drop-columns"
        raise UsageError(f"{option} does not go together with a plan", next_step="Give it to nbactl bq plan.")
    if action == "undo" and request.file is None and not request.tables:
        raise UsageError("--undo needs a plan or a table", next_step="Give the plan, or --table DATASET.TABLE.")
