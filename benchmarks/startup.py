"""Start-up: CPU time beside a Typer program that says hello, and the modules that are loaded."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Command, Line, in_turn, nbactl

ROOT = Path(__file__).resolve().parents[1]
_HELLO = """
import typer
app = typer.Typer()
@app.command()
def hello(name: str = "world") -> None:
    print(name)
app()
"""
_COUNT = "import sys; from nbactl.cli.main import main; main({arguments!r}); print(len(sys.modules), file=sys.stderr)"
# name: (arguments, CPU ratio to the Typer hello, modules)
COMMANDS: dict[str, tuple[list[str], float | None, int]] = {
    "--version": (["--version"], None, 40),
    "--help": (["--help"], 1.3, 320),
    "runs list": (["runs", "list"], None, 420),
    "flags list": (["flags", "list"], None, 420),
}


def measure(runs: int) -> list[Line]:
    """Measure each command in turn with the hello program and a bare interpreter."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hello = folder / "hello.py"
        hello.write_text(_HELLO)
        state = ("--state-dir", str(folder / "state"))
        commands = [
            Command("python", lambda: [sys.executable, "-c", "pass"]),
            Command("hello", lambda: [sys.executable, str(hello), "--help"]),
            *(
                Command(key, lambda arguments=arguments: nbactl(*state, *arguments), cwd=ROOT)  # type: ignore[misc]
                for key, (arguments, _, _) in COMMANDS.items()
                if key != "--version"
            ),
            Command("--version", lambda: nbactl("--version"), cwd=ROOT),
        ]
        taken = in_turn(commands, runs)
        for key, (arguments, ratio, modules) in COMMANDS.items():
            note = f"{taken[key].cpu * 1000:.0f} ms CPU, hello {taken['hello'].cpu * 1000:.0f}"
            lines.append(Line(f"start-up {key}", taken[key].cpu / taken["hello"].cpu, "x Typer hello CPU", ratio, note))
            code = _COUNT.format(arguments=[*(state if key != "--version" else ()), *arguments])
            done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
            lines.append(Line(f"start-up {key}", float(done.stderr.split()[-1]), "modules", modules))
    return lines
