"""The board of a game date."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap.outputs import make_boards
from nbactl.bootstrap.runs import follow_last_source
from nbactl.cli.dates import game_date
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import NbactlError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbactl.bootstrap import Container
    from nbactl.core.season.idle import Idle
    from nbactl.workflows.board import Board

_LIVE: Final = "nba_api"


def read_board(app: Container, date: str | None = None) -> Board:
    """Return the board of a date as it is now: `2024-01-15`, `today` or another name of a date.

    Without a date it is the newest of the source, on gcp today. Without a chosen source it is the one that the newest
    run used. Raises UsageError.
    """
    drawn = make_boards(app).draw(*_shown(app, date), app.clock.now())
    return replace(drawn, source_origin=app.settings.origins["source"], idle=_idle(app, drawn))


def _idle(app: Container, drawn: Board) -> Idle | None:
    """Return why nothing is expected of a date for which nothing was done."""
    if app.settings.target == "gcp" or any(phase.state != "missing" for phase in drawn.phases):
        return None  # on gcp it would cost a query at each refresh
    from nbactl.bootstrap.season import make_idle_dates  # noqa: PLC0415 - only then

    with suppress(NbactlError):  # the folder of the source is elsewhere, as for a copy of the state
        return make_idle_dates(app).idle([drawn.game_date]).get(drawn.game_date)
    return None


def _shown(app: Container, date: str | None) -> tuple[GameDate, str]:
    """Return which date of which source to show: of the one used last, if none was chosen."""
    last = follow_last_source(app)
    if last is None:
        return game_date(app, date), app.source.key
    if last.source == _LIVE and date is None and app.settings.target == "local":
        return last.game_date, last.source  # its newest date would cost a request
    try:
        return game_date(app, date), app.source.key
    except NotFoundError as error:  # the folder is elsewhere, as for a copy of the state
        shown = GameDate.parse(date, now=app.clock.now()) if date and date != "latest" else last.game_date
        app.notice(f"{error.message}; showing {last.source} as the ledger has it")
        return shown, last.source


def watch_board(
    app: Container, date: str | None, polls: Iterable[None], *, only_changes: bool = True
) -> Iterator[Board]:
    """Yield the board at each poll; with `only_changes` those alone that differ in more than the time."""
    last: Board | None = None
    for _ in polls:
        board = read_board(app, date)
        if not only_changes or last is None or replace(board, now=last.now) != last:
            last = board
            yield board
