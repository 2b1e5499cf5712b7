"""`nbactl status`: one board."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.app import console, container, session
from nbactl.cli.completion.values import dates, sources
from nbactl.cli.frame import command, single
from nbactl.cli.show.render import View
from nbactl.cli.signals import until_left
from nbactl.cli.status.text import board_json, show_board
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import CheckFailedError, UsageError
from nbactl.workflows.board import Boards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.bootstrap import Container
    from nbactl.cli.show.console import Console
    from nbactl.workflows.board import Board

app = single()

_CLEAR = "\x1b[H\x1b[J"
_OTHER_SCREEN, _FIRST_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


@command(app, "status", examples=["nbactl status", "nbactl status --date yesterday -o json"])
def status(
    ctx: typer.Context,
    date: Annotated[
        str | None,
        typer.Option(
            help="Game date: YYYY-MM-DD, today, yesterday or latest.",
            metavar="DATE",
            show_default="latest; today on gcp",
            autocompletion=dates,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Where game data come from.", metavar="sample|path:DIR|nba_api", autocompletion=sources),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Draw it anew until Ctrl-C; without a terminal, after each change.")
    ] = False,
) -> View:
    """Show the board of a game date: each phase, who is at work, what went wrong.

    Exits with 1 if a phase failed, was interrupted or is late.
    """
    call = session(ctx)
    call.settings = call.settings.with_flag("source", source)
    if watch and call.settings.output in ("json", "yaml"):
        raise UsageError(
            "--watch does not go together with --output json",
            cause="JSON output is one document, and a board that is watched has no end.",
            next_step="Use --output jsonl: one board a line.",
        )
    # Who watches wants to see a ledger that is made later.
    services = container(ctx, reads_only=not watch)
    boards = _boards(services, date)
    if watch:
        return _watched(services, boards, console(ctx), as_lines=call.settings.output == "jsonl")
    board = next(boards)
    return View(
        board_json(board),
        lambda console: show_board(console, board),
        exit_code=int(board.wrong),
        error=_error(board),
    )


def _error(board: Board) -> CheckFailedError | None:
    wrong = [phase for phase in board.phases if phase.wrong]
    if not wrong:
        return None
    told = ", ".join(f"{phase.name} {'late' if phase.late else phase.state}" for phase in wrong)
    first = wrong[0]
    look = f"nbactl runs show {first.run.run_id}" if first.run else f"nbactl runs list --name {first.name}"
    return CheckFailedError(f"{board.game_date}: {told}", next_step=f"Look: {look}")


def _boards(services: Container, date: str | None) -> Iterator[Board]:
    """Yield the board as it is, each time it is asked for."""
    settings = services.settings
    limits = {name: deadline.limit for name, deadline in services.config.timeouts.deadlines.items()}
    boards = Boards(services.config.workflows, limits, services.ledger, settings.target, services.leases.held)
    text = date or ("latest" if settings.target == "local" else "today")
    while True:
        now = services.clock.now()
        day = GameDate.parse(text, now=now, latest=lambda: GameDate(services.source.latest()))
        yield boards.draw(day, services.source.key, now)


def _watched(services: Container, boards: Iterator[Board], console: Console, *, as_lines: bool) -> View:
    """Return a result that ends with Ctrl-C."""
    pause = services.config.timeouts["status.refresh"]

    def changes() -> Iterator[dict[str, Any]]:
        for board in _ever_again(boards, pause):
            yield board_json(board)
            console.out.flush()

    def show(console: Console) -> None:
        if console.out.is_live:
            _draw_in_place(console, _ever_again(boards, pause, every=True))
            return
        for board in _ever_again(boards, pause):
            show_board(console, board)
            console.print()
            console.out.flush()

    return View({"boards": changes() if as_lines else []}, show, items="boards")


def _draw_in_place(console: Console, boards: Iterator[Board]) -> None:
    console.out.write(_OTHER_SCREEN)
    try:
        for board in boards:
            console.out.write(_CLEAR)
            show_board(console, board)
            console.print("\nCtrl-C leaves.")
            console.out.flush()
    finally:
        console.out.write(_FIRST_SCREEN)
        console.out.flush()


def _ever_again(boards: Iterator[Board], pause: float, *, every: bool = False) -> Iterator[Board]:
    """Yield boards until Ctrl-C: each one, or only those that differ in more than the time."""
    shown: Board | None = None
    for _ in until_left(pause):
        board = next(boards)
        if every or shown is None or replace(board, now=shown.now) != shown:
            shown = board
            yield board
