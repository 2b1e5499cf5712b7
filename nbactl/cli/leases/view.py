"""Leases as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.leases.command import description, expiry
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core.lease.holder import describe

if TYPE_CHECKING:
    from nbactl.cli.leases.command import HeldLease, HeldLock, LeaseList, Released
    from nbactl.cli.show.console import Console

_EXPIRED_SHOWN: Final = 10
_STYLES: Final = {"held": "green", "expired": "yellow", "dead": "yellow"}


def lease_list(found: LeaseList) -> View:
    """Show the leases that are held."""

    def show(console: Console) -> None:
        rows = [
            (held.lease.name, Styled(held.state, _STYLES[held.state]), "nbactl", held.holder, expiry(held))
            for held in found.leases
        ]
        open_locks = [held for held in found.locks if held.state == "held"]
        expired = [held for held in found.locks if held.state == "expired"]
        rows += [
            (
                held.lock.name,
                Styled(held.state, _STYLES[held.state]),
                "production",
                held.lock.owner or "-",
                expiry(held),
            )
            for held in (*open_locks, *expired[:_EXPIRED_SHOWN])
        ]
        if rows:
            console.table(["lease", "state", "of", "holder", "expires"], rows, optional=["of"])
            shown = min(len(expired), _EXPIRED_SHOWN)
            console.showing(shown, len(expired), "expired locks of other programs", more="Use -o json for all.")
        else:
            console.note("No lease is held.")
        for removal in found.removals:
            why = f": {removal.reason}" if removal.reason else ""
            was = describe(removal.owner)
            console.detail(f"{moment(removal.at)} {removal.by} released {removal.name}, held by {was}{why}")

    removals = [
        {
            "name": removal.name,
            "owner": removal.owner,
            "token": removal.token,
            "at": removal.at,
            "by": removal.by,
            "reason": removal.reason,
        }
        for removal in found.removals
    ]
    leases = [*map(_line, found.leases), *map(_lock_line, found.locks)]
    return View({"leases": leases, "taken_away": removals}, show, items="leases")


def released(done: Released) -> View:
    """Show which lease was released."""
    request = done.request

    def show(console: Console) -> None:
        if done.replaced:
            verb = "Would release" if request.dry_run else "Released"
            console.note(f"{verb} {request.name}, whose holder cannot be read.")
        elif done.lease is None and done.lock is None:
            console.note(f"Nothing to do: {request.name} is not held.")
        elif request.dry_run:
            console.note(f"Would release {description(done)}.")
        elif done.lock is not None:
            console.note(f"Released {description(done)}. A copy of it is kept in {done.copy}.")
        else:
            console.note(f"Released {description(done)}. The next process that wants it gets it.")
            if done.forced:
                console.note("The former holder's writes are refused from now on. This cannot be undone: restart it.")

    line = None if done.lease is None else _line(done.lease)
    if done.lock is not None:
        line = _lock_line(done.lock)
    data = {"lease": line, "changed": done.changed, "forced": done.forced, "reason": request.reason, "copy": done.copy}
    return View(data, show, touched=None if line is None else f"lease {request.name}")


def _line(held: HeldLease) -> dict[str, Any]:
    return {
        "name": held.lease.name,
        "state": held.state,
        "holder": held.holder,
        "owner": held.lease.owner,
        "token": held.lease.token,
        "expires_at": held.lease.expires_at,
        "acquired_at": None,
        "origin": "nbactl",
        "problems": [],
    }


def _lock_line(held: HeldLock) -> dict[str, Any]:
    """Return a lock of another program with the keys of a lease; it has no fencing token."""
    return {
        "name": held.lock.name,
        "state": held.state,
        "holder": held.lock.owner,
        "owner": held.lock.owner,
        "token": None,
        "expires_at": held.lock.expires_at,
        "acquired_at": held.lock.acquired_at,
        "origin": "production",
        "problems": held.lock.problems,
    }
