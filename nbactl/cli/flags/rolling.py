"""What the verbs of `nbactl flags rollout` do."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from nbactl.checks.flags import held_back
from nbactl.cli.app import console, container, settings
from nbactl.cli.ask import Question, asking, given_options, operator
from nbactl.cli.flags.desk import open_desk, unknown_flag
from nbactl.cli.flags.rollout_text import described, show_rollouts
from nbactl.cli.show.render import View
from nbactl.core._support.durations import format_duration
from nbactl.core.flags.moves import Position, position_of
from nbactl.errors import PreconditionError
from nbactl.rollouts.decisions import not_well
from nbactl.rollouts.model import Action, Guard, Rollout, Stage, Status
from nbactl.rollouts.store import unknown_rollout
from nbactl.rollouts.tick import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import typer

    from nbactl.bootstrap import Container
    from nbactl.cli.flags.desk import Desk
    from nbactl.cli.show.console import Console
    from nbactl.config.flags import FlagsFile


def start(ctx: typer.Context, keys: list[str] | None, *, reason: str | None, force: bool, dry_run: bool) -> View:
    """Begin a rollout at the first stage of the flag's plan, or go on with a paused one at its stage."""
    services, desk = container(ctx), open_desk(ctx)
    chosen = desk.chosen(keys)
    known = {each.key: each for each in services.rollouts.all()[0]}
    paused = [known[key] for key in chosen if key in known and known[key].status is Status.PAUSED]
    fresh = [key for key in chosen if key not in {each.key for each in paused}]
    plans = {key: _plan(desk.file, key) for key in chosen}
    if not force:
        for key in fresh:
            _refuse(desk, key, plans[key][0], [each for each in known.values() if each.is_open])
        _refuse_unwell(services)
    what = [f"{key}: to {_first(desk, key, plans[key][0]):g} %" for key in fresh]
    what += [f"{each.key}: on at {each.percent:g} %" for each in paused]

    def go() -> list[Rollout]:
        by, why = operator(), reason or ""
        begun = [
            services.rollouts.start(key, *plans[key], salt=desk.flag(key).salt, by=by, why=why, force=force)
            for key in fresh
        ]
        resumed = [
            services.rollouts.take(each, Action.RESUME, salt=desk.flag(each.key).salt, by=by, why=why)
            for each in paused
        ]
        return [*begun, *resumed]

    return _carry_out(ctx, services, what, go, dry_run=dry_run, undo=f"nbactl flags rollout abort {' '.join(chosen)}")


def advance(ctx: typer.Context, keys: list[str] | None, *, reason: str | None, force: bool, dry_run: bool) -> View:
    """Go to the next stage now, if a tick would; with --force although its time is not over or too little is known."""
    services, desk = container(ctx), open_desk(ctx)
    ticker, now = services.ticker(silent), services.clock.now()
    steps: list[tuple[Rollout, Action]] = []
    for rollout in _open(services, desk.chosen(keys)):
        if rollout.status is Status.PAUSED:
            raise PreconditionError(
                f"the rollout of {rollout.key} is paused", next_step=f"nbactl flags rollout start {rollout.key}"
            )
        decision, verdicts = ticker.look(rollout, now)
        forced = force and not any(each.breached for each in verdicts) and decision.action is Action.HOLD
        if decision.action not in (Action.ADVANCE, Action.COMPLETE) and not forced:
            raise PreconditionError(
                f"{rollout.key} does not advance: {decision.action.value}",
                cause=decision.why,
                next_step="Wait for the tick, or give --force where nothing is breached.",
            )
        steps.append((rollout, Action.COMPLETE if rollout.is_last else Action.ADVANCE))
    what = [
        f"{each.key}: " + ("complete" if action is Action.COMPLETE else f"to {each.stages[each.stage].percent:g} %")
        for each, action in steps
    ]
    undo = "nbactl flags rollout abort " + " ".join(each.key for each, _ in steps)
    return _take(ctx, services, desk, steps, what, reason=reason, dry_run=dry_run, undo=undo)


def pause(ctx: typer.Context, keys: list[str] | None, *, reason: str | None, dry_run: bool) -> View:
    """Stay at the present stage until `rollout start`; no tick moves the flag meanwhile, not even back."""
    services, desk = container(ctx), open_desk(ctx)
    steps = [(each, Action.PAUSE) for each in _open(services, desk.chosen(keys)) if each.status is Status.RUNNING]
    what = [f"{each.key}: stays at {each.percent:g} %" for each, _ in steps]
    undo = "nbactl flags rollout start " + " ".join(each.key for each, _ in steps)
    return _take(ctx, services, desk, steps, what, reason=reason, dry_run=dry_run, undo=undo)


def abort(ctx: typer.Context, keys: list[str] | None, *, reason: str | None, dry_run: bool) -> View:
    """End a rollout and take the flag back to where it stood before it. It never takes a flag up."""
    services, desk = container(ctx), open_desk(ctx)
    steps = [(each, Action.ABORT) for each in _open(services, desk.chosen(keys))]
    what = [f"{each.key}: back to {_back(each)}" for each, _ in steps]
    undo = "nbactl flags rollout start " + " ".join(each.key for each, _ in steps)
    return _take(ctx, services, desk, steps, what, reason=reason, dry_run=dry_run, undo=undo)


def status(ctx: typer.Context, keys: list[str] | None) -> View:
    """Show each rollout: its stage, what its guards say now, and what the next tick will do. Nothing is changed."""
    services = container(ctx, reads_only=True)
    rollouts, unreadable = services.rollouts.all()
    by_key = {each.key: each for each in rollouts}
    for key in keys or ():
        if key not in by_key:
            declared = services.config.flags.flags
            raise unknown_rollout(key) if key in declared else unknown_flag(key, declared)
    chosen = [by_key[key] for key in keys] if keys else rollouts
    ticker, now = services.ticker(silent), services.clock.now()
    looked = [(each, *(ticker.look(each, now) if each.status is Status.RUNNING else (None, []))) for each in chosen]
    data = {"rollouts": [described(rollout, decision, verdicts, now) for rollout, decision, verdicts in looked]}

    def show(out: Console) -> None:
        show_rollouts(out, looked, now)

    return View(data, show, items="rollouts", warnings=tuple(unreadable.values()))


def _plan(file: FlagsFile, key: str) -> tuple[list[Stage], list[Guard]]:
    plan = file.rollout.plans[file.flags[key].rollout]
    stages = [Stage(stage.percent, stage.bake) for stage in plan.stages]
    guards = []
    for name in plan.guards:
        each = file.rollout.guards[name]
        guards.append(Guard(name, each.metric, each.above, each.window, each.minimum_sample))
    return stages, guards


def _first(desk: Desk, key: str, stages: Sequence[Stage]) -> float:
    here = position_of(desk.state(key)).percent
    return next((stage.percent for stage in stages if stage.percent > here), stages[-1].percent)


def _refuse(desk: Desk, key: str, stages: Sequence[Stage], under_way: Sequence[Rollout]) -> None:
    """Refuse a rollout that would not show what it does. Raises PreconditionError."""
    flag = desk.flag(key)
    if flag.expires < desk.today:
        raise PreconditionError(
            f"{key} was to be removed from the code by {flag.expires}", next_step="Set `expires` anew, or give --force."
        )
    for other in under_way:
        if other.key != key and other.key in desk.file.flags and desk.file.flags[other.key].entity == flag.entity:
            raise PreconditionError(
                f"{other.key} is being rolled out over {flag.entity} at the same time",
                cause="What a guard sees could come from either.",
                next_step=f"Finish it first (nbactl flags rollout status {other.key}), or give --force.",
            )
    then = desk.after([desk.move(key, Position(_first(desk, key, stages), enabled=True))])
    for finding in held_back(key, desk.file, then):
        raise PreconditionError(finding.message, next_step=f"{finding.fix} Or give --force.")


def _refuse_unwell(services: Container) -> None:
    if ill := not_well(services.ticker(silent).health()):
        raise PreconditionError(
            f"no stage begins now: {ill}", cause="A stage starts only while every service is well.",
            next_step="Repair that first, or give --force.",
        )  # fmt: skip


def _open(services: Container, keys: Sequence[str]) -> list[Rollout]:
    found = []
    for key in keys:
        rollout = services.rollouts.get(key)
        if rollout is None:
            raise unknown_rollout(key)
        if not rollout.is_open:
            raise PreconditionError(
                f"the rollout of {key} is {rollout.status.value}",
                next_step=f"Begin anew: nbactl flags rollout start {key}",
            )
        found.append(rollout)
    return found


def _back(rollout: Rollout) -> str:
    return f"{rollout.before:g} %" if rollout.was_enabled else "off"


def _take(
    ctx: typer.Context,
    services: Container,
    desk: Desk,
    steps: Sequence[tuple[Rollout, Action]],
    what: Sequence[str],
    *,
    reason: str | None,
    dry_run: bool,
    undo: str,
) -> View:
    def go() -> list[Rollout]:
        return [
            services.rollouts.take(each, action, salt=_salt(desk, each.key), by=operator(), why=reason or "")
            for each, action in steps
        ]

    return _carry_out(ctx, services, what, go, dry_run=dry_run, undo=undo)


def _salt(desk: Desk, key: str) -> str:
    return desk.file.flags[key].salt if key in desk.file.flags else key


def _carry_out(
    ctx: typer.Context,
    services: Container,
    what: Sequence[str],
    go: Callable[[], list[Rollout]],
    *,
    dry_run: bool,
    undo: str,
) -> View:
    """Show, ask on gcp, do. Each flag is a commit of its own; a refusal leaves those before it done and says so."""
    undo = shlex.join([*undo.split(), *given_options(settings(ctx))])
    done: list[Rollout] = []
    if what and not dry_run:
        for line in what:
            console(ctx).note(f"  {line}")
        asking(ctx)(Question(f"Change {len(what)} rollout{'s' if len(what) > 1 else ''}?"))
        done = go()
    now = services.clock.now()
    data: dict[str, Any] = {
        "plan": list(what),
        "applied": bool(done),
        "rollouts": [described(each, None, [], now) for each in done],
        "undo": undo if done else None,
    }

    def show(out: Console) -> None:
        for each in done:
            until = format_duration(max(0.0, (each.bakes_until - now).total_seconds()))
            told = f"; bakes for {until}" if each.status is Status.RUNNING else ""
            out.print(f"{each.key}: {each.status.value}, at {each.history[-1].percent:g} %{told}")
        if not what:
            out.note("Nothing to do.")
        elif dry_run:
            for line in what:
                out.print(line)
            out.note(f"Dry run: nothing was changed on {settings(ctx).target}.")
        if done:
            out.note(f"undo: {undo}")

    return View(data, show, items="rollouts")
