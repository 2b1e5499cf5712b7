"""`nbactl doctor`: is everything here as it must be?"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from nbactl.cli import app as nbactl_app
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.checks.doctor.context import Finding
    from nbactl.cli.show.console import Console

app = single()

_LOOK = {"ok": ("✓", "ok", "green"), "warn": ("!", "!", "bold yellow"), "failed": ("✗", "x", "bold red")}
_SKIPPED = ("-", "-", "dim")


@command(app, "doctor", examples=["nbactl doctor", "nbactl doctor -o json"])
def doctor(
    ctx: typer.Context,
    source: Annotated[str | None, typer.Option("--source", help="The source to check.", metavar="SOURCE")] = None,
) -> View:
    """Check this installation and its data: each check with its status, the cause and what to do.

    Nothing is changed. The exit code is 1 if any check failed.
    """
    from nbactl.bootstrap.doctor import check_context  # noqa: PLC0415
    from nbactl.checks.doctor import examine  # noqa: PLC0415 - brings every dependency

    call = nbactl_app.session(ctx)
    call.settings = call.settings.with_flag("source", source)
    findings = list(examine(check_context(nbactl_app.container(ctx))))
    counts = Counter(finding.status for finding in findings)
    summary = {status: counts[status] for status in ("ok", "warn", "failed", "skipped")}
    data = {"checks": [asdict(finding) for finding in findings], "summary": summary}

    def show(console: Console) -> None:
        for finding in findings:
            _show(console, finding)
        console.note(Styled(", ".join(f"{count} {status}" for status, count in summary.items()), "dim"))

    failed = [finding for finding in findings if finding.status == "failed"]
    return View(data, show, items="checks", exit_code=1 if failed else 0, error=_error(failed))


def _error(failed: Sequence[Finding]) -> CheckFailedError | None:
    if not failed:
        return None
    names = ", ".join(dict.fromkeys(finding.name for finding in failed))
    return CheckFailedError(f"{names}: not as it must be", next_step=failed[0].fix)


def _show(console: Console, finding: Finding) -> None:
    unicode, plain, style = _LOOK.get(finding.status, _SKIPPED)
    mark = Styled(console.out.glyph(unicode, plain), style)
    console.out.print_hanging(mark, " ", Styled(f"{finding.name:<16}", "bold"), text=finding.message, indent=18)
    if finding.cause:
        console.out.print_hanging(" " * 18, Styled("cause: ", "dim"), text=finding.cause, indent=25)
    if finding.fix:
        console.out.print_hanging(" " * 18, Styled("fix:   ", "cyan"), text=finding.fix, indent=25)
