"""The findings of `nbactl doctor` as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.errors import CheckFailedError

if TYPE_CHECKING:
    from nbactl.checks.doctor.context import Finding
    from nbactl.cli.doctor.command import Diagnosis
    from nbactl.cli.show.console import Console

_MARKS: Final = {
    "ok": ("✓", "ok", "green"),
    "warn": ("!", "!", "bold yellow"),
    "failed": ("✗", "x", "bold red"),
    "skipped": ("-", "-", "dim"),
}


def diagnosis(found: Diagnosis) -> View:
    """Show each finding, with exit code 1 if a check failed."""

    def show(console: Console) -> None:
        for finding in found.findings:
            _show_finding(console, finding)
        console.note(Styled(", ".join(f"{count} {status}" for status, count in found.summary.items()), "dim"))

    error = None
    if found.failed:
        names = list(dict.fromkeys(finding.name for finding in found.failed))
        plural = "check" if len(names) == 1 else "checks"
        error = CheckFailedError(f"{len(names)} {plural} failed: {', '.join(names)}", next_step=found.failed[0].fix)
    data = {"checks": [asdict(finding) for finding in found.findings], "summary": found.summary}
    return View(data, show, items="checks", exit_code=0 if error is None else 1, error=error)


def _show_finding(console: Console, finding: Finding) -> None:
    unicode, plain, style = _MARKS[finding.status]
    mark = Styled(console.out.glyph(unicode, plain), style)
    console.out.print_hanging(mark, " ", Styled(f"{finding.name:<16}", "bold"), text=finding.message, indent=18)
    if finding.cause:
        console.out.print_hanging(" " * 18, Styled("cause: ", "dim"), text=finding.cause, indent=25)
    if finding.fix:
        console.out.print_hanging(" " * 18, Styled("fix:   ", "cyan"), text=finding.fix, indent=25)
