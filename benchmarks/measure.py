"""Whole-process measurement: commands in turn, the operating system's own accounting, medians and ratios."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """One finished process: wall and CPU seconds, peak resident memory in MB."""

    wall: float
    cpu: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Line:
    """One target: what was measured, beside what, and the bound in force."""

    name: str
    value: float
    unit: str
    target: float | None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target holds; None where the line only informs."""
        return None if self.target is None else self.value <= self.target


@dataclass(frozen=True, slots=True)
class Command:
    """A process to measure; `prepare` makes the arguments afresh for every run (a new state directory, say)."""

    name: str
    prepare: Callable[[], Sequence[str]]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None


def run_once(command: Command) -> Sample:
    """Run the command to its end. Raises RuntimeError with its output when it fails."""
    argv = list(command.prepare())
    env = {**_environment(), **(command.env or {})}
    start = time.perf_counter()
    with subprocess.Popen(argv, env=env, cwd=command.cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command.name} exited {process.returncode}: {output.decode(errors='replace')[-2000:]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@cache
def _environment() -> dict[str, str]:
    """Return the environment of an installed program: its modules are compiled once, in the warm-up."""
    folder = tempfile.TemporaryDirectory(prefix="nbactl-bench-")
    atexit.register(folder.cleanup)
    env = {**os.environ, "PYTHONPYCACHEPREFIX": folder.name}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env


def in_turn(commands: Sequence[Command], runs: int) -> dict[str, Sample]:
    """Run all commands in turn `runs` times after one warm-up; return each one's medians."""
    for command in commands:
        run_once(command)
    samples: dict[str, list[Sample]] = {command.name: [] for command in commands}
    for _ in range(runs):
        for command in commands:
            samples[command.name].append(run_once(command))
    return {
        name: Sample(median(s.wall for s in taken), median(s.cpu for s in taken), max(s.peak_mb for s in taken))
        for name, taken in samples.items()
    }


def first_byte(command: Command, runs: int) -> float:
    """Return the median of the wall seconds until the command writes its first byte, after one warm-up."""
    taken = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        with subprocess.Popen(
            list(command.prepare()),
            env={**_environment(), **(command.env or {})},
            cwd=command.cwd,
            stdout=subprocess.PIPE,
            bufsize=0,
        ) as process:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            process.stdout.read(1)
            taken.append(time.perf_counter() - start)
            process.stdout.read()
    return median(taken[1:])


def nbactl(*arguments: str) -> list[str]:
    """Return the command line of this checkout's nbactl."""
    return [sys.executable, "-m", "nbactl", *arguments]
