"""Every example in a command's help is executed, on the local target, in a directory where something was run."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.adapters.localbus.bus import LocalBus
from nbactl.cli.app import build
from nbactl.cli.frame import walk
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.lease.holder import is_dead
from nbactl.core.lease.leases import Leases
from nbactl.core.outbox.outbox import Outbox
from nbactl.ports.documents import Set
from nbactl.ports.warehouse import Rows
from tests.integration.cli.conftest import environment
from tests.kit.batches import add_batch, open_documents
from tests.kit.paths import ROOT
from tests.kit.warm import put_on_path

if TYPE_CHECKING:
    from pathlib import Path

_EXAMPLES = [example for command, _ in walk(build()) for example in getattr(command, "examples", ())]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the three YAML files, code, one finished run, one prediction batch, a lease and a message."""
    directory = tmp_path_factory.mktemp("used")
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        shutil.copy(ROOT / name, directory)
    put_on_path(directory / ".bin")
    assert _run("nbactl run phase3", directory).returncode == 0
    add_batch(directory / ".nbactl", "2025-01-06", completed=2, failed=1)
    _leave_over(directory / ".nbactl")
    _refuse_a_record(directory / ".nbactl")
    (directory / "service.py").write_text("from nbactl.core import flags\n")
    return directory


def _leave_over(state: Path) -> None:
    """Leave an expired lease, an expired lock of another program, and a message that waits."""
    store, clock = open_documents(state), SystemClock()
    store.commit([Set("coordinator_batch_locks/2024-01-15", {"owner": "coordinator", "expires_at": clock.now()})])
    Leases(store, clock, is_dead=is_dead).acquire("phase3/2024-01-15", "somebody", 0.001)
    bus = LocalBus(store, clock, TimeSortedIds(clock))
    store.commit([Outbox(store, bus, clock, redrive_after=60.0, keep=60.0).message("phase3/2024-01-15/1", "t", {})])
    store.close()


def _refuse_a_record(state: Path) -> None:
    """Put the record of the examples of `nbactl quarantine` into quarantine."""
    file = state / "data" / "sample" / "warehouse.duckdb"
    columns = ("game_date", "reason", "message", "origin", "shape", "payload")
    row = (date(2025, 1, 7), "unknown_team", "there is no team XXX", "games.csv:9", "game_log", {"TEAM": "XXX"})
    with closing(DuckDbWarehouse(file, clock=SystemClock(), lock_wait=10.0, holder="test")) as warehouse:
        warehouse.load("nba_raw.games_quarantine", Rows(columns, [row]), timeout=10.0)


def _begin_rollout(used: Path, *, begun: bool) -> None:
    """Have no rollout under way, or one that is at its first stage, whichever examples came before."""
    _run("nbactl flags rollout abort query_caching; nbactl flags rollback query_caching", used)
    if begun:
        assert _run("nbactl flags rollout start query_caching --force", used).returncode == 0


@pytest.mark.parametrize("example", _EXAMPLES)
def test_an_example_works(example: str, used: Path, request: pytest.FixtureRequest) -> None:
    if "path:DIR" in example:
        example = example.replace("path:DIR", f"path:{request.getfixturevalue('nba_data')}")
    if "flags rollout" in example:
        _begin_rollout(used, begun="rollout start" not in example)
    if "runs dismiss" in example:
        assert _run("nbactl run phase2 --date 2025-01-06 --force --timeout 1ms", used).returncode == 1
    done = _run(example, used)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def _run(line: str, directory: Path) -> subprocess.CompletedProcess[str]:
    path = f"{directory / '.bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", line],
        cwd=directory,
        env=environment({"PATH": path}),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
