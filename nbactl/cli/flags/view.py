"""Flags as JSON and as text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nbactl.cli.ask import command_line, place
from nbactl.cli.flags.command import before_of
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core._support.durations import format_duration
from nbactl.core.flags.moves import position_of
from nbactl.core.flags.snapshot import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbactl.checks.flags import FlagFinding
    from nbactl.cli.flags.command import (
        FlagCheck,
        FlagDetails,
        FlagDiff,
        FlagEvaluated,
        FlagHistory,
        FlagList,
        FlagsChanged,
    )
    from nbactl.cli.flags.snapshot import FlagLine, FlagsSnapshot
    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Settings
    from nbactl.core.flags.model import Definition
    from nbactl.core.flags.moves import Position

_SHOWN = 20


def flag_list(found: FlagList) -> View:
    """Show the flags."""
    flags = found.snapshot

    def show(console: Console) -> None:
        console.table(
            ["flag", "rolled out", "stage", "changed", "by", "environment", "reason"],
            [
                (
                    line.key,
                    _position(flags.position(line.key)),
                    _stage(flags, line),
                    moment(line.updated_at) if line.updated_at else None,
                    line.updated_by,
                    _override(flags, line),
                    "; ".join(filter(None, [line.reason, "stale" if line.stale else None])) or None,
                )
                for line in found.lines
            ],
            key=["flag", "rolled out", "stage", "by"],
        )

    return View({"flags": [asdict(line) for line in found.lines]}, show, items="flags", warnings=found.warnings)


def flag_details(found: FlagDetails) -> View:
    """Show everything about a flag."""
    line, flag, state, flags = found.line, found.flag, found.state, found.snapshot
    data: dict[str, Any] = {
        **asdict(line),
        "version": 0 if state is None else state.version,
        "entered_stage_at": None if state is None else state.entered_stage_at,
        **{name: value for name, value in flag.as_data().items() if name not in ("type", "rollout")},
        "salt": flag.salt if state is None else state.salt,
        "rollout": {"plan": flag.rollout, **found.plan.as_data()},
        "active": found.active,
    }
    here = flags.position(line.key)
    steps = [f"{stage.percent:g} % for {format_duration(stage.bake)}" for stage in found.plan.stages]
    parameters = (f"{name}={as_text(flags.compiled.parameters[name])}" for name in flag.parameters)
    rows = [
        ("rolled out", f"{'unreadable' if here is None else here} (version {data['version']})"),
        ("stage", _stage(flags, line) or "-"),
        ("changed", "never" if state is None else f"{moment(state.updated_at)} by {state.updated_by}"),
        ("reason", line.reason or "-"),
        ("environment", _override(flags, line) or f"{flag.env} is not set"),
        ("serves", _serves(flag.definition(line.key))),
        ("counts", f"{flag.entity}, by the salt '{data['salt']}'"),
        ("needs", ", ".join(flag.prerequisites) or "-"),
        ("targeting", "-" if flag.targeting is None else _targeting(data["targeting"])),
        ("parameters", ", ".join(parameters) or "-"),
        ("plan", f"{flag.rollout}: {', '.join(steps)}"),
        ("owner", f"{flag.owner}; to be removed by {flag.expires}"),
    ]

    def show(console: Console) -> None:
        console.print(Styled(line.key, "bold"), f"  {flag.description}")
        for name, text in rows:
            console.out.print_hanging("  ", Styled(f"{name + ':':<13}", "dim"), text=text, indent=15)

    return View({"flag": data}, show, warnings=flags.compiled.problems)


def _serves(flag: Definition) -> str:
    unset = f"; {as_text(flag.default)} until it is set" if flag.off != flag.default else ""
    return f"{as_text(flag.treatment)}, else {as_text(flag.off)}{unset}"


def flag_history(found: FlagHistory) -> View:
    """Show the changes of a flag."""

    def show(console: Console) -> None:
        if not found.states:
            console.note(f"{found.key} was never changed.")
            return
        console.table(
            ["version", "rolled out", "when", "by", "reason"],
            [
                (str(state.version), str(position_of(state)), moment(state.updated_at), state.updated_by, state.reason)
                for state in found.states
            ],
            key=["version", "rolled out", "when", "by"],
        )

    history = [asdict(state) for state in found.states]
    return View({"key": found.key, "history": history}, show, items="history")


def flag_evaluated(found: FlagEvaluated) -> View:
    """Show what an entity gets, and why."""
    request, explanation = found.request, found.explanation
    answer = explanation.evaluation
    data = {
        "key": request.key,
        "entity": request.entity,
        "value": answer.value,
        "reason": answer.reason,
        "bucket": explanation.bucket,
        "percent": explanation.percent,
        "source": answer.source,
        "error": answer.error,
        "steps": [asdict(step) for step in explanation.steps],
    }

    def show(console: Console) -> None:
        value = Styled("none" if answer.value is None else as_text(answer.value), "bold")
        subject = f" for {request.entity} is " if request.entity else " is "
        console.print(request.key, subject, value, f"  ({answer.reason}, from {answer.source})")
        if answer.error:
            console.print("  ", Styled(answer.error, "red"))
        for number, step in enumerate(explanation.steps, start=1):
            mark = console.out.glyph("▸", ">") if step.decided else " "
            head = Styled(f"{mark} {number} {step.name:<14}", "bold" if step.decided else "dim")
            console.out.print_hanging(head, text=step.finding, indent=19)

    return View(data, show, warnings=found.warnings)


def flag_diff(found: FlagDiff) -> View:
    """Show which entities would flip."""
    request, counts = found.request, found.counts
    flips = [{"key": flip.key, "entity": flip.entity, "from": flip.before, "to": flip.after} for flip in found.flips]

    def show(console: Console) -> None:
        for key, here in found.before.items():
            flipped = f"{counts[key]:,} of {len(request.entities):,} would flip"
            console.print(Styled(key, "bold"), f"  {here} to {request.percent:g} %: {flipped}")
        rows = found.flips if console.verbosity else found.flips[:_SHOWN]
        if rows:
            console.table(
                ["flag", "entity", "from", "to"],
                [(flip.key, flip.entity, as_text(flip.before), as_text(flip.after)) for flip in rows],
            )
        console.showing(len(rows), len(flips), "entities", more="-v shows all of them.")

    data = {"percent": request.percent, "entities": len(request.entities), "counts": counts, "flips": flips}
    return View(data, show, items="flips", warnings=found.warnings)


def flags_changed(
    done: FlagsChanged, settings: Settings, nothing: str = "Nothing to do: the flags are already there."
) -> View:
    """Show what was changed, and how to undo it."""
    undo = [command_line(settings, *words) for words in done.undo]
    data = {
        "changes": [
            {
                "key": move.key,
                "before": None if move.before is None else asdict(move.before),
                "after": asdict(move.after),
                "version": done.states[move.key].version if move.key in done.states else None,
            }
            for move in done.changing
        ],
        "unchanged": [move.key for move in done.moves if not move.changes],
        "applied": bool(done.states),
        "by": done.by,
        "reason": done.reason,
        "undo": undo,
    }

    def show(console: Console) -> None:
        if not done.changing:
            console.note(nothing)
            return
        versions = {key: str(state.version) for key, state in done.states.items()}
        console.table(
            ["flag", "from", "to", "version"],
            [
                (move.key, before_of(move), Styled(str(move.after), "bold"), versions.get(move.key))
                for move in done.changing
            ],
        )
        if not done.states:
            console.note(f"Dry run: nothing was changed on {place(settings)}.")
            return
        for line in undo:
            console.note(Styled("undo: ", "cyan"), line)

    touched = f"flags {', '.join(move.key for move in done.changing)}" if done.changing else None
    words = tuple(map(tuple, done.undo)) if done.states else ()
    return View(data, show, items="changes", warnings=done.warnings, touched=touched, undo=words)


def flag_check(found: FlagCheck) -> View:
    """Show what is wrong with the flags."""

    def show(console: Console) -> None:
        show_findings(console, found.findings, "The flags have no problems.")
        if not found.paths:
            console.note("Code was not searched: name files or folders to search for uses of flags.")

    data = {
        "findings": [asdict(finding) for finding in found.findings],
        "code": [str(path) for path in found.paths],
    }
    return View(data, show, items="findings", exit_code=1 if found.findings else 0, warnings=found.warnings)


def show_findings(console: Console, findings: Sequence[FlagFinding], otherwise: str) -> None:
    """Print each finding with its fix; `otherwise` if there is none."""
    if not findings:
        console.note(otherwise)
    for finding in findings:
        console.out.print_hanging(Styled(f"{finding.kind:<13}", "bold yellow"), text=finding.message, indent=13)
        console.out.print_hanging(" " * 13, Styled("fix: ", "cyan"), text=finding.fix, indent=18)


def _position(here: Position | None) -> Styled:
    if here is None:
        return Styled("unreadable", "bold red")
    return Styled(str(here), "yellow" if not here.enabled else "green" if here.percent else "dim")


def _stage(flags: FlagsSnapshot, line: FlagLine) -> str | None:
    return None if line.stage is None else f"{line.stage} of {len(flags.file.stages_of(line.key))}"


def _override(flags: FlagsSnapshot, line: FlagLine) -> str | None:
    if line.env_override is None:
        return None
    return f"{flags.file.flags[line.key].env}={as_text(line.env_override)}"


def _targeting(targeting: dict[str, Any]) -> str:
    parts = [f"{name} {', '.join(targeting[name])}" for name in ("deny", "allow") if targeting[name]]
    parts += [f"{rule['attribute']} in {_listed(rule['in'])}" for rule in targeting["rules"]]
    return "; ".join(parts)


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
