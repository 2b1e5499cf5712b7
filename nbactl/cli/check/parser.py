"""The command line of `nbactl check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbactl.cli.app import settings
from nbactl.cli.check import view
from nbactl.cli.check.command import CodeRequest, check_code, explain_rule
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.errors import UsageError

app = group()
_FORMATS = ("github", "sarif")


def rules(incomplete: str) -> list[tuple[str, str]]:
    """Return the rules that begin so, each with its summary."""
    return [(rule.name, rule.summary) for rule in explain_rule() if rule.name.startswith(incomplete)]


def formats(incomplete: str) -> list[str]:
    """Return the formats that begin so."""
    return [name for name in _FORMATS if name.startswith(incomplete)]


@command(
    app,
    "code",
    examples=[
        "nbactl check code .",
        "nbactl check code . --rule bq-no-timeout --rule http-no-timeout",
        "nbactl check code . --baseline check-baseline.json --update-baseline",
        "nbactl check code . --format sarif > check.sarif",
    ],
)
def code(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files, or folders with some; this folder by default.", metavar="[PATH]...", show_default=False
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", help="Only this rule; can be repeated.", metavar="RULE", autocompletion=rules),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only lines that differ from this revision of Git.", metavar="REV")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Leave out the findings that this file knows.", metavar="FILE")
    ] = None,
    update_baseline: Annotated[
        bool,
        typer.Option("--update-baseline", help="Take findings that are gone out of the baseline, or create its file."),
    ] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Write the rewrites that are safe.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="Annotations for GitHub, or SARIF 2.1.", metavar="github|sarif", autocompletion=formats
        ),
    ] = None,
) -> View:
    """Find code that can hang, swallows errors or writes row by row.

    Looks at Python files, and at shell scripts and YAML files for deployments. Exits with 1 if there is a finding.
    `# nbactl: ignore[RULE] reason` leaves one out. Needs ruff for some rules: pip install 'nbactl[check]'.
    """
    if form is not None and form not in _FORMATS:
        raise UsageError(f"--format: there is no format '{form}'", next_step=f"Known: {', '.join(_FORMATS)}.")
    if form is not None and not settings(ctx).for_person:
        raise UsageError(
            f"--format {form} cannot be combined with --output {settings(ctx).output}",
            cause=f"The output is set by {settings(ctx).origins['output']}.",
            next_step="Leave one of them out.",
        )
    request = CodeRequest(
        tuple(paths or [Path()]), tuple(rule or ()), since, baseline, update_baseline, fix=fix, dry_run=dry_run
    )
    return view.checked(check_code(request), request, form)


@command(app, "explain", examples=["nbactl check explain", "nbactl check explain bq-no-timeout"])
def explain(
    ctx: typer.Context,
    rule: Annotated[
        str | None, typer.Argument(help="A rule; all of them by default.", metavar="[RULE]", autocompletion=rules)
    ] = None,
) -> View:
    """Explain a rule: what it finds, why that matters, and what to write instead."""
    del ctx
    return view.explained(explain_rule(rule), one=rule is not None)
