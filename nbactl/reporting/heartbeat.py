"""The watcher of the watchers: ticks judge the alert rules, so something else must notice that ticks have stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.durations import format_duration
from nbactl.frozen import frozen
from nbactl.ports.alerts import Alert
from nbactl.reporting.conditions import WATCHED, Finding, conditions_unsettled, end, mark_sent, observe, unsent
from nbactl.schedule.ticks import last_tick

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from nbactl.ports.documents import DocumentStore
    from nbactl.reporting.conditions import Condition, Message

(_RULE,) = WATCHED
_TITLE: Final = "`nbactl schedule tick` does not run"


@frozen
class Pulse:
    """What was seen. `never`: no tick has ever ended here, so none is missed."""

    state: Literal["beating", "silent", "never"]
    last_tick_at: datetime | None


def look_at_ticks(
    store: DocumentStore, now: datetime, silence: float, again: float, send: Callable[[Alert], None]
) -> Pulse:
    """Alert if no tick has ended for `silence` seconds: once when that begins, every `again` seconds, once at its end.

    Several may look at the same time, and be killed anywhere: each message is sent once, and none is lost.
    """
    ended_at = last_tick(store)
    if ended_at is None:
        return Pulse("never", None)
    known = next((one for one in conditions_unsettled(store) if one.rule == _RULE), None)
    quiet = (now - ended_at).total_seconds()
    if quiet > silence:
        title = f"{_TITLE}: the last one ended {format_duration(round(quiet))} ago"
        finding = Finding(_RULE, "", "critical", title, timedelta(seconds=again))
        _say(store, observe(store, finding, now), send)
        return Pulse("silent", ended_at)
    if known is not None:
        _say(store, end(store, known, now) if known.open else unsent(store, known, now), send)
    return Pulse("beating", ended_at)


def _say(store: DocumentStore, message: Message | None, send: Callable[[Alert], None]) -> None:
    if message is None:
        return
    send(_alert(message.condition, resolved=message.said == "resolved", number=message.number))
    mark_sent(store, message)


def _alert(condition: Condition, *, resolved: bool, number: int) -> Alert:
    since = {"since": f"{condition.since:%Y-%m-%d %H:%M} UTC"}
    if resolved:
        return Alert(f"heartbeat/{number}", "info", f"resolved: {_TITLE}", fields=since)
    return Alert(f"heartbeat/{number}", "critical", condition.title, fields=since, next_step="nbactl jobs list")
