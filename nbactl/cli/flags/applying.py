"""Carry moves out: shown first, asked where it matters, written in one commit, with the way back."""

from __future__ import annotations

import shlex
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from nbactl.cli.app import console, settings
from nbactl.cli.ask import given_options, operator
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.errors import CancelledError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Settings
    from nbactl.core.flags.model import State
    from nbactl.core.flags.moves import Move, Position
    from nbactl.core.flags.store import FlagStore


def carry_out(
    ctx: typer.Context,
    store: FlagStore,
    moves: Sequence[Move],
    *,
    reason: str | None,
    dry_run: bool,
    warnings: Sequence[str] = (),
) -> View:
    """Make the moves that change something, all or none. Raises PreconditionError if somebody else came first."""
    given, call = settings(ctx), console(ctx)
    changing = [each for each in moves if each.changes]
    by = operator()
    states: dict[str, State] = {}
    if changing and not dry_run:
        if given.target == "gcp":
            _ask(call, changing, given)
        done = store.change([each.change for each in changing], by=by, reason=reason)
        states = {each.key: state for each, state in zip(changing, done, strict=True)}
    undo = _undo(changing, given)
    data: dict[str, Any] = {
        "changes": [_described(each, states.get(each.key)) for each in changing],
        "unchanged": [each.key for each in moves if not each.changes],
        "applied": bool(states),
        "by": by,
        "reason": reason,
        "undo": undo,
    }

    def show(console: Console) -> None:
        _show(console, changing, states, undo, given)

    return View(data, show, items="changes", warnings=tuple(warnings))


def _ask(console: Console, changing: Sequence[Move], settings: Settings) -> None:
    for each in changing:
        console.note(f"  {each.key}: {_before(each)} to {each.after}")
    count = f"{len(changing)} flag{'s' if len(changing) > 1 else ''}"
    if not console.confirm(f"Change {count} on {_where(settings)}?"):
        raise CancelledError


def _show(
    console: Console, changing: Sequence[Move], states: dict[str, State], undo: Sequence[str], settings: Settings
) -> None:
    if not changing:
        console.note("Nothing to do: the flags are there already.")
        return
    console.table(
        ["flag", "from", "to", "version"],
        [
            (each.key, _before(each), Styled(str(each.after), "bold"), _version(states.get(each.key)))
            for each in changing
        ],
    )
    console.note(f"Changed on {_where(settings)}." if states else f"Dry run: nothing was changed on {settings.target}.")
    if states:
        for line in undo:
            console.note(Styled("undo: ", "cyan"), line)


def _undo(changing: Sequence[Move], settings: Settings) -> list[str]:
    """Return the commands that bring the flags back; none for one whose state could not be read."""
    by_position: dict[Position, list[str]] = defaultdict(list)
    for each in changing:
        if each.before is not None:
            by_position[each.before].append(each.key)
    place = given_options(settings)
    return [
        shlex.join(["nbactl", "flags", "set", *keys, *before.option.split(), *place])
        for before, keys in by_position.items()
    ]


def _described(move: Move, state: State | None) -> dict[str, Any]:
    return {
        "key": move.key,
        "before": None if move.before is None else _position(move.before),
        "after": _position(move.after),
        "version": None if state is None else state.version,
    }


def _position(position: Position) -> dict[str, Any]:
    return {"percent": position.percent, "enabled": position.enabled}


def _before(move: Move) -> str:
    return "unreadable" if move.before is None else str(move.before)


def _version(state: State | None) -> str | None:
    return None if state is None else str(state.version)


def _where(settings: Settings) -> str:
    return settings.target if settings.project is None else f"{settings.target} ({settings.project})"
