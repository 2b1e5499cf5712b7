"""The command line of `nbactl bq`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nbactl.cli.bq.plan import view
from nbactl.cli.bq.plan.command import DRIFT, PlanRequest, plan_tables
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.show.files import write_whole
from nbactl.cli.show.render import View
from nbactl.cli.source import SourceOption, container_of_source

app = group()

DropColumns = Annotated[
    bool, typer.Option("--drop-columns", help="Drop columns that are not declared, with their values.")
]
Schemas = Annotated[
    list[str] | None,
    typer.Option(
        "--schema",
        help="CREATE TABLE statements to compare with instead of tables.yaml. Repeatable.",
        metavar="PATH",
    ),
]


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
    source: SourceOption = None,
) -> View:
    """Compare tables with their declarations, and show the steps that change them and what these cost.

    Nothing is changed. A change is made in place, by a rewrite of the rows, or by a rebuild of the table; what BigQuery
    cannot do at all is refused, with the reason.
    """
    request = PlanRequest(tuple(tables or ()), tuple(map(Path, schema or ())), drop_columns, drift / 100)
    found = plan_tables(container_of_source(ctx, source), request)
    written = None if out is None else write_whole(Path(out), view.file_text(found))
    return view.plan_view(found, detailed_exitcode=detailed_exitcode, out=written)
