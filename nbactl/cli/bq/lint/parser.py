"""The command line of `nbactl bq lint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.bq.lint import view
from nbactl.cli.bq.lint.command import LintRequest, lint_sql
from nbactl.cli.check.command import CodeRequest
from nbactl.cli.check.options import (
    Baseline,
    DryRun,
    Exclude,
    Fix,
    Format,
    Paths,
    Since,
    UpdateBaseline,
    checked_format,
    sql_rules,
)
from nbactl.cli.show.render import View  # noqa: TC001 - Typer reads the annotations

EXAMPLES = (
    "nbactl bq lint .",
    "nbactl bq lint sql/ --schema ddl/ --rule partition-filter-missing",
    "nbactl bq lint . --baseline lint-baseline.json --update-baseline",
    "nbactl bq lint --live --target gcp --project nba-props-platform",
    "nbactl bq lint sql/ --estimate --target gcp --project nba-props-platform",
)


def lint(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    paths: Paths = None,
    schema: Annotated[
        list[str] | None,
        typer.Option(
            "--schema", help="DDL of tables and views that are not in tables.yaml. Repeatable.", metavar="PATH"
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Take tables from the project, and look at its views and scheduled queries (gcp)."),
    ] = False,
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="Show what the statements with findings read and cost, by dry runs (gcp)."),
    ] = False,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", help="Only this rule; can be repeated.", metavar="RULE", autocompletion=sql_rules),
    ] = None,
    exclude: Exclude = None,
    since: Since = None,
    baseline: Baseline = None,
    update_baseline: UpdateBaseline = False,
    fix: Fix = False,
    dry_run: DryRun = False,
    form: Format = None,
) -> View:
    """Find queries that read every partition, and SQL that BigQuery refuses.

    Looks at files of SQL and at SQL in Python. Exits with 1 if there is a finding. `-- nbactl: ignore[RULE] reason`
    leaves one out. What cannot be parsed is listed, and of a file of SQL it is a finding.
    """
    checked_format(ctx, form)
    here = () if live else (Path(),)
    request = LintRequest(
        CodeRequest(
            tuple(paths or here),
            tuple(rule or ()),
            since,
            baseline,
            update_baseline,
            fix=fix,
            dry_run=dry_run,
            exclude=tuple(map(Path, exclude or ())),
        ),
        tuple(map(Path, schema or ())),
        live,
        estimate,
    )
    return view.linted(lint_sql(container(ctx, reads_only=True), request), request, form)
