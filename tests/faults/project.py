"""A project of its own in a temporary folder, worked on by real nbactl processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.holder import is_dead
from nbactl.workflows.ledger import Ledger
from tests.kit.paths import ROOT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    from nbactl.workflows.model import RunRecord

DATE = "2024-01-15"

TASKS = '''
import json, os, subprocess, sys, time
from pathlib import Path

JOURNAL = Path(os.environ["JOURNAL"])


def note(what, context):
    line = json.dumps([what, context.call.task, context.call.attempt, os.getpid(), context.fence.token]) + "\\n"
    descriptor = os.open(JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def work(context):
    """Write one effect under the fence; `fail`, `sleep`, `wait_for` (a file) and `child` say what else happens."""
    given = context.parameters
    note("begin", context)
    if given.get("child"):
        subprocess.Popen(["sleep", "61"])
    if given.get("slow_attempt") == context.call.attempt:
        time.sleep(given["slow"])
    if given.get("fail") and not Path(given["fail"]).exists():
        raise ValueError("not repaired yet")
    if given.get("wait_for"):
        while not Path(given["wait_for"]).exists():
            time.sleep(0.01)
    time.sleep(given.get("sleep", 0))
    context.fence.guard(lambda: note("effect", context))
    return 1


async def work_async(context):
    import asyncio

    note("begin", context)
    await asyncio.sleep(context.parameters.get("sleep", 0))
    note("effect", context)
    return 1


async def block(context):
    """Block the event loop until the file `wait_for` is there."""
    note("begin", context)
    while not Path(context.parameters["wait_for"]).exists():
        time.sleep(0.01)
    return 1


def steal_lease(context):
    """Have somebody else take the lease of this run, then go on writing until that is refused."""
    import contextlib
    import sqlite3

    note("begin", context)
    with contextlib.closing(sqlite3.connect(context.parameters["store"])) as store, store:
        ((data,),) = store.execute("SELECT data FROM documents WHERE collection = 'leases'").fetchall()
        stolen = data.replace(":run-", ":other-")
        store.execute("UPDATE documents SET data = ? WHERE collection = 'leases'", (stolen,))
    try:
        for _ in range(1000):
            time.sleep(0.01)
            context.fence.guard(lambda: None)
    except Exception as error:
        note(f"{type(error).__name__}: {error}", context)
        raise
    return 1
'''


class Project:
    """Configuration, state and tasks in one folder."""

    def __init__(
        self, folder: Path, tasks: dict[str, dict[str, Any]], uses: list[Any] | None = None, **workflow: Any
    ) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self.state = folder / "state"
        (folder / "fault_tasks.py").write_text(TASKS, encoding="utf-8")
        shipped = yaml.safe_load((ROOT / "workflows.yaml").read_text(encoding="utf-8"))
        declared = {
            name: {
                "description": name,
                "timeout": "task.test",
                **({} if "command" in task else {"call": "fault_tasks:work"}),
                **task,
            }
            for name, task in tasks.items()
        }
        flow = {"description": "a test", "tasks": uses or list(tasks), **workflow}
        self._write(
            "workflows.yaml",
            {
                "version": 1,
                "timezone": "America/New_York",
                "tasks": declared,
                "phases": {},
                "workflows": {"w": flow},
                "alerts": shipped["alerts"],
            },
        )
        timeouts = yaml.safe_load((ROOT / "timeouts.yaml").read_text(encoding="utf-8"))
        timeouts["timeouts"]["task.test"] = {"limit": "30s", "why": "because a test wants it"}
        timeouts["timeouts"]["task.short"] = {"limit": "700ms", "why": "because a test wants it"}
        # Long enough for a Python process to start on a busy machine.
        timeouts["timeouts"]["task.slow_start"] = {"limit": "2500ms", "why": "because a test wants it"}
        timeouts["timeouts"]["run.cancel_poll"]["limit"] = "50ms"
        timeouts["leases"]["run"] |= {"ttl": "1s", "renew_every": "100ms"}
        timeouts["retry_policies"]["twice"] = {
            "attempts": 2,
            "base": "10ms",
            "cap": "10ms",
            "why": "because a test wants it",
        }
        self._write("timeouts.yaml", timeouts)
        (folder / "flags.yaml").write_text((ROOT / "flags.yaml").read_text(encoding="utf-8"), encoding="utf-8")

    def _write(self, name: str, data: Any) -> None:
        (self.folder / name).write_text(json.dumps(data), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "nbactl",
            *arguments,
            "--config-dir",
            str(self.folder),
            "--state-dir",
            str(self.state),
        ]

    def environment(self, faults: str = "") -> dict[str, str]:
        path = os.pathsep.join([str(ROOT), str(self.folder)])
        return {**os.environ, "PYTHONPATH": path, "JOURNAL": str(self.journal), "NBACTL_FAULTS": faults}

    def run(self, *arguments: str, faults: str = "") -> subprocess.CompletedProcess[str]:
        """Run the workflow to the end of the process."""
        return self.nbactl("run", "w", "--date", DATE, "-o", "json", *arguments, faults=faults)

    def nbactl(self, *arguments: str, faults: str = "") -> subprocess.CompletedProcess[str]:
        return run_nbactl(self.command(*arguments)[3:], cwd=ROOT, env=self.environment(faults))

    def start(self, *arguments: str, faults: str = "") -> subprocess.Popen[str]:
        """Start the workflow and return at once."""
        return subprocess.Popen(
            self.command("run", "w", "--date", DATE, "-o", "json", *arguments),
            env=self.environment(faults),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def happened(self, what: str) -> list[str]:
        """Return the tasks of which the journal says this, in order."""
        return [line[1] for line in self.lines() if line[0] == what]

    def lines(self) -> list[list[Any]]:
        if not self.journal.exists():
            return []
        return [json.loads(line) for line in self.journal.read_text(encoding="utf-8").splitlines()]

    def wait_until(self, what: str, task: str, seconds: float = 20) -> list[Any]:
        """Wait until the journal says so; returns the line."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.lines():
                if line[:2] == [what, task]:
                    return line
            time.sleep(0.01)
        raise AssertionError(f"{what} {task} did not happen: {self.lines()}")

    def history(self) -> list[RunRecord]:
        """Return the runs of the ledger, oldest first."""
        clock = SystemClock()
        documents = SqliteDocuments(self.state / "documents.db", clock=clock, busy_timeout=5)
        try:
            return Ledger(documents, clock, is_dead=is_dead).list()[::-1]
        finally:
            documents.close()


def report(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the run that a command reported."""
    (run,) = json.loads(finished.stdout)["data"]["runs"]
    return run  # type: ignore[no-any-return]


def states(run: dict[str, Any] | RunRecord) -> dict[str, str]:
    """Return the status of each task, of a run as it was reported or as it is recorded."""
    if isinstance(run, dict):
        return {task["name"]: task["status"] for task in run["tasks"]}
    return {task.name: task.status.value for task in run.tasks}


def wait_for_death(pid: int, seconds: float = 5) -> None:
    """Wait until a process is gone (a zombie is)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in "ZX":
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} lives")


def processes_with(text: str) -> list[int]:
    """Return the processes whose environment holds `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if (
                    text.encode() in (entry / "environ").read_bytes()
                    and (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
                ):
                    found.append(int(entry.name))
            except OSError:
                continue
    return [pid for pid in found if pid != os.getpid()]


def kill(process: subprocess.Popen[str]) -> None:
    """End a process that a test started, as kill -9 does."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
