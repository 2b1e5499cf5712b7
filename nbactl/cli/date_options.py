"""The options that name game dates, as several commands take them."""

from __future__ import annotations

from typing import Annotated

import typer

from nbactl.cli.completion.values import dates

DateOption = Annotated[
    str | None,
    typer.Option(
        "--date",
        help="Game date: YYYY-MM-DD, today, yesterday, tomorrow or latest.",
        metavar="DATE",
        show_default="latest; today on gcp",
        autocompletion=dates,
    ),
]
NightOption = Annotated[
    str | None,
    typer.Option(
        "--date",
        help="Game date: YYYY-MM-DD, today, yesterday, tomorrow or latest.",
        metavar="DATE",
        show_default="last night and today",
        autocompletion=dates,
    ),
]
FromOption = Annotated[
    str | None, typer.Option("--from", help="First date of a range.", metavar="DATE", autocompletion=dates)
]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        help="Last date of a range that begins with --from.",
        metavar="DATE",
        show_default="latest; today on gcp",
        autocompletion=dates,
    ),
]
