"""The command line of `nbactl up`."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from nbactl.bootstrap.season import notice_halts
from nbactl.bootstrap.up import Up, UpRequest
from nbactl.cli.app import console, container, session
from nbactl.cli.ask import Question, asking
from nbactl.cli.completion.values import dates, sources
from nbactl.cli.dates import game_date
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View
from nbactl.cli.signals import SignalledError, SignalName, interruptible
from nbactl.cli.up import view
from nbactl.core._support.durations import parse_duration
from nbactl.errors import UsageError
from nbactl.services.instance import OWN
from nbactl.services.routes import SERVICES

app = single()


@command(app, "up", examples=["nbactl up", "nbactl up --date 2024-10-22 --once"])
def up(
    ctx: typer.Context,
    date: Annotated[
        str | None,
        typer.Option(
            help="Game date to start: YYYY-MM-DD, today, yesterday, tomorrow, latest, or none.",
            metavar="DATE",
            show_default="latest; today on gcp",
            autocompletion=dates,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Source of game data.", metavar="sample|path:DIR|nba_api", autocompletion=sources),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when the last phase of the date has ended.")] = False,
    timeout: Annotated[
        str | None,
        typer.Option(help="With --once: stop after this long; exit 8.", metavar="DURATION", show_default="30m"),
    ] = None,
) -> View:
    """Run the whole pipeline event-driven on this machine: all services, the bus between them, and a game date.

    Each service is a process; one that dies is restarted. Ctrl-C stops all of them in an orderly way, a second one at
    once. `nbactl status --watch` shows the board beside it. With --once it exits with 0 when the date is done, with 1
    if its last phase failed, with 8 if the time is over. -o jsonl prints the log as JSON.
    """
    call = session(ctx)
    call.settings = call.settings.with_flag("source", source)
    if (once or timeout) and date == "none":
        raise UsageError("--once needs a date to wait for", next_step="Leave out --date, or give one.")
    if timeout is not None and not once:
        raise UsageError("--timeout goes together with --once only", next_step="Add --once.")
    opened = container(ctx)
    day = None if date == "none" else game_date(opened, date)
    request = UpRequest(day, once=once, timeout=parse_duration(timeout) if timeout else None)
    write = view.log_writer(console(ctx), (*SERVICES, OWN), output=call.settings.output, utc=call.settings.utc)
    running = Up(opened, request, write)
    if day is not None:
        notice_halts(opened, (day,))
    asking(ctx)(Question("Start the services of the pipeline on this machine?"))
    signalled: list[SignalName] = []

    def stop(name: SignalName) -> None:
        signalled.append(name)
        running.request_stop()

    with interruptible(stop):
        result = running.run()
    if signalled:
        more = "" if day is None else f" Run it again to resume {day}."
        console(ctx).note(f"All services are stopped.{more}")
        raise SignalledError(signal.Signals[signalled[0]])
    return view.ended(result, day)
