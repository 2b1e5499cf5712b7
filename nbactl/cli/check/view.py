"""The findings of `nbactl check` as text, as JSON, and for other programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.check.sarif import sarif, workflow_commands
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.core._support.controls import json_safe
from nbactl.errors import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.checks.code.engine import Finding
    from nbactl.checks.code.rule import Rule
    from nbactl.cli.check.command import CodeChecked, CodeRequest
    from nbactl.cli.show.console import Console

_STYLES: Final = {"error": "bold red", "warning": "bold yellow"}


def checked(
    found: CodeChecked,
    request: CodeRequest,
    form: str | None,
    *,
    details: Callable[[Finding], tuple[str, dict[str, Any]]] | None = None,
    more: dict[str, Any] | None = None,
) -> View:
    """Show each finding, with exit code 1 if there is one.

    `details` are added to a finding as text and as JSON, and `more` to the data.
    """

    def show(console: Console) -> None:
        if form == "sarif":
            text = json.dumps(sarif(found.findings), ensure_ascii=not console.out.unicode, indent=1)
            console.out.write(json_safe(text) + "\n")
            return
        if form == "github":
            for line in workflow_commands(found.findings):
                console.out.print(line)
            return
        for finding in found.findings:
            _show(console, finding, "" if details is None else details(finding)[0])
        for finding in found.fixed:
            done = "would be fixed" if found.dry_run else "fixed"
            console.out.print(f"{finding.path}:{finding.line}: {finding.rule} {done}")
        for line in _summary(found, request):
            console.note(Styled(line, "dim"))

    data = {
        "files": found.files,
        "contents": found.contents,
        "findings": [
            _finding(each) if details is None else _finding(each) | details(each)[1] for each in found.findings
        ],
        "summary": found.summary,
        "known": found.known,
        "gone": found.gone,
        "fixed": [_finding(each) for each in found.fixed],
        "dry_run": found.dry_run,
        **(more or {}),
    }
    error = None
    if found.findings:
        count = len(found.findings)
        rule = next(iter(found.summary))
        error = CheckFailedError(
            f"{count:,} finding{'' if count == 1 else 's'}", next_step=f"Run: nbactl check explain {rule}."
        )
    return View(data, show, items="findings", exit_code=1 if found.findings else 0, error=error)


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "rule": finding.rule,
        "severity": finding.severity,
        "message": finding.message,
        "scope": finding.scope or None,
        "fixable": finding.edit is not None,
    }


def _show(console: Console, finding: Finding, details: str) -> None:
    place = f"{finding.path}:{finding.line}:{finding.column}: "
    console.out.print(place, Styled(finding.rule, _STYLES[finding.severity]), f" {finding.message}{details}")


def _summary(found: CodeChecked, request: CodeRequest) -> list[str]:
    files = f"{found.files:,} file{'' if found.files == 1 else 's'}"
    lines = [f"Checked {files}: {found.contents:,} different, {found.analysed:,} new or changed."]
    if found.summary:
        lines.append(", ".join(f"{count:,} {rule}" for rule, count in found.summary.items()))
    if request.baseline is not None:
        gone = f"; {found.gone:,} of it are gone" if found.gone else ""
        hint = "" if request.update_baseline or not found.gone else ". Take them out with --update-baseline"
        lines.append(f"{found.known:,} findings are in the baseline{gone}{hint}.")
    fixable = sum(each.edit is not None for each in found.findings)
    if fixable and not request.fix:
        lines.append(f"{fixable:,} can be fixed with --fix.")
    return lines


def explained(rules: Sequence[Rule], *, one: bool) -> View:
    """Show one rule with everything, or all with their summaries."""

    def show(console: Console) -> None:
        if not one:
            console.out.table(
                ["RULE", "SEVERITY", "FINDS"], [(rule.name, rule.severity, rule.summary) for rule in rules]
            )
            return
        for rule in rules:
            _explain(console, rule)

    data = {
        "rules": [
            {
                "rule": rule.name,
                "severity": rule.severity,
                "summary": rule.summary,
                "why": rule.why,
                "fix": rule.fix,
                "bad": list(rule.bad),
                "good": list(rule.good),
                "ruff": list(rule.ruff),
                "in_tests": rule.in_tests,
            }
            for rule in rules
        ]
    }
    return View(data, show, items="rules")


def _explain(console: Console, rule: Rule) -> None:
    console.out.print(Styled(rule.name, "bold"), f" ({rule.severity}): {rule.summary}")
    for head, text in (("why", rule.why), ("fix", rule.fix)):
        console.out.print_hanging(Styled(f"{head}: ", "cyan"), text=text, indent=5)
    if rule.ruff:
        console.out.print_hanging(Styled("from: ", "cyan"), text=f"ruff {', '.join(rule.ruff)}", indent=6)
    if not rule.in_tests:
        console.out.print("Not reported in test code.")
    for head, examples in (("Reported:", rule.bad[:3]), ("Not reported:", rule.good[:3])):
        console.out.print("")
        console.out.print(Styled(head, "bold"))
        for number, example in enumerate(examples):
            if number:
                console.out.print("")
            for line in example.rstrip("\n").split("\n"):
                console.out.print(f"    {line}")
