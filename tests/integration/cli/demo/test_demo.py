"""`nbactl demo`: the migration is rehearsed to its end by the commands that it prints, as an operator types them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.durations import parse_duration
from tests.integration.cli.conftest import environment
from tests.kit.batches import add_batch, open_documents
from tests.kit.called import call_nbactl
from tests.kit.paths import ROOT
from tests.kit.warm import run_nbactl

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Nbactl

# The demo waits 20 seconds twice, and 3 after each step; that is more than this test needs.
SHORT = {
    "NBACTL_TIMEOUT_COMPLETIONS_STAGE_TTL": "200ms",
    "NBACTL_TIMEOUT_MIGRATION_SETTLE_MARGIN": "100ms",
    "NBACTL_TIMEOUT_MIGRATION_READS_BAKE": "2s",
    "NBACTL_TIMEOUT_MIGRATION_CLEANUP_BAKE": "2s",
}


class OperatorAtWork:
    """Reads what the demo prints, and types it: `cd`, then one command after the other, waiting when told how long."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.said: list[tuple[str, int, str]] = []

    def follow(self, printed: str) -> None:
        for line in printed.splitlines():
            if line.startswith("  cd "):
                self._folder /= shlex.split(line)[1]
            elif line.startswith("  nbactl migrate"):
                self.type(re.split(r"\s{2,}", line.strip())[0])

    def type(self, command: str) -> str:
        for _ in range(5):
            done = self.run(*shlex.split(command)[1:], "--yes")
            self.said.append((command, done.returncode, done.stdout + done.stderr))
            wait = re.search(r"next: +Wait ([0-9.]+m?s)", done.stderr)
            if done.returncode != 6 or wait is None:
                return done.stdout
            time.sleep(0.1 + (0.0 if wait[1] == "0.0s" else parse_duration(wait[1])))
        raise AssertionError(self.said[-1])

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_nbactl([*arguments], cwd=self._folder, env=environment({**SHORT, "COLUMNS": "80"}))

    def data(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "-o", "json").stdout)["data"]


@pytest.mark.timeout(300)
def test_inv_03_inv_20_the_rehearsal_reaches_its_end_by_the_printed_commands(nbactl: Nbactl) -> None:
    printed = nbactl("demo").stdout
    assert "Created 10 sample batches in .nbactl/demo." in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert printed in (ROOT / "docs" / "migrations.md").read_text(), "the page shows the same commands"
    writer = subprocess.Popen(
        [sys.executable, "-m", "nbactl", "demo", "--write", "10m"],
        cwd=nbactl.directory,
        env=environment(SHORT),
        stdout=subprocess.PIPE,
        text=True,
    )
    operator = OperatorAtWork(nbactl.directory)
    operator.follow(printed)
    writer.send_signal(signal.SIGINT)
    counted, _ = writer.communicate(timeout=30)
    assert writer.returncode == 0
    recorded = re.search(r"Recorded (\d+) completions in demo-live: (\d+) of 450 players", counted)
    assert recorded is not None
    assert int(recorded[2]) == 60 + int(recorded[1]) > 60

    failed = [(command, code) for command, code, _ in operator.said if code not in {0, 6}]
    assert failed == [("nbactl migrate completions --validate", 1)], "only the first validation finds something"
    state = operator.data("migrate", "completions")
    assert [change["to"] for change in state["history"]] == [
        *("dual_write", "backfilled", "validated", "reads_switched", "validated"),
        *("reads_switched", "dual_write_stopped", "cleaned"),
    ]
    assert operator.data("migrate", "completions", "--validate")["consistent"]
    batches = {batch["batch_id"]: batch["completed"] for batch in operator.data("batches", "list")["batches"]}
    assert batches.pop("demo-live") == int(recorded[2]), "no completion was lost on the way"
    assert set(batches.values()) == {150}


def test_existing_data_are_not_touched(nbactl: Nbactl) -> None:
    state = nbactl.directory / ".nbactl"
    add_batch(state, "real", completed=2)
    before = nbactl("batches", "list", "-o", "json").stdout
    first, second = (json.loads(nbactl("demo", "-o", "json").stdout)["data"] for _ in range(2))
    assert (len(first["created"]), second["created"], second["stage"]) == (10, [], "legacy")
    listed = json.loads(nbactl("batches", "list", "-o", "json").stdout)
    assert listed["data"]["batches"] == json.loads(before)["data"]["batches"]
    assert [batch["batch_id"] for batch in listed["data"]["batches"]] == ["real"]


def test_a_demo_that_has_begun_is_not_changed(nbactl: Nbactl) -> None:
    nbactl("demo")
    demo = ("--config-dir", ".nbactl/demo")
    assert nbactl("migrate", "completions", "--start-dual-write", *demo).returncode == 0
    written = nbactl("demo", "--write", "600ms")
    assert re.search(r"Recorded [12] completions in demo-live: 6[12] of 450 players", written.stdout), written
    again = json.loads(nbactl("demo", "-o", "json").stdout)["data"]
    assert (again["created"], again["stage"]) == ([], "dual_write")
    folder = nbactl.directory / ".nbactl" / "demo"
    inside = call_nbactl(["demo", "-o", "json"], cwd=folder, env=environment())
    assert json.loads(inside.stdout)["data"]["stage"] == "dual_write", "in its folder it is the same demo"


@pytest.mark.parametrize("words", [[], ["--write", "1s"]])
def test_on_gcp_it_is_refused(nbactl: Nbactl, words: list[str]) -> None:
    done = nbactl("demo", *words, "--target", "gcp", "--project", "p")
    assert done.returncode == 5
    assert "Sample batches must never be among real ones." in done.stderr
    assert not list(nbactl.directory.iterdir())


def test_a_folder_of_somebody_else_is_refused(nbactl: Nbactl) -> None:
    folder = nbactl.directory / ".nbactl" / "demo"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    assert nbactl("demo").returncode == 6
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    assert nbactl("demo").returncode == 0
    add_batch(folder / "state", "real", completed=1)
    refused = nbactl("demo")
    assert refused.returncode == 6
    assert "has batches that are not samples: real" in refused.stderr
    store = open_documents(folder / "state")
    assert store.get("prediction_batches/real") is not None
    store.close()


def test_variables_that_would_lead_elsewhere_are_named(nbactl: Nbactl) -> None:
    done = nbactl("demo", env={"NBACTL_STATE_DIR": "elsewhere"})
    assert f"  cd elsewhere{os.sep}demo\n  unset NBACTL_STATE_DIR\n" in done.stdout
    assert not Path(nbactl.directory, ".nbactl").exists()
