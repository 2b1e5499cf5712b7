"""`nbactl leases`: who holds what, and how a lease gets free whose holder is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nbactl.cli.app import application
from nbactl.cli.ask import consent, operator
from nbactl.cli.completion import values as completing
from nbactl.cli.frame import command, group
from nbactl.cli.show.render import Result
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.core._support.names import closest
from nbactl.core.lease.holder import describe, is_dead
from nbactl.errors import LeaseHeldError, NotFoundError, PreconditionError, StaleFenceError

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.bootstrap import Application
    from nbactl.cli.show.console import Console
    from nbactl.core.lease.leases import Lease

app = group()

_LOOKS: Final = {"held": "green", "expired": "yellow", "dead": "yellow"}
_REMOVALS: Final = 10


@command(app, "list", examples=["nbactl leases list", "nbactl leases list -o json"])
def list_(ctx: typer.Context) -> Result:
    """List the leases that were taken and not given back.

    `expired` and `dead` (its process on this machine is gone) hold nobody up: who wants the lease next gets it.
    With -v also those that were taken away last.
    """
    services = application(ctx, reads_only=True)
    now = services.clock.now()
    lines = [_line(lease, now) for lease in services.leases.held()]
    removed = services.leases.removals(_REMOVALS)

    def show(console: Console) -> None:
        if lines:
            console.table(
                ["lease", "state", "holder", "expires"],
                [
                    (each["name"], Styled(each["state"], _LOOKS[each["state"]]), each["holder"], _expires(each, now))
                    for each in lines
                ],
            )
        else:
            console.note("No lease is held.")
        for each in removed:
            why = f": {each.reason}" if each.reason else ""
            console.detail(f"{moment(each.at)} {each.by} took {each.name} away from {describe(each.owner)}{why}")

    taken = [
        {
            "name": each.name,
            "owner": each.owner,
            "token": each.token,
            "at": each.at,
            "by": each.by,
            "reason": each.reason,
        }
        for each in removed
    ]
    return Result({"leases": lines, "taken_away": taken}, show, items="leases")


@command(
    app,
    "release",
    examples=[
        "nbactl leases release phase3/2024-01-15 --dry-run",
        "nbactl leases release phase3/2024-01-15 --force --reason 'its machine is gone'",
    ],
)
def release(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of a lease.", show_default=False, autocompletion=completing.leases),
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Take it away from a holder that may be alive; asks first.")
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for `leases list`.", metavar="TEXT")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
) -> Result:
    """Free a lease whose holder is gone.

    Seldom needed: a lease that has expired, or whose process is dead, is taken over by whoever wants it next. One whose
    holder may be alive is refused (exit 6) without --force. With it the holder's fencing token is stale from then on:
    what it still tries to write is refused, and it stops at its next sign of life. Whose it was is kept.
    """
    services = application(ctx, reads_only=dry_run)
    now = services.clock.now()
    lease = _find(services, name)
    if lease is None:
        free = {"lease": None, "changed": False, "forced": False, "reason": reason}
        return Result(free, lambda console: console.note(f"{name} is free already."))
    line = _line(lease, now)
    alive = line["state"] == "held"
    who = f"{name} from {line['holder']}, {_told(line, now)}"
    if alive and not force:
        raise LeaseHeldError(
            f"{name} is held by {line['holder']}",
            cause=f"Its lease is renewed while it lives; it lasts until {moment(lease.expires_at)}.",
            next_step="Stop the holder, or wait. If it is certainly gone, add --force.",
            details={"holder": lease.owner, "expires_at": lease.expires_at},
        )
    if not dry_run:
        consent(ctx, f"Take {who}?", always=alive)
        _take_away(services, lease, reason)
    told = f"Would take {who}." if dry_run else f"Took {who}. Whoever wants it gets it now."

    def show(console: Console) -> None:
        console.note(told)
        if alive and not dry_run:
            console.note("Its holder's writes are refused from now on; there is no undo: it has to be started again.")

    return Result({"lease": line, "changed": not dry_run, "forced": alive, "reason": reason}, show)


def _take_away(services: Application, lease: Lease, reason: str | None) -> None:
    try:
        services.leases.take_away(lease, by=operator(), reason=reason)
    except StaleFenceError as error:
        raise PreconditionError(
            f"{lease.name} changed hands meanwhile; nothing was changed",
            cause=error.message,
            next_step="Look again: nbactl leases list",
        ) from error


def _find(services: Application, name: str) -> Lease | None:
    """Return the lease, None if it is free. Raises NotFoundError if nobody ever took one of this name."""
    lease = services.leases.current(name)
    if lease is None and not services.leases.is_known(name):
        match = closest(name, [held.name for held in services.leases.held()])
        raise NotFoundError(
            f"nobody ever took a lease '{name}'",
            next_step=f"Did you mean '{match}'?" if match else "`nbactl leases list` has those that are held.",
        )
    return lease


def _line(lease: Lease, now: datetime) -> dict[str, Any]:
    """Return a lease as `leases list -o json` has it."""
    state = "dead" if is_dead(lease.owner) else "expired" if lease.expires_at <= now else "held"
    return {
        "name": lease.name,
        "state": state,
        "holder": describe(lease.owner),
        "owner": lease.owner,
        "token": lease.token,
        "expires_at": lease.expires_at,
    }


def _expires(line: dict[str, Any], now: datetime) -> str:
    left = (line["expires_at"] - now).total_seconds()
    return f"in {format_duration(left)}" if left > 0 else f"{format_duration(-left)} ago"


def _told(line: dict[str, Any], now: datetime) -> str:
    if line["state"] == "dead":
        return "whose process is gone"
    return f"whose lease {'expired' if line['state'] == 'expired' else 'expires'} {_expires(line, now)}"
