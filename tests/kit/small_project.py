"""A project of four small workflows, and `nbactl` run on it as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbactl.config.loader import shipped_config_dir
from tests.kit.called import call_nbactl
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DATE = "2025-01-06"
WORKFLOWS = f"""
version: 1
timezone: America/New_York
tasks:
  good:
    description: Writes
    call: "tests.kit.small_project_tasks:three_rows"
    service: {{name: writers}}
    timeout: task.worker
  bad: {{description: Fails, call: "tests.kit.small_project_tasks:boom", timeout: task.worker}}
  after_bad: {{description: Waits, call: "tests.kit.small_project_tasks:three_rows", timeout: task.worker}}
  slow:
    description: Takes its time
    command: ["{sys.executable}", -c, "import time; time.sleep(60)"]
    output: none
    timeout: task.worker
phases:
  first: {{description: Works, service: none, topic: none, deadline: raw, tasks: [good]}}
  second:
    description: Fails
    service: none
    topic: none
    needs: [first]
    tasks: [bad, {{task: after_bad, needs: [bad]}}]
workflows:
  mixed: {{description: Fails in part, tasks: [good, {{task: bad, required: false}}]}}
  sleepy: {{description: Slow, execution_mode: sequential, tasks: [good, slow, after_bad]}}
alerts:
  run_failed: {{severity: critical, channels: [console, log]}}
  run_partial: {{severity: warning, channels: [log]}}
"""


@dataclass(frozen=True)
class Project:
    """A folder with configuration and state."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "nbactl", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NBACTL_", "COLUMNS"))}
        ours = {"NBACTL_CONFIG_DIR": str(self.folder), "NBACTL_STATE_DIR": str(self.state), "PYTHONPATH": str(ROOT)}
        return {**kept, **ours, "NO_COLOR": "1"}

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = call_nbactl([*arguments], cwd=ROOT, env=self.environment)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def data(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", code=code).stdout)["data"]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=ROOT,
        )


def project(folder: Path) -> Project:
    """Make a project in an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "workflows.yaml").write_text(WORKFLOWS)
    for name in ("timeouts.yaml", "flags.yaml"):
        (folder / name).write_text((shipped_config_dir() / name).read_text())
    return Project(folder)


def wait_for_line(process: subprocess.Popen[str], text: str) -> str:
    """Read the stderr of a process up to the line that has `text`; returns what was read."""
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if text in line:
            return read
    raise AssertionError(f"{text!r} was never said: {read}")
