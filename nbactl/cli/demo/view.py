"""The demo as JSON and as text."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.cli.ask import command_line
from nbactl.cli.demo.command import STEPS
from nbactl.cli.demo.samples import LIVE
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled

if TYPE_CHECKING:
    from nbactl.cli.demo.command import Demo
    from nbactl.cli.show.console import Console
    from nbactl.config.settings import Settings
    from nbactl.core.completions.batches import Progress


def demo_created(demo: Demo, settings: Settings) -> View:
    """Show where the demo is, and the commands of the rehearsal."""
    folder = shlex.quote(str(Path.cwd() if demo.folder == Path() else demo.folder))

    def show(console: Console) -> None:
        if demo.created:
            console.print(f"Created {len(demo.created)} sample batches in {folder}.")
        else:
            console.print(f"{folder} has all {demo.batches} sample batches. The stage is {demo.stage}.")
        console.print()
        console.print("To rehearse the migration, run:")
        console.print()
        console.print("  ", Styled(f"cd {folder}", "cyan"))
        if demo.overriding:
            console.print("  ", Styled(f"unset {' '.join(demo.overriding)}", "cyan"))
        width = max(len(step.command) for step in STEPS)
        for step in STEPS:
            console.print("  ", Styled(f"{step.command:<{width}}", "cyan"), f"  {step.what}")
        console.print()
        console.print("A step that comes too early is refused and says how long to wait (at most 20s).")
        console.print("To let a batch grow meanwhile, run in a second terminal:")
        console.print("  ", Styled(command_line(settings, "demo", "--write", "10m"), "cyan"))
        console.print("To start over, delete the folder:")
        console.print("  ", Styled(f"rm -r {folder}", "cyan"))

    data = {
        "folder": demo.folder,
        "created": demo.created,
        "batches": demo.batches,
        "stage": demo.stage,
        "steps": [asdict(step) for step in STEPS],
    }
    return View(data, show, items="steps", touched=f"sample batches in {demo.folder}")


def completions_recorded(recorded: list[Progress]) -> View:
    """Show how the live batch has grown; `recorded` has its progress after each completion."""
    last = recorded[-1] if recorded else None

    def show(console: Console) -> None:
        if last is None:
            console.note(f"No completion was recorded: {LIVE} is complete.")
        else:
            now = f"{last.completed} of {last.expected} players"
            console.print(f"Recorded {len(recorded)} completions in {LIVE}: {now}.")

    data = {
        "batch": LIVE,
        "recorded": len(recorded),
        "completed": last and last.completed,
        "expected": last and last.expected,
    }
    return View(data, show, touched=f"batch {LIVE}")
