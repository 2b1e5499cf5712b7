"""A project on gcp for tests: Google's Firestore emulator, a loopback Cloud Run, and `nbactl flags` against both."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbactl.cli.main import main
from nbactl.config.loader import shipped_config_dir
from tests.integration.cli.conftest import environment
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.kit.cloud_run_server import CloudRun

DECLARED = (
    "nba-scrapers",
    "nba-phase2-raw-processors",
    "nba-phase3-analytics-processors",
    "nba-phase4-precompute-processors",
    "prediction-coordinator",
    "phase6-export",
    "nba-grading-service",
    "prediction-worker",
)
SCRAPERS, RAW, ANALYTICS = DECLARED[:3]


@dataclass
class World:
    """Where commands run, and what they act on."""

    folder: Path
    cloud: CloudRun
    env: dict[str, str]
    capsys: pytest.CaptureFixture[str]
    err: str = ""
    """What the last command wrote to stderr."""
    warnings: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run a command; returns `data`, or `error` where there are no data."""
        returned = main(["flags", *arguments, "-o", "json"])
        captured = self.capsys.readouterr()
        self.err = captured.err
        document: dict[str, Any] = json.loads(captured.out)
        assert returned == code, captured.err
        assert document["ok"] is (code == 0)
        self.warnings = document["warnings"]
        answer: dict[str, Any] = document["error"] if document["data"] is None else document["data"]
        return answer

    def text(self, *arguments: str) -> str:
        """Run a command as a person would; returns both streams."""
        main(["flags", *arguments])
        captured = self.capsys.readouterr()
        return captured.out + captured.err

    def process(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a process of its own."""
        return run_nbactl(["flags", *arguments], cwd=self.folder, env=environment({**self.env, **env}))

    def envs(self) -> dict[str, dict[str, str]]:
        """Return the variables of all services."""
        return {name: self.cloud.env(name) for name in self.cloud.services}


def quick_config(folder: Path) -> None:
    """Write the shipped files, with new revisions asked for a hundred times a second."""
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        text = (shipped_config_dir() / name).read_text()
        poll = "  service.poll:\n    limit: 2s\n"
        assert name != "timeouts.yaml" or poll in text
        (folder / name).write_text(text.replace(poll, poll.replace("2s", "10ms")))


def undo_of(data: dict[str, Any]) -> Iterator[str]:
    """Yield the words of the printed undo command after `nbactl flags`."""
    (line,) = data["undo"]
    nbactl, noun, *rest = line.split()
    assert (nbactl, noun) == ("nbactl", "flags")
    yield from rest
