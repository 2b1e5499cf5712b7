"""`--validate --watch`: compare everything again and again, and raise the alarm when it no longer agrees."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from nbactl.cli.migrate.json import report_json
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import clock_time
from nbactl.cli.signals import until_left
from nbactl.errors import DataError
from nbactl.migrations.completions.gates import COMMAND
from nbactl.migrations.completions.migration import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.cli.show.console import Console
    from nbactl.core._support.clock import Clock
    from nbactl.migrations.completions.migration import Caller, CompletionsMigration
    from nbactl.migrations.completions.selection import Selection
    from nbactl.migrations.completions.validate import ValidationReport

_log = logging.getLogger(__name__)


def watched(
    migration: CompletionsMigration,
    selection: Selection,
    caller: Caller,
    console: Console,
    clock: Clock,
    *,
    every: float,
) -> View:
    """Return a result that ends with Ctrl-C; it fails if the last round was inconsistent. `every` is in seconds."""

    def rounds() -> Iterator[ValidationReport]:
        was_consistent, last = True, None
        for _ in until_left(every):
            last = migration.compare(selection, caller)
            if was_consistent and not last.consistent:
                _alert(console, last)
            was_consistent = last.consistent
            yield last
            console.out.flush()
        if last is not None and not last.consistent:
            raise DataError(
                f"array and subcollection do not agree: {_kinds(last)}", next_step=f"{COMMAND} --repair --dry-run"
            )

    def as_items() -> Iterator[dict[str, Any]]:
        for report in rounds():
            yield report_json(NAME, report)

    def show(console: Console) -> None:
        for report in rounds():
            word = Styled("consistent", "green") if report.consistent else Styled(_kinds(report), "bold red")
            checked = report.validation
            rest = f"  {checked.completions:,} completions in {checked.batches:,} batches, stage {report.stage}"
            console.print(f"{clock_time(clock.now())}  ", word, rest)

    return View({"rounds": as_items()}, show, items="rounds")


def _alert(console: Console, report: ValidationReport) -> None:
    message = f"completions: array and subcollection no longer agree: {_kinds(report)}"
    console.warn(message)
    if _log.hasHandlers():  # without one it would be told twice on stderr
        extra = {"alert": "completion_drift", "alert_severity": "critical", **report.findings.counts()}
        _log.critical("%s", message, extra=extra)


def _kinds(report: ValidationReport) -> str:
    counts = report.findings.counts()
    return ", ".join(f"{number:,} {kind.replace('_', ' ')}" for kind, number in counts.items() if number)
