"""The command line of `nbactl bq`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import asking
from nbactl.cli.bq.apply.parser import EXAMPLES, apply
from nbactl.cli.bq.cache.command import show_cache
from nbactl.cli.bq.cache.view import cache_view
from nbactl.cli.bq.costs import command as costs_command
from nbactl.cli.bq.costs.gain_view import gain_view
from nbactl.cli.bq.costs.view import costs_view
from nbactl.cli.bq.lint.parser import EXAMPLES as LINT_EXAMPLES
from nbactl.cli.bq.lint.parser import lint
from nbactl.cli.bq.options import DropColumns, Schemas
from nbactl.cli.bq.plan import view
from nbactl.cli.bq.plan.command import DRIFT, PlanRequest, plan_tables, suggest_clustering
from nbactl.cli.bq.plan.suggestions import suggestions_view
from nbactl.cli.bq.quotas.command import show_quotas
from nbactl.cli.bq.quotas.view import quotas_view
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.show.files import write_whole
from nbactl.cli.show.render import View
from nbactl.cli.source import SourceOption, container_of_source
from nbactl.core._support.durations import parse_duration
from nbactl.errors import UsageError
from nbactl.warehouse.costs.usage import By

app = group()


@command(
    app,
    "plan",
    examples=[
        "nbactl bq plan",
        "nbactl bq plan nba_raw.games --out plan.json",
        "nbactl bq plan --detailed-exitcode || test $? -eq 3",
    ],
)
def plan(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    tables: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TABLE]...",
            help="Tables, `dataset.table`.",
            show_default="all that are declared",
            autocompletion=completing.tables,
        ),
    ] = None,
    schema: Schemas = None,
    out: Annotated[str | None, typer.Option("--out", help="Write the plan to a file, as JSON.", metavar="FILE")] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 3 if a table differs from its declaration.")
    ] = False,
    drop_columns: DropColumns = False,
    drift: Annotated[
        float,
        typer.Option(
            "--drift", help="By how many percent the rows may differ when the plan is applied.", metavar="PCT", min=0
        ),
    ] = 100 * DRIFT,
    suggest: Annotated[
        bool,
        typer.Option("--suggest", help="Suggest what to cluster by, from the queries of the last 30 days (gcp)."),
    ] = False,
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="With --suggest: estimate what it saves from a sample of each table's rows."),
    ] = False,
    source: SourceOption = None,
) -> View:
    """Compare tables with their declarations, and show the steps that change them and what these cost.

    Nothing is changed. A change is made in place, by a rewrite of the rows, or by a rebuild of the table; what BigQuery
    cannot do at all is refused, with the reason. --suggest shows advice on clustering instead.
    """
    if estimate and not suggest:
        raise UsageError("--estimate needs --suggest", next_step="Add --suggest.")
    if suggest and (out is not None or detailed_exitcode):
        other = "--detailed-exitcode" if out is None else "--out"
        raise UsageError(f"--suggest does not go together with {other}", next_step="Use one of them.")
    request = PlanRequest(tuple(tables or ()), tuple(map(Path, schema or ())), drop_columns, drift / 100)
    opened = container_of_source(ctx, source)
    found = plan_tables(opened, request)
    if suggest:
        advice = suggest_clustering(opened, found, estimates=estimate, confirm=asking(ctx))
        return suggestions_view(found, advice, asked=bool(request.tables))
    written = None if out is None else write_whole(Path(out), view.file_text(found))
    return view.plan_view(found, detailed_exitcode=detailed_exitcode, out=written)


command(app, "apply", examples=EXAMPLES)(apply)
command(app, "lint", examples=LINT_EXAMPLES)(lint)

_SINCE = "7d"
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        help="How far back to look: 24h, 7d. BigQuery keeps 180d.",
        metavar="DURATION",
        show_default=_SINCE,
    ),
]
_RETAINED = 180 * 86_400
"""Seconds for which BigQuery keeps jobs: https://cloud.google.com/bigquery/docs/information-schema-jobs."""


def _seconds(since: str | None) -> float:
    seconds = parse_duration(since or _SINCE)
    if seconds > _RETAINED:
        raise UsageError(f"--since {since} is too long", next_step="BigQuery keeps jobs for 180d.")
    return seconds


@command(
    app,
    "costs",
    examples=[
        "nbactl bq costs --target gcp --project nba-props-platform",
        "nbactl bq costs --since 30d --by table",
        "nbactl bq costs --by label --label workflow",
        "nbactl bq costs --by table -o csv",
    ],
    csv=True,
)
def costs(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    since: SinceOption = None,
    by: Annotated[By | None, typer.Option("--by", help="How jobs are grouped.", show_default="label")] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--label", help="The key of the label that jobs are grouped by.", metavar="KEY", show_default="task"
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Groups to show.", metavar="N")] = 20,
    applied: Annotated[
        str | None,
        typer.Option(
            "--applied",
            help="Compare the queries of a table before and after `bq apply` changed it.",
            metavar="TABLE",
            autocompletion=completing.tables,
        ),
    ] = None,
) -> View:
    """Show what jobs cost: bytes billed, slot time, cache hits, price, trend, unusual days, top queries.

    It reads INFORMATION_SCHEMA.JOBS of the location of the datasets: a query that is billed for 10 MB or more.
    """
    from nbactl.warehouse.costs.report import CostRequest

    opened = container(ctx, reads_only=True)
    if applied is not None:
        given = {"--since": since, "--by": by, "--label": label}
        if other := next((name for name, value in given.items() if value is not None), None):
            raise UsageError(f"{other} does not go together with --applied", next_step="Use one of them.")
        return gain_view(costs_command.show_gain(opened, applied))
    by = by or "label"
    if label is not None and by != "label":
        raise UsageError(f"--label does not go together with --by {by}", next_step="Use one of them.")
    request = CostRequest(_seconds(since), by, label or "task")
    return costs_view(costs_command.show_costs(opened, request), limit=limit)


@command(app, "quotas", examples=["nbactl bq quotas --target gcp --project nba-props-platform"])
def quotas(ctx: typer.Context) -> View:
    """Show how near tables are to BigQuery's limits on load jobs, modifications and DML, from the last 24 hours.

    It exits with 3 if a table has used 80 % of a limit, with 1 if all of it. It reads INFORMATION_SCHEMA.JOBS: a query
    that is billed for 10 MB or more.
    """
    return quotas_view(show_quotas(container(ctx, reads_only=True)))


@command(
    app, "cache", examples=["nbactl bq cache --target gcp --project nba-props-platform", "nbactl bq cache --since 24h"]
)
def cache(ctx: typer.Context, since: SinceOption = None) -> View:
    """Show how often BigQuery's cache and that of nbactl answer, by kind of query, and why queries are not cached.

    It reads INFORMATION_SCHEMA.JOBS with the texts of queries: a query that is billed for 10 MB or more.
    """
    return cache_view(show_cache(container(ctx, reads_only=True), _seconds(since)))
