"""Circuit breakers as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration

if TYPE_CHECKING:
    from nbactl.cli.breakers.command import BreakerList, BreakersReset, ListedBreaker
    from nbactl.cli.show.console import Console

_STYLES: Final = {"open": "bold red", "due": "yellow", "closed": "green"}


def breaker_list(found: BreakerList) -> View:
    """Show the breakers."""

    def show(console: Console) -> None:
        if not found.breakers:
            console.note("No breaker is open." if found.open_only else "timeouts.yaml declares no breaker.")
            return
        console.table(
            ["breaker", "state", "failures", "since", "remark"],
            [
                (
                    breaker.name,
                    Styled(breaker.state, _STYLES[breaker.state]),
                    str(breaker.reported.failures) if breaker.reported else "",
                    moment(breaker.reported.changed_at) if breaker.reported else "",
                    _remark(breaker),
                )
                for breaker in found.breakers
            ],
            optional=["failures"],
        )

    return View({"breakers": [_line(breaker) for breaker in found.breakers]}, show, items="breakers")


def breakers_reset(done: BreakersReset) -> View:
    """Show which breakers were closed."""

    def show(console: Console) -> None:
        if not done.breakers:
            console.note("No breaker is open.")
        verb = "Closed" if done.changed else "Would close"
        for breaker in done.breakers:
            console.note(f"{verb} {breaker.name}, which was {_description(breaker)}.")
        if done.changed:
            console.note(f"Every process follows within about {format_duration(done.effective_in)}.")

    data = {
        "breakers": [_line(breaker) for breaker in done.breakers],
        "changed": done.changed,
        "by": done.operator,
        "reason": done.request.reason,
    }
    names = ", ".join(breaker.name for breaker in done.breakers)
    return View(data, show, items="breakers", touched=f"breakers {names}" if names else None)


def _line(breaker: ListedBreaker) -> dict[str, Any]:
    reported = breaker.reported
    return {
        "name": breaker.name,
        "state": breaker.state,
        "failures": reported and reported.failures,
        "opened_at": reported and reported.opened_at,
        "until": reported and reported.until,
        "changed_at": reported and reported.changed_at,
        "reset_by": reported and reported.by,
        "reason": reported and reported.reason,
    }


def _remark(breaker: ListedBreaker) -> str:
    if breaker.reported is None:
        return "not reported by any process"
    if breaker.state == "open":
        return "until it is reset" if breaker.retry_in is None else f"next try in {format_duration(breaker.retry_in)}"
    if breaker.state == "due":
        return "next call tries it"
    by = f"reset by {breaker.reported.by}" if breaker.reported.by else ""
    return ": ".join(filter(None, (by, breaker.reported.reason)))


def _description(breaker: ListedBreaker) -> str:
    if breaker.reported is None:
        return "not reported by any process"
    return f"{breaker.state} since {moment(breaker.reported.changed_at)}"
