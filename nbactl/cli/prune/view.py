"""What was pruned as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.prune.command import amount
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from nbactl.cli.prune.command import PruneResult
    from nbactl.cli.show.console import Console
    from nbactl.core.retention.retention import Pruned

_DAY: Final = 86_400


def pruned(result: PruneResult) -> View:
    """Show what was removed of each kind, and how long it is kept; the exit code is that of the first failure."""
    dry_run = result.request.dry_run
    error = next((pruned.error for pruned in result.pruned if pruned.error is not None), None)

    def show(console: Console) -> None:
        rows = [
            (one.kind, amount(one) if one.removed else Styled("-", "dim"), moment(one.before), _kept(one, result))
            for one in result.pruned
        ]
        console.table(["kind", "would remove" if dry_run else "removed", "before", "kept for"], rows)
        for one in result.pruned:
            console.detail(f"{one.kind}: {result.specs[one.kind].why}")
        if not result.removed:
            console.note("Nothing to do: nothing is kept longer than it must be.")

    data = {
        "dry_run": dry_run,
        "removed": 0 if dry_run else result.removed,
        "bytes": result.size,
        "kinds": [_json(one, result) for one in result.pruned],
    }
    touched = ", ".join(one.kind for one in result.pruned if one.removed) or None
    return View(
        data, show, items="kinds", exit_code=0 if error is None else error.exit_code, error=error, touched=touched
    )


def _kept(one: Pruned, result: PruneResult) -> str:
    age = result.request.older_than
    seconds = result.specs[one.kind].keep if age is None else age
    return format_duration(seconds) if seconds % _DAY else f"{seconds / _DAY:.0f}d"


def _json(one: Pruned, result: PruneResult) -> dict[str, Any]:
    spec = result.specs[one.kind]
    return {
        "kind": one.kind,
        "before": one.before,
        "found": one.removed,
        "bytes": one.size,
        "keep_s": spec.keep,
        "why": spec.why,
        "error": None if one.error is None else one.error.message,
    }
