"""`nbactl flags list`, `show` and `history`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nbactl.cli.flags.desk import open_desk, stages_of
from nbactl.cli.flags.group import KeyArgument, app
from nbactl.cli.frame import command
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.core.flags.moves import position_of
from nbactl.core.flags.snapshot import as_text

if TYPE_CHECKING:
    from nbactl.cli.flags.desk import Desk
    from nbactl.cli.show.console import Console
    from nbactl.core.flags.model import State


@command(app, "list", examples=["nbactl flags list", "nbactl flags list -o json"])
def list_(ctx: typer.Context) -> View:
    """List the flags: how far each is rolled out, and who changed it last."""
    desk = open_desk(ctx, reads_only=True)
    lines = [desk.line(key) for key in desk.file.flags]

    def show(console: Console) -> None:
        console.table(
            ["flag", "rolled out", "stage", "environment", "changed", "by", "reason"],
            [
                (
                    line["key"],
                    _position(desk, line["key"]),
                    _stage(desk, line["key"]),
                    _override(desk, line["key"]),
                    moment(line["updated_at"]) if line["updated_at"] else None,
                    line["updated_by"],
                    _remark(line),
                )
                for line in lines
            ],
            optional=["stage", "by", "changed", "environment"],
        )

    return View({"flags": lines}, show, items="flags", warnings=(*desk.snapshot.problems, *_strangers(desk)))


@command(app, "show", examples=["nbactl flags show query_caching", "nbactl flags show dual_write_mode -o json"])
def show_(ctx: typer.Context, key: KeyArgument) -> View:
    """Show a flag: what it means, where it stands, who is inside, and how it is to be rolled out."""
    desk = open_desk(ctx, reads_only=True)
    flag, state = desk.flag(key), desk.stored.states.get(key)
    plan = desk.file.rollout.plans[flag.rollout]
    data: dict[str, Any] = {
        **desk.line(key),
        "version": 0 if state is None else state.version,
        "entered_stage_at": None if state is None else state.entered_stage_at,
        **{name: value for name, value in flag.as_data().items() if name not in ("type", "rollout")},
        "salt": flag.salt if state is None else state.salt,
        "rollout": {"plan": flag.rollout, **plan.as_data()},
        "active": key in desk.file.rollout.active,
    }
    steps = [f"{step.percent:g} % for {format_duration(step.bake)}" for step in plan.stages]
    targeting = flag.targeting
    rows = [
        ("rolled out", f"{position_of(state)} (version {data['version']})"),
        ("stage", _stage(desk, key) or "-"),
        ("changed", "never" if state is None else f"{moment(state.updated_at)} by {state.updated_by}"),
        ("reason", (state.reason if state else None) or "-"),
        ("environment", _override(desk, key) or f"{flag.env} is not set"),
        ("serves", f"{as_text(flag.treatment)}, else {as_text(flag.default)}"),
        ("counts", f"{flag.entity}, by the salt '{data['salt']}'"),
        ("needs", ", ".join(flag.prerequisites) or "-"),
        ("targeting", "-" if targeting is None else _targeting(data["targeting"])),
        ("parameters", ", ".join(f"{n}={as_text(desk.snapshot.parameters[n])}" for n in flag.parameters) or "-"),
        ("plan", f"{flag.rollout}: {', '.join(steps)}"),
        ("owner", f"{flag.owner}; to be removed by {flag.expires}"),
    ]

    def show(console: Console) -> None:
        console.print(Styled(key, "bold"), f"  {flag.description}")
        for name, text in rows:
            console.out.print_hanging("  ", Styled(f"{name + ':':<13}", "dim"), text=text, indent=15)

    return View({"flag": data}, show, warnings=desk.snapshot.problems)


@command(app, "history", examples=["nbactl flags history query_caching"])
def history(
    ctx: typer.Context,
    key: KeyArgument,
    limit: Annotated[int, typer.Option(help="At most this many, the newest.", min=1, metavar="N")] = 20,
) -> View:
    """Show every change of a flag, the newest first: what, when, who and why."""
    desk = open_desk(ctx, reads_only=True)
    if key not in desk.stored.states:  # what is in the store has a history, declared or not
        desk.flag(key)
    states = desk.store.history(key)[:limit]

    def show(console: Console) -> None:
        if not states:
            console.note(f"{key} was never changed.")
            return
        console.table(["version", "rolled out", "when", "by", "reason"], [_entry(state) for state in states])

    return View({"key": key, "history": [asdict(state) for state in states]}, show, items="history")


def _entry(state: State) -> tuple[str | None, ...]:
    return str(state.version), str(position_of(state)), moment(state.updated_at), state.updated_by, state.reason


def _position(desk: Desk, key: str) -> Styled:
    here = position_of(desk.stored.states.get(key))
    if key in desk.stored.unreadable:
        return Styled("unreadable", "bold red")
    return Styled(str(here), "yellow" if not here.enabled else "green" if here.percent else "dim")


def _stage(desk: Desk, key: str) -> str | None:
    state = desk.stored.states.get(key)
    stages = stages_of(desk.file, key)
    return None if state is None or state.stage is None else f"{state.stage} of {len(stages)}"


def _override(desk: Desk, key: str) -> str | None:
    value = desk.override(key)
    return None if value is None else f"{desk.file.flags[key].env}={as_text(value)}"


def _remark(line: dict[str, Any]) -> str | None:
    return "; ".join(filter(None, [line["reason"], "stale" if line["stale"] else None])) or None


def _targeting(targeting: dict[str, Any]) -> str:
    parts = [f"{name} {', '.join(targeting[name])}" for name in ("deny", "allow") if targeting[name]]
    parts += [f"{rule['attribute']} in {', '.join(map(str, rule['in']))}" for rule in targeting["rules"]]
    return "; ".join(parts)


def _strangers(desk: Desk) -> list[str]:
    unknown = [key for key in desk.stored.states if key not in desk.file.flags]
    return [f"the store has flags that flags.yaml does not declare: {', '.join(unknown)}"] if unknown else []
