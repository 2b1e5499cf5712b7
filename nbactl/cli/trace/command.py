"""Traces: everything that is known about one thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.bootstrap.reporting import make_trace_sources
from nbactl.bootstrap.runs import follow_last_source
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.reporting.trace.model import Trace


def trace(app: Container, text: str) -> Trace:
    """Trace an id, the `last` run, or a player on a date: `PLAYER@DATE`.

    Raises NotFoundError with near names if nothing is known, UsageError for a date that is none.
    """
    from nbactl.reporting.trace.trace import trace_id, trace_player  # noqa: PLC0415 - help needs none of it

    follow_last_source(app)
    player, at, day = text.rpartition("@")
    now = app.clock.now()
    if at and "/" not in text:
        if not player:
            raise UsageError(f"'{text}' names no player", next_step="Write it as PLAYER@DATE.")
        date = GameDate.parse(day, now=now, latest=lambda: GameDate(app.source.latest()))
        return trace_player(make_trace_sources(app), player, date)
    run = app.ledger.find("last").run_id if text == "last" else text
    return trace_id(make_trace_sources(app), run, now)
