"""The command line of `nbactl bq`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbactl.cli.ask import asking
from nbactl.cli.bq.plan import view
from nbactl.cli.bq.plan.command import PlanRequest, plan_tables, suggest_clustering
from nbactl.cli.bq.plan.suggestions import suggestions_view
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.show.files import write_whole
from nbactl.cli.show.render import View
from nbactl.cli.source import SourceOption, container_of_source
from nbactl.errors import UsageError

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
    schema: Annotated[
        list[str] | None,
        typer.Option(
            "--schema",
            help="CREATE TABLE statements to compare with instead of tables.yaml. Repeatable.",
            metavar="PATH",
        ),
    ] = None,
    out: Annotated[str | None, typer.Option("--out", help="Write the plan to a file, as JSON.", metavar="FILE")] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 3 if a table differs from its declaration.")
    ] = False,
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
    request = PlanRequest(tuple(tables or ()), tuple(map(Path, schema or ())))
    opened = container_of_source(ctx, source)
    found = plan_tables(opened, request)
    if suggest:
        advice = suggest_clustering(opened, found, estimates=estimate, confirm=asking(ctx))
        return suggestions_view(found, advice, asked=bool(request.tables))
    written = None if out is None else write_whole(Path(out), view.file_text(found))
    return view.plan_view(found, detailed_exitcode=detailed_exitcode, out=written)
