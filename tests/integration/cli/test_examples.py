"""Every example in a command's help is executed, on the local target, in a directory where something was run."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from contextlib import closing, contextmanager
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.cli.app import build
from nbactl.cli.frame import walk
from nbactl.config.loader import load_config
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.holder import is_dead
from nbactl.core.lease.leases import Leases
from nbactl.core.outbox.outbox import Outbox
from nbactl.ports.documents import Query, Set
from nbactl.ports.warehouse import Rows
from tests.integration.cli.conftest import environment
from tests.kit.batches import add_batch, open_documents
from tests.kit.bigquery import LOCATION
from tests.kit.bus import bus_at
from tests.kit.called import call_nbactl
from tests.kit.cloud_logging_server import cloud_logging_server
from tests.kit.cloud_run_server import PROJECT, cloud_run_server
from tests.kit.dead_letters import leave_dead_letters
from tests.kit.job_days import GIB, job_days
from tests.kit.league import League
from tests.kit.paths import ROOT
from tests.kit.service_routes import service_routes
from tests.kit.warm import put_on_path, run_nbactl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_STAYS = ("nbactl serve", "nbactl up")
"""Commands that end when they are stopped: tests/integration/cli/test_serve.py and tests/acceptance/test_up.py.

So do logs that are followed with -f: tests/integration/cli/test_logs.py."""
_EXAMPLES = [
    example
    for command, _ in walk(build())
    for example in getattr(command, "examples", ())
    if not example.startswith(_STAYS) and not (" logs " in example and " -f" in example)
]


_WAREHOUSE, _RAW = ".nbactl/data/sample/warehouse.duckdb", ".nbactl/data/sample/raw"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the three YAML files, code, finished runs, one prediction batch, a lease and a message."""
    directory = tmp_path_factory.mktemp("prepared")
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        shutil.copy(ROOT / name, directory)
    for line in ("nbactl run phase2 --date 2024-10-22", "nbactl run phase3"):
        done = _run(line, directory)
        assert done.returncode == 0, done.stderr
    done = _run("nbactl jobs apply", directory)
    assert done.returncode == 0, done.stderr
    add_batch(directory / ".nbactl", "2025-01-06", completed=2, failed=1)
    _leave_over(directory / ".nbactl")
    leave_dead_letters(directory / ".nbactl", "msg-01kb2f7m4q8x2v0c", "msg-01kb2f7n9d3w5t1h")
    _refuse_a_record(directory / ".nbactl")
    (directory / "service.py").write_text("from nbactl.core import flags\n")
    for folder, text in (
        ("sql", "SELECT a FROM d.t WHERE day = @day"),
        ("ddl", "CREATE TABLE d.t (day DATE, a INT64)"),
    ):
        (directory / folder).mkdir()
        (directory / folder / "t.sql").write_text(text)
    return directory


@pytest.fixture
def used(example: str, prepared: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the prepared directory: no example sees what another one did.

    The warehouse is large, the raw data are hundreds of files, and only runs write them: others get links to them.
    """
    directory = tmp_path / "used"
    before = _written(prepared)
    runs = " run " in example or "runs dismiss" in example or example.startswith(_UNDO)
    linked = () if runs else (_WAREHOUSE, _RAW)
    names = [path.rpartition("/")[2] for path in linked]
    shutil.copytree(prepared, directory, ignore=shutil.ignore_patterns(*names))
    for path in linked:
        (directory / path).symlink_to(prepared / path)
    yield directory
    shutil.rmtree(directory)
    assert _written(prepared) == before, example


def _written(prepared: Path) -> dict[str, int]:
    """Return when the warehouse and each folder of raw data, whose files are replaced as a whole, were written."""
    paths = [prepared / _WAREHOUSE, prepared / _RAW, *(prepared / _RAW).iterdir()]
    return {str(path): path.stat().st_mtime_ns for path in paths}


def _leave_over(state: Path) -> None:
    """Leave an expired lease, an expired lock of another program, a message that waits, a change of a job."""
    store, clock = open_documents(state), SystemClock()
    store.commit([Set("coordinator_batch_locks/2024-01-15", {"owner": "coordinator", "expires_at": clock.now()})])
    [change] = store.query(Query("job_changes"))
    store.commit([Set("job_changes/job-01kb2f7m4q8x2v0c", change.data)])
    Leases(store, clock, is_dead=is_dead).acquire("phase3/2024-01-15", "somebody", 0.001)
    bus = bus_at(state / "bus.db", "nba-phase3-trigger")
    store.commit(
        [
            Outbox(store, bus, clock, redrive_after=60.0, keep=60.0).message(
                "phase3/2024-01-15/1", "nba-phase3-trigger", {}
            )
        ]
    )
    store.close()


def _refuse_a_record(state: Path) -> None:
    """Put the record of the examples of `nbactl quarantine` into quarantine."""
    file = state.parent / _WAREHOUSE
    columns = ("game_date", "reason", "message", "origin", "shape", "payload")
    row = (date(2025, 1, 7), "unknown_team", "there is no team XXX", "games.csv:9", "game_log", {"TEAM": "XXX"})
    with closing(DuckDbWarehouse(file, clock=SystemClock(), lock_wait=10.0, holder="test")) as warehouse:
        warehouse.load("nba_raw.games_quarantine", Rows(columns, [row]), timeout=10.0)


_BEFORE = {
    "nbactl bq apply plan.json": "nbactl bq plan nba_raw.games --out plan.json",
    "nbactl flags rollout advance": "nbactl flags rollout start query_caching --force",
    "nbactl flags rollout pause": "nbactl flags rollout start query_caching --force",
    "nbactl flags rollout abort": "nbactl flags rollout start query_caching --force",
    "nbactl flags rollout status query_caching": "nbactl flags rollout start query_caching --force",
}
"""What an operator did before the examples that begin so."""
_UNDO = "nbactl bq apply --undo"
_ENDS = {
    "nbactl expect": 1,  # only the first three phases were run
    "nbactl flags check . -o json": 1,
    **dict.fromkeys(("nbactl flags adopt", "nbactl flags sync"), 4),
    **{f"nbactl services {verb}": 6 for verb in ("env diff", "apply")},
    **{f"nbactl services {verb}": 4 for verb in ("env", "scale", "traffic", "rollback", "undo")},
}
"""How examples end that begin so, where that is not 0: here nothing is deployed, and nothing was changed."""
_OF_SERVICES = tuple(f"nbactl services {verb}" for verb in ("list", "show", "health", "smoke", "diff"))
"""Commands that look at deployed services, of which there are none on one machine while `up` does not run."""
_OF_LOGS = ("nbactl logs", "nbactl services logs")
"""Commands about the logs of services, which log nothing while `up` does not run."""
_OF_JOBS = ("nbactl bq costs", "nbactl bq quotas", "nbactl bq cache")
"""Commands about the jobs of BigQuery, of which there are none on one machine."""


@pytest.mark.parametrize("example", _EXAMPLES)
def test_an_example_works(example: str, used: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if "path:DIR" in example:
        league = League(tmp_path / "league", {date(2024, 1, day): 20 for day in range(8, 13)})
        example = example.replace("path:DIR", f"path:{league.folder}")
    for beginning, line in _BEFORE.items():
        if example.startswith(beginning):
            assert _run(line, used).returncode == 0
    if "runs dismiss" in example:
        killed = environment({"NBACTL_FAULTS": "engine.after_effect=kill"})
        assert run_nbactl(["run", "player_game_summary", "--force"], cwd=used, env=killed).returncode == -signal.SIGKILL
    if example.startswith(_UNDO):
        (used / "games.sql").write_text("CREATE TABLE nba_raw.games (season STRING) CLUSTER BY season")
        assert _run("nbactl bq apply --schema games.sql --yes", used).returncode == 3  # clustered; the rest is refused
    with _place(example, used, request) as variables:
        done = _run(example, used, variables)
    expected = next((code for beginning, code in _ENDS.items() if example.startswith(beginning)), 0)
    assert done.returncode == expected, done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def _place(example: str, used: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Serve the project that an example is about, if it is about one; yields the variables of the command."""
    gcp = {"NBACTL_TARGET": "gcp", "NBACTL_PROJECT": PROJECT, "NBACTL_YES": "1"}
    if example.startswith(_OF_JOBS) or (example.startswith("nbactl bq lint") and "--target gcp" in example):
        with job_days(1, project=PROJECT) as days:
            days.go_to(0.9)
            days.read(GIB, task="phase3", workflow="nightly")
            store = {"FIRESTORE_EMULATOR_HOST": request.getfixturevalue("firestore_address")}
            yield {**gcp, **store, "NBACTL_LOCATION": LOCATION, "BIGQUERY_EMULATOR_HOST": days.server.address}
    elif example.startswith(_OF_SERVICES):
        with cloud_run_server() as cloud, service_routes() as routes:
            for name in load_config(used).workflows.declared_services:
                cloud.deploy(name, {"LOG_LEVEL": "info"})
                cloud.set_env(name, LOG_LEVEL="debug")
                routes.serve(cloud, name)
                routes.answers[name, "/ready"] = (200, {"ready": True})
            store = {"FIRESTORE_EMULATOR_HOST": request.getfixturevalue("firestore_address")}
            yield {**gcp, **store, "CLOUD_RUN_EMULATOR_HOST": cloud.address}
    elif example.startswith(_OF_LOGS):
        with cloud_logging_server() as logging, cloud_run_server() as cloud:
            cloud.deploy("prediction-worker", {})
            yield {**gcp, "LOGGING_EMULATOR_HOST": logging.address, "CLOUD_RUN_EMULATOR_HOST": cloud.address}
    else:
        yield {}


def _run(line: str, directory: Path, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a line as a shell would; only one that needs a shell gets one."""
    first, *words = shlex.split(line)
    if first == "nbactl" and not set(line) & set("<>|&;$`"):
        return call_nbactl(words, cwd=directory, env=environment(variables))
    path = f"{put_on_path(directory / '.bin')}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", line],
        cwd=directory,
        env=environment({**(variables or {}), "PATH": path}),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
