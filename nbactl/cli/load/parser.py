"""The command line of `nbactl load`."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import typer

from nbactl.cli.app import console, container
from nbactl.cli.ask import asking
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View
from nbactl.core._support.durations import parse_duration
from nbactl.errors import UsageError

app = single()

_BATCH = "A batch of synthetic players (without --url)"
_URL = "Requests to an address"
_MOST_SECONDS = 1200.0
_ONLY_BATCH = ("players", "duplicates", "reorder", "poison", "chaos")
_ONLY_URL = ("rate", "method", "arrivals")


def _share(text: str) -> object:
    return typer.Option(help=text, min=0.0, max=1.0, metavar="SHARE", rich_help_panel=_BATCH)


@command(
    app,
    "load",
    examples=[
        "nbactl load --players 450 --duration 60s --duplicates 0.2 --chaos --dry-run",
        "nbactl load --url http://127.0.0.1:8080/predict --rate 50 --duration 30s --dry-run",
    ],
)
def load(  # noqa: PLR0917 - Typer reads them one by one
    ctx: typer.Context,
    players: Annotated[
        int, typer.Option(help="How many players.", min=1, max=100_000, metavar="N", rich_help_panel=_BATCH)
    ] = 450,
    duplicates: Annotated[float, _share("Of so many players the request is sent twice.")] = 0.0,
    reorder: Annotated[float, _share("So many requests are sent at the instant of another.")] = 0.0,
    poison: Annotated[float, _share("So many malformed requests more, which must end in the dead letter.")] = 0.0,
    chaos: Annotated[
        bool, typer.Option("--chaos", help="Kill a random service every few seconds.", rich_help_panel=_BATCH)
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(help="Send requests here instead.", metavar="URL", show_default=False, rich_help_panel=_URL),
    ] = None,
    rate: Annotated[float, typer.Option(help="Requests a second.", min=0.01, metavar="N", rich_help_panel=_URL)] = 10.0,
    method: Annotated[
        str, typer.Option(help="POST sends push envelopes of Pub/Sub.", metavar="POST|GET", rich_help_panel=_URL)
    ] = "POST",
    arrivals: Annotated[
        str,
        typer.Option(
            help="Even gaps, or those of independent callers.", metavar="constant|poisson", rich_help_panel=_URL
        ),
    ] = "constant",
    duration: Annotated[str, typer.Option(help="How long requests are sent, up to 20m.", metavar="DURATION")] = "60s",
    seed: Annotated[
        int | None, typer.Option(help="The same seed sends the same again.", metavar="N", show_default="random")
    ] = None,
    max_open: Annotated[
        int, typer.Option(help="Requests open at a time; more are not sent, but counted.", min=1, metavar="N")
    ] = 1_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
) -> View:
    """Put load on a running `nbactl up`, or on an address, and report what became of every request.

    Each request has an intended instant, and its latency counts from there: a server that stops is seen (open loop).
    Without --url a batch of synthetic players is requested from the `nbactl up` of this state directory, on a summer
    date of the 1960s to 1980s that is used once; rows and exports of that date stay. The load is followed until every
    player is done and phase 6 was started. Exits with 1 if a player is lost or done twice, or an answer was not 2xx.
    """
    from nbactl.checks.load.batch_plan import Shares
    from nbactl.cli.load import view
    from nbactl.cli.load.batch import load_batch, plan_batch
    from nbactl.cli.load.command import BatchLoad, UrlLoad, load_url, new_seed

    seconds = parse_duration(duration)
    if not 0 < seconds <= _MOST_SECONDS:
        raise UsageError(f"--duration {duration} is not within 1s to 20m", cause="A batch is closed after 30 minutes.")
    others = _ONLY_BATCH if url is not None else _ONLY_URL
    if useless := [f"--{name}" for name in others if _is_given(ctx, name)]:
        kind = "without --url" if url is not None else "with --url"
        raise UsageError(f"{', '.join(useless)}: only {kind}", next_step="Leave one of them out.")
    given = new_seed() if seed is None else seed
    app_ = container(ctx, reads_only=dry_run)
    if url is not None:
        _check("--method", method, ("POST", "GET"))
        _check("--arrivals", arrivals, ("constant", "poisson"))
        kind = cast("Literal['constant', 'poisson']", arrivals)
        request = UrlLoad(url, rate, seconds, cast("Literal['POST', 'GET']", method), kind, given, max_open)
        return view.url_plan(request) if dry_run else view.url_load(load_url(app_, request, confirm=asking(ctx)))
    batch = BatchLoad(players, seconds, Shares(duplicates, reorder, poison), chaos, given, max_open)
    if dry_run:
        return view.batch_plan(batch, plan_batch(batch))
    return view.batch_load(load_batch(app_, batch, confirm=asking(ctx), tell=console(ctx).note))


def _is_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _check(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{option} is one of {', '.join(known)}, not '{value}'")
