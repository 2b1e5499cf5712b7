"""A project with scheduled workflows on 2025-01-06, a date with games, and ticks at a time of the test's choice."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from nbactl.bootstrap import Container
from nbactl.cli.schedule.command import DecisionsRequest, TickRequest, list_decisions, tick
from nbactl.config.loader import shipped_config_dir
from nbactl.config.settings import load_settings
from nbactl.core._support import faults
from nbactl.core._support.gamedate import EASTERN
from nbactl.errors import NbactlError
from nbactl.testing import FakeClock

if TYPE_CHECKING:
    from nbactl.cli.schedule.command import ListedDecision
    from nbactl.ports.compute import TaskContext
    from nbactl.schedule.controller import Decided
    from nbactl.schedule.tick import TickResult

DAY = date(2025, 1, 6)
CONSOLE = {"severity": "critical", "channels": ["console"]}


def at(text: str, day: date = DAY) -> datetime:
    """Return an instant of the day by its Eastern wall-clock time."""
    return datetime.combine(day, time.fromisoformat(text), EASTERN).astimezone(UTC)


def leave_trace(context: TaskContext) -> int:
    """Append the name of the run to the file of the parameters; fail if a file `fail` lies beside it.

    While a file `hold NAME` is there, the run of that name waits.
    """
    trace = Path(context.parameters["file"])
    hold, end = trace.with_name(f"hold {context.call.run_name}"), monotonic() + 30
    while hold.exists() and monotonic() < end:
        sleep(0.02)
    with trace.open("a") as file:
        file.write(f"{context.call.run_name} {context.call.game_date}\n")
    if trace.with_name("fail").exists():
        raise NbactlError("told to fail")
    return 1


@dataclass
class Schedule:
    """A folder with workflows; `said` are the alerts of the last tick."""

    folder: Path
    workflows: dict[str, Any]
    source: str = "sample"
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        trace = {"description": "x", "call": "tests.kit.ticking:leave_trace", "timeout": "task.worker"}
        spec = {
            "version": 1,
            "timezone": "America/New_York",
            "tasks": {"trace": {**trace, "with": {"file": str(self.trace)}}},
            "phases": {"p": {"description": "x", "service": "s", "topic": "t", "tasks": ["trace"]}},
            "workflows": {
                name: {"description": "x", "tasks": ["trace"], **keys} for name, keys in self.workflows.items()
            },
            "alerts": dict.fromkeys(("run_failed", "run_partial", "not_run"), CONSOLE),
        }
        (self.folder / "workflows.yaml").write_text(json.dumps(spec))
        for name in ("timeouts.yaml", "flags.yaml"):
            (self.folder / name).write_text((shipped_config_dir() / name).read_text())

    @property
    def trace(self) -> Path:
        """The file with a line for each run."""
        return self.folder / "trace"

    def runs(self) -> list[str]:
        """Return the name and the game date of what was run."""
        return self.trace.read_text().splitlines() if self.trace.exists() else []

    def tick(self, now: datetime, *, quiet: bool = False, **request: Any) -> dict[str, Decided]:
        """Take a tick; returns the last decision of each workflow."""
        return {one.workflow: one for one in self.result(now, quiet=quiet, **request).value("workflows")}

    def result(self, now: datetime, *, quiet: bool = False, **request: Any) -> TickResult:
        """Take a tick; a `quiet` one announces nothing."""
        self.said = []
        with opened(self.folder, now, self.source) as app:
            return tick(app, TickRequest(**request), announce=None if quiet else self.said.append)

    def decisions(self, now: datetime, **request: Any) -> list[ListedDecision]:
        """List decisions."""
        with opened(self.folder, now, self.source) as app:
            return list_decisions(app, DecisionsRequest(**request))


def opened(folder: Path, now: datetime, source: str = "sample") -> Container:
    """Open the project at a time."""
    given = {"config_dir": str(folder), "state_dir": str(folder / "state"), "source": source}
    return Container(load_settings(given, {}, folder), clock=FakeClock(now))


def main(folder: str, now: str, armed: str = "") -> None:
    """Take a tick in a process of its own; `armed` is as NBACTL_FAULTS has it."""
    faults.arm_from_environment(armed)
    with opened(Path(folder), datetime.fromisoformat(now)) as app:
        tick(app, TickRequest(only=("workflows",)))


if __name__ == "__main__":
    main(*sys.argv[1:])
