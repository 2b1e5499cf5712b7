"""A project on SQLite in which the migration may be taken from stage to stage within moments, by real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, Final

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from tests.kit.paths import ROOT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTLE: Final = 0.27
BAKE: Final = 0.1
_SHORT: Final = {
    "completions.stage_ttl": "20ms",
    "documents.write": "200ms",
    "migration.settle_margin": "20ms",
    "migration.poll": "50ms",
    "migration.second_look": "20ms",
    "migration.recheck": "5ms",
    "migration.reads_bake": "100ms",
    "migration.cleanup_bake": "100ms",
    "migration.watch_every": "200ms",
}


class Project:
    """A folder with configuration and state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("workflows.yaml", "flags.yaml"):
            shutil.copy(ROOT / name, folder)
        (folder / "timeouts.yaml").write_text("".join(_shortened()))

    def store(self) -> SqliteDocuments:
        """Open the document store of the project."""
        path = self.folder / ".nbactl" / "documents.db"
        return SqliteDocuments(path, clock=SystemClock(), busy_timeout=10.0)

    def migrate(self, *words: str, faults: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `nbactl migrate completions` to its end."""
        arguments = ["migrate", "completions", "--yes", *words]
        done = run_nbactl(arguments, cwd=self.folder, env=self.environment(faults))
        assert not check or done.returncode == 0, done.stderr
        return done

    def environment(self, faults: str = "") -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("NBACTL_")}
        return {**kept, "PYTHONPATH": str(ROOT), "NBACTL_FAULTS": faults, "COLUMNS": "200"}

    def start(
        self, *words: str, faults: str = "", out: IO[str] | int = subprocess.PIPE, err: IO[str] | int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Start `nbactl migrate completions`."""
        command = [sys.executable, "-m", "nbactl", "migrate", "completions", "--yes", *words]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment(faults), stdout=out, stderr=err, text=True
        )


def settle() -> None:
    """Let every writer learn of the last step."""
    time.sleep(SETTLE)


def _shortened() -> Iterator[str]:
    name = None
    for line in (ROOT / "timeouts.yaml").read_text().splitlines(keepends=True):
        if line.startswith("  ") and not line.startswith("   ") and line.rstrip().endswith(":"):
            name = line.strip().rstrip(":")
        if line.startswith("    limit:") and name in _SHORT:
            yield f"    limit: {_SHORT[name]}\n"
        else:
            yield line
