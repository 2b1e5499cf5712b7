"""`nbactl breakers`: which dependencies are not called at the moment, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.app import container
from nbactl.cli.ask import Question, asking, operator
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.core._support.names import did_you_mean
from nbactl.errors import DataError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.show.console import Console
    from nbactl.core.calls.shared_breakers import SharedState

app = group()

_LOOKS = {"open": "bold red", "due": "yellow", "closed": "green"}


@command(app, "list", examples=["nbactl breakers list", "nbactl breakers list --open", "nbactl breakers list -o json"])
def list_(
    ctx: typer.Context,
    is_open: Annotated[bool, typer.Option("--open", help="Only those that are not closed.")] = False,
) -> View:
    """List the circuit breakers as the processes told them.

    `open`: calls are refused. `due`: the time is over, the next call finds out. A process tells within breakers.sync.
    """
    services = container(ctx, reads_only=True)
    now = services.clock.now()
    known = _known(services)
    lines = [_line(name, state, now) for name, state in known.items()]
    lines = [line for line in lines if not is_open or line["state"] != "closed"]

    def show(console: Console) -> None:
        if not lines:
            console.note("No breaker is open." if is_open else "There is no breaker in timeouts.yaml.")
            return
        console.table(
            ["breaker", "state", "failures", "since", "remark"],
            [
                (
                    line["name"],
                    Styled(line["state"], _LOOKS[line["state"]]),
                    "" if line["failures"] is None else str(line["failures"]),
                    moment(line["changed_at"]) if line["changed_at"] else "",
                    _remark(line, now),
                )
                for line in lines
            ],
            optional=["failures"],
        )

    return View({"breakers": lines}, show, items="breakers")


@command(
    app,
    "reset",
    examples=[
        "nbactl breakers reset stats_nba --reason 'unblocked again'",
        "nbactl breakers reset --all --dry-run",
    ],
)
def reset(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Breakers.", show_default=False, autocompletion=completing.breakers),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every breaker that is not closed.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for `breakers list`.", metavar="TEXT")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
) -> View:
    """Close breakers in every process, as soon as each looks (breakers.sync in timeouts.yaml).

    There is no undo, and none is needed: if the dependency is still broken, its breaker opens again by itself.
    """
    services = container(ctx)
    known = _known(services, damaged=bool(names))
    chosen = _chosen(known, names, every=every)
    now, by = services.clock.now(), operator()
    before = [_line(name, known[name], now) for name in chosen]
    if chosen and not dry_run:
        asking(ctx)(Question(f"Let all processes call {', '.join(chosen)} again?"))
        for name in chosen:
            services.shared_breakers.reset(name, by=by, reason=reason)
    data = {"breakers": before, "changed": bool(chosen) and not dry_run, "by": by, "reason": reason}
    wait = services.config.timeouts["breakers.sync"]

    def show(console: Console) -> None:
        if not chosen:
            console.note("No breaker is open.")
        for line in before:
            told = "Would close" if dry_run else "Closed"
            console.note(f"{told} {line['name']}, which was {_told(line)}.")
        if data["changed"]:
            console.note(f"Every process heeds it within about {format_duration(wait)}.")

    return View(data, show, items="breakers")


def _known(services: Container, *, damaged: bool = False) -> dict[str, SharedState | None]:
    """Return the breakers of timeouts.yaml, and any others that a process told of.

    Where a state cannot be read, those of the file alone if it may be `damaged`; DataError otherwise.
    """
    declared: dict[str, SharedState | None] = dict.fromkeys(services.config.timeouts.breakers)
    try:
        return {**declared, **{state.name: state for state in services.shared_breakers.known()}}
    except DataError:
        if damaged:
            return declared
        raise


def _chosen(known: Mapping[str, SharedState | None], names: Sequence[str] | None, *, every: bool) -> list[str]:
    if bool(names) == every:
        raise UsageError("Say which breakers are meant", next_step="Give names, or --all.")
    for name in names or ():
        if name not in known:
            raise NotFoundError(f"there is no breaker '{name}'", next_step=did_you_mean(name, known))
    if names:
        return list(dict.fromkeys(names))
    return [name for name, state in known.items() if state is not None and state.state != "closed"]


def _line(name: str, state: SharedState | None, now: datetime) -> dict[str, Any]:
    """Return a breaker as `breakers list -o json` has it."""
    is_over = state is not None and state.until is not None and state.until <= now
    return {
        "name": name,
        "state": "closed" if state is None else "due" if state.state == "open" and is_over else state.state,
        "failures": None if state is None else state.failures,
        "opened_at": None if state is None else state.opened_at,
        "until": None if state is None else state.until,
        "changed_at": None if state is None else state.changed_at,
        "reset_by": None if state is None else state.by,
        "reason": None if state is None else state.reason,
    }


def _remark(line: Mapping[str, Any], now: datetime) -> str:
    if line["changed_at"] is None:
        return "no process told of it"
    if line["state"] == "open":
        until = line["until"]
        return (
            "until it is reset" if until is None else f"tried again in {format_duration((until - now).total_seconds())}"
        )
    if line["state"] == "due":
        return "tried again by the next call"
    who = f"reset by {line['reset_by']}" if line["reset_by"] else ""
    return ": ".join(filter(None, (who, line["reason"])))


def _told(line: Mapping[str, Any]) -> str:
    if line["changed_at"] is None:
        return "closed as far as any process told"
    return f"{line['state']} since {moment(line['changed_at'])}"
