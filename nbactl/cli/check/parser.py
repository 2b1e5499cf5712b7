"""The command line of `nbactl check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbactl.cli.check import view
from nbactl.cli.check.command import CodeRequest, check_code, explain_rule
from nbactl.cli.check.options import (
    Baseline,
    DryRun,
    Exclude,
    Fix,
    Format,
    Paths,
    Since,
    UpdateBaseline,
    all_rules,
    checked_format,
    code_rules,
)
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View

app = group()


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
    paths: Paths = None,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", help="Only this rule; can be repeated.", metavar="RULE", autocompletion=code_rules),
    ] = None,
    exclude: Exclude = None,
    since: Since = None,
    baseline: Baseline = None,
    update_baseline: UpdateBaseline = False,
    fix: Fix = False,
    dry_run: DryRun = False,
    form: Format = None,
) -> View:
    """Find code that can hang, swallows errors or writes row by row.

    Looks at Python files, and at shell scripts and YAML files for deployments. Exits with 1 if there is a finding.
    `# nbactl: ignore[RULE] reason` leaves one out. Needs ruff for some rules: pip install 'nbactl[check]'.
    """
    checked_format(ctx, form)
    request = CodeRequest(
        tuple(paths or [Path()]),
        tuple(rule or ()),
        since,
        baseline,
        update_baseline,
        fix=fix,
        dry_run=dry_run,
        exclude=tuple(map(Path, exclude or ())),
    )
    return view.checked(check_code(request), request, form)


@command(app, "explain", examples=["nbactl check explain", "nbactl check explain bq-no-timeout"])
def explain(
    ctx: typer.Context,
    rule: Annotated[
        str | None, typer.Argument(help="A rule; all of them by default.", metavar="[RULE]", autocompletion=all_rules)
    ] = None,
) -> View:
    """Explain a rule: what it finds, why that matters, and what to write instead."""
    del ctx
    return view.explained(explain_rule(rule), one=rule is not None)
