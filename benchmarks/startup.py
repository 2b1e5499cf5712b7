"""Start-up: CPU time beside a Typer program that says hello and beside luigi, the modules loaded, an older build.

`--against PYTHON` measures the nbactl that is installed for another interpreter in the same turns; its checkout is the
folder that holds its virtual environment.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.engine import write_config
from benchmarks.measure import Command, Line, Sample, first_byte, in_turn, nbactl

ROOT = Path(__file__).resolve().parents[1]
_HELLO = """
import typer
app = typer.Typer()
@app.command()
def hello(name: str = "world") -> None:
    print(name)
app()
"""
_LUIGI = """
import sys
import luigi
class One(luigi.Task):
    place = luigi.Parameter()
    def output(self):
        return luigi.LocalTarget(self.place)
    def run(self):
        with self.output().open("w") as file:
            file.write("done")
sys.exit(0 if luigi.build([One(place=sys.argv[1])], local_scheduler=True, log_level="WARNING") else 1)
"""
_COUNT = "import sys; from nbactl.cli.main import main; main({arguments!r}); print(len(sys.modules), file=sys.stderr)"
_ONE = "one task"
_FIRST_BYTE_MS = 100.0
# name: (arguments, CPU ratio to the Typer hello, modules)
COMMANDS: dict[str, tuple[list[str], float | None, int]] = {
    "--version": (["--version"], None, 40),
    "--help": (["--help"], 1.3, 320),
    "runs list": (["runs", "list"], None, 420),
    "flags list": (["flags", "list"], None, 420),
    "status": (["status"], None, 420),
}
# name: CPU ratio to the build of --against
AGAINST = {_ONE: 0.55, "flags list": 0.6, "--help": 1.0, "status": None}


def measure(runs: int, against: str | None = None) -> list[Line]:
    """Measure each command in turn with the hello program, luigi and a bare interpreter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        taken = in_turn(_commands(folder, against), runs)
        lines = [_beside_hello(key, ratio, taken) for key, (_, ratio, _) in COMMANDS.items()]
        lines += [_modules(key, folder) for key in COMMANDS]
        if "luigi" in taken:
            ratio = taken[_ONE].cpu / taken["luigi"].cpu
            lines.append(Line(f"start-up {_ONE}", ratio, "x luigi CPU", 1.0, _times(taken, _ONE, "luigi")))
        if against is not None:
            for key, target in AGAINST.items():
                before = f"{key}, before"
                ratio = taken[key].cpu / taken[before].cpu
                lines.append(Line(f"start-up {key}", ratio, "x before, CPU", target, _times(taken, key, before)))
        status = Command("status", lambda: nbactl(*_state(folder), "status"), cwd=ROOT)
        lines.append(Line("start-up status", first_byte(status, runs) * 1000, "ms to first byte", _FIRST_BYTE_MS))
    return lines


def _commands(folder: Path, against: str | None) -> list[Command]:
    hello, luigi = folder / "hello.py", folder / "luigi_task.py"
    hello.write_text(_HELLO)
    luigi.write_text(_LUIGI)
    write_config(folder / "one", "one")
    commands = [
        Command("python", lambda: [sys.executable, "-c", "pass"]),
        Command("hello", lambda: [sys.executable, str(hello), "--help"]),
        *_of_build(folder, "", sys.executable, ROOT),
    ]
    if importlib.util.find_spec("luigi") is not None:
        commands.append(Command("luigi", lambda: [sys.executable, str(luigi), tempfile.mktemp(dir=folder)]))  # noqa: S306
    if against is not None:
        python = Path(against).absolute()
        commands += _of_build(folder, ", before", str(python), python.parents[2])
    return commands


def _of_build(folder: Path, suffix: str, python: str, root: Path) -> list[Command]:
    """Return the commands as the nbactl of `python` runs them."""

    def one() -> list[str]:
        common = ["--config-dir", str(folder / "one"), "--state-dir", tempfile.mkdtemp(dir=folder)]
        return [python, "-m", "nbactl", *common, "run", "one", "--date", "2024-01-15", "-o", "json"]

    commands = [Command(f"{_ONE}{suffix}", one, cwd=root)]
    for key, (arguments, _, _) in COMMANDS.items():
        state = [] if key == "--version" else [*_state(folder)]
        argv = [python, "-m", "nbactl", *state, *arguments]
        commands.append(Command(f"{key}{suffix}", lambda argv=argv: argv, cwd=root))  # type: ignore[misc]
    return commands


def _state(folder: Path) -> tuple[str, str]:
    return "--state-dir", str(folder / "state")


def _beside_hello(key: str, target: float | None, taken: dict[str, Sample]) -> Line:
    ratio = taken[key].cpu / taken["hello"].cpu
    return Line(f"start-up {key}", ratio, "x Typer hello CPU", target, _times(taken, key, "hello"))


def _times(taken: dict[str, Sample], *names: str) -> str:
    return ", ".join(f"{name} {taken[name].cpu * 1000:.0f} ms CPU {taken[name].wall * 1000:.0f} wall" for name in names)


def _modules(key: str, folder: Path) -> Line:
    arguments, _, most = COMMANDS[key]
    code = _COUNT.format(arguments=[*(_state(folder) if key != "--version" else ()), *arguments])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return Line(f"start-up {key}", float(done.stderr.split()[-1]), "modules", most)
