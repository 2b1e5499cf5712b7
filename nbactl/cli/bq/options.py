"""Options that several commands of `nbactl bq` have."""

from __future__ import annotations

from typing import Annotated

import typer

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
