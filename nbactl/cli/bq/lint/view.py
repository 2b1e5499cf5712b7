"""What `nbactl bq lint` found, as text, as JSON and for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.check.view import checked
from nbactl.cli.query.command import size
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.errors import CheckFailedError

if TYPE_CHECKING:
    from nbactl.checks.code.engine import Finding
    from nbactl.cli.bq.lint.command import Linted, LintRequest
    from nbactl.cli.show.console import Console

_SHOWN: Final = 10


def linted(found: Linted, request: LintRequest, form: str | None) -> View:
    """Show each finding, and what was not looked at, with exit code 1 if there is a finding or nothing was parsed."""

    def details(finding: Finding) -> tuple[str, dict[str, Any]]:
        data: dict[str, Any] = {"table": finding.table or None}
        if not request.estimate:
            return "", data
        priced = found.prices.get(finding)
        data |= {
            "bytes_processed": None if priced is None else priced.bytes_processed,
            "usd": None if priced is None or priced.usd is None else float(priced.usd),
        }
        if priced is None:
            return "", data
        price = "" if priced.usd is None else f", about ${priced.usd:.2f}"
        return f" [{size(priced.bytes_processed)}{price}]", data

    unparsed = found.checked.unparsed
    findings = {(each.path, each.line) for each in found.checked.findings if each.rule == "not-parsed"}
    others = [each for each in unparsed if (each.path, each.line) not in findings]
    more: dict[str, Any] = {"statements": found.checked.statements}
    more |= {"unparsed": [{"path": each.path, "line": each.line, "message": each.message} for each in unparsed]}
    result = checked(found.checked, request.check, form, details=details, more=more)

    def show(console: Console) -> None:
        result.show(console)
        if form is not None:
            return
        for each in others[:_SHOWN]:
            console.note(Styled(f"not looked at: {each.path}:{each.line}: {each.message}", "yellow"))
        if len(others) > _SHOWN:
            console.note(Styled(f"and {len(others) - _SHOWN:,} more texts; -o json has all of them", "yellow"))

    error, code = result.error, result.exit_code
    if error is None and unparsed and not found.checked.statements:
        error, code = CheckFailedError("nothing was looked at", cause=f"{unparsed[0].path}: {unparsed[0].message}"), 1
    return View(result.data, show, items="findings", exit_code=code, error=error)
