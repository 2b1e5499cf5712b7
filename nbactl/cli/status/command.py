"""The board of a game date."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbactl.cli.dates import game_date
from nbactl.workflows.board import Boards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbactl.bootstrap import Container
    from nbactl.workflows.board import Board


def read_board(app: Container, date: str | None = None) -> Board:
    """Return the board of a date as it is now: `2024-01-15`, `today` or another name of a date.

    Without a date it is the newest of the source, on gcp today. Raises UsageError.
    """
    limits = {name: deadline.limit for name, deadline in app.config.timeouts.deadlines.items()}
    target, freshness = app.settings.target, app.planner.freshness
    boards = Boards(app.config.workflows, limits, app.ledger, target, app.leases.held, freshness)
    return boards.draw(game_date(app, date), app.source.key, app.clock.now())


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
