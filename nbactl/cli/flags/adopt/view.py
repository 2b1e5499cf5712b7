"""Adoptions as JSON and as text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from nbactl.cli.ask import command_line, place
from nbactl.cli.flags.adopt.command import failure
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment

if TYPE_CHECKING:
    from nbactl.cli.flags.adopt.command import FlagsAdopted
    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Settings
    from nbactl.deployments.adoption import DeployedFlag
    from nbactl.deployments.adoptions import AdoptionUndone


def flags_adopted(done: FlagsAdopted, settings: Settings) -> View:
    """Show what is deployed, what was taken over, and how to undo it."""
    where = f"{place(settings)} in {settings.region}"
    undo = [] if done.adoption is None else [command_line(settings, "flags", "adopt", "--undo", done.adoption.id)]
    data = {
        "flags": [
            {
                "key": flag.key,
                "variable": flag.variable,
                "outcome": flag.outcome,
                "deployed": dict(flag.deployed),
                "before": None if flag.before is None else asdict(flag.before),
                "after": None if flag.after is None else asdict(flag.after),
                "why": flag.why or None,
            }
            for flag in done.plan.flags
        ],
        "parameters": {service: dict(texts) for service, texts in done.plan.parameters.items()},
        "services": list(done.services),
        "applied": done.adoption is not None,
        "id": None if done.adoption is None else done.adoption.id,
        "by": done.by,
        "reason": done.reason,
        "undo": undo,
    }

    def show(console: Console) -> None:
        console.table(
            ["flag", "deployed", "store", "becomes"],
            [(flag.key, _deployed(flag), _before(flag), _becomes(flag)) for flag in done.plan.flags],
        )
        for service, texts in done.plan.parameters.items():
            listed = ", ".join(f"{name}={text}" for name, text in texts.items())
            console.note(f"{service}: {listed} stays as it is, whatever flags.yaml says.")
        if done.refusal is not None:
            return
        if done.adoption is not None:
            count = len(done.adoption.versions)
            console.note(
                f"Set {count} flag{'' if count == 1 else 's'} in the store on {where}. No service was changed."
            )
            console.note(Styled("undo: ", "cyan"), undo[0])
        elif done.dry_run:
            console.note(f"Dry run: nothing was changed on {where}.")
        elif done.earlier is not None:
            console.note(
                f"Nothing to do: taken over by {done.earlier.by}, {moment(done.earlier.at)} ({done.earlier.id})."
            )
        else:
            console.note("Nothing to do: there is nothing more to take over.")

    keys = ", ".join(flag.key for flag in done.plan.of("adopted"))
    touched = f"flags {keys} in the store" if keys and done.refusal is None else None
    error = failure(done)
    code = 0 if error is None else error.exit_code
    return View(
        data,
        show,
        items="flags",
        exit_code=code,
        warnings=done.plan.warnings,
        error=error,
        touched=touched,
        undo=() if done.adoption is None else (("flags", "adopt", "--undo", done.adoption.id),),
    )


def adoption_undone(done: AdoptionUndone, settings: Settings, *, dry_run: bool) -> View:
    """Show which flags are never set again."""
    kept = tuple(f"{key} was set since, and stays as it is" for key in done.kept)

    def show(console: Console) -> None:
        for key in done.removed:
            console.print(key, Styled("  never set again", "dim"))
        if dry_run:
            console.note(f"Dry run: nothing was changed on {place(settings)}.")
        else:
            console.note(f"Undid {done.adoption.id} on {place(settings)}. To take over again: nbactl flags adopt")

    data = {"id": done.adoption.id, "removed": list(done.removed), "kept": list(done.kept), "applied": not dry_run}
    touched = f"flags {', '.join(done.removed) or 'none'} in the store"
    return View(data, show, items="removed", warnings=kept, touched=touched)


def _deployed(flag: DeployedFlag) -> str | None:
    by_text: dict[str, int] = {}
    for text in flag.deployed.values():
        by_text[text] = by_text.get(text, 0) + 1
    return ", ".join(f"{text} on {count}" for text, count in by_text.items()) or None


def _before(flag: DeployedFlag) -> str:
    if flag.before is not None:
        return str(flag.before)
    return "unreadable" if flag.outcome == "kept" else "never set"


def _becomes(flag: DeployedFlag) -> Styled | None:
    if flag.outcome == "adopted":
        return Styled(str(flag.after), "bold green")
    if flag.outcome == "disagreement":
        return Styled("services disagree", "bold red")
    if flag.outcome == "left":
        return Styled("left alone", "yellow")
    return None
