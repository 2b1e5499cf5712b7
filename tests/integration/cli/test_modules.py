"""Start-up is held by which modules are loaded, which does not depend on how busy the machine is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl

if TYPE_CHECKING:
    from pathlib import Path

_LOADED = """
import sys
from nbactl.cli.main import main
code = main(sys.argv[1:])
print(code, *sys.modules, sep="\\n", file=sys.stderr)
"""
_NEVER = {
    "google", "duckdb", "sqlglot", "starlette", "uvicorn", "httpx2", "structlog", "numpy", "pandas",
    "requests", "sentry_sdk",
}  # fmt: skip


Loaded = Callable[..., set[str]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that keeps the checked configuration, as it does after the first command of an operator."""
    folder = tmp_path_factory.mktemp("cache")
    _loaded(folder, folder, "config", "validate")
    return folder


@pytest.fixture
def loaded(tmp_path: Path, cache: Path) -> Loaded:
    """Returns the modules that a process has loaded after a command."""
    return partial(_loaded, tmp_path, cache)


def _loaded(directory: Path, cache: Path, *arguments: str, **variables: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *arguments],
        cwd=directory,
        env=environment({"XDG_CACHE_HOME": str(cache), **variables}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, *modules = done.stderr[done.stderr.index("0\n") :].split()
    assert code == "0"
    return set(modules)


@pytest.mark.parametrize(
    ("arguments", "at_most", "unwanted"),
    [
        (("--version",), 40, {"typer", "typing", "json", "orjson"}),
        ((), 320, {"rich", "pydantic", "yaml", "sqlite3", "asyncio", "orjson"}),
        (("--help",), 320, {"rich", "pydantic", "yaml", "sqlite3", "asyncio", "orjson"}),
        (("runs", "--help"), 320, {"rich", "pydantic", "yaml", "sqlite3", "orjson"}),
        (("query", "--help"), 320, {"rich", "pydantic", "yaml", "sqlite3", "orjson"}),
        (("tables", "list", "--help"), 320, {"rich", "pydantic", "yaml", "sqlite3", "orjson"}),
        (("quarantine", "list", "--help"), 320, {"rich", "pydantic", "yaml", "sqlite3", "orjson"}),
        (("help", "dates"), 320, {"rich", "pydantic", "yaml", "sqlite3", "asyncio", "orjson"}),
        (("completion", "bash"), 320, {"rich", "pydantic", "yaml", "sqlite3", "asyncio", "orjson"}),
        (("runs", "list"), 300, {"rich", "pydantic", "yaml"}),
        (("status",), 340, {"rich", "pydantic", "yaml"}),  # nothing has run: whether anything is expected
        (("flags", "list"), 300, {"rich", "pydantic", "yaml"}),
        (("flags", "show", "query_caching"), 320, {"rich", "pydantic", "yaml"}),
        (("run", "phase1", "--dry-run", "--max-workers", "2", "--mode", "parallel"), 350, {"rich", "pydantic"}),
    ],
)
def test_a_command_loads_no_more_than_it_needs(
    loaded: Loaded, arguments: tuple[str, ...], at_most: int, unwanted: set[str]
) -> None:
    modules = loaded(*arguments)
    assert {module.partition(".")[0] for module in modules} & (_NEVER | unwanted) == set()
    assert len(modules) <= at_most


def test_that_a_finished_date_is_fresh_is_decided_without_the_warehouse(tmp_path: Path, loaded: Loaded) -> None:
    state = ("--date", "2024-10-22", "--state-dir", str(tmp_path / "state"))
    assert call_nbactl(["run", "phase2", *state], cwd=tmp_path, env=environment()).returncode == 0
    for arguments in (("status",), ("run", "phase2"), ("run", "phase2", "--dry-run")):
        names = {module.partition(".")[0] for module in loaded(*arguments, *state)}
        assert names & {"duckdb", "sqlglot", "numpy"} == set(), arguments


_GCP_CLIENTS = {"bigquery", "pubsub_v1", "pubsub", "run_v2", "storage", "scheduler_v1"}


@pytest.mark.parametrize("arguments", [("flags", "list"), ("config", "show"), ("runs", "list", "--origin", "nbactl")])
def test_a_command_on_gcp_loads_no_client_that_it_does_not_use(
    loaded: Loaded, arguments: tuple[str, ...], firestore_address: str
) -> None:
    target = ("--target", "gcp", "--project", "demo-modules")
    modules = loaded(*arguments, *target, FIRESTORE_EMULATOR_HOST=firestore_address)
    clients = {module.split(".")[2] for module in modules if module.startswith("google.cloud.")}
    assert clients & _GCP_CLIENTS == set()


def test_the_core_loads_no_command_line_and_no_engine(tmp_path: Path) -> None:
    rooms = "nbactl.core, nbactl.core.lease.leases, nbactl.core.calls.retry, nbactl.core.flags"
    code = f"import sys, {rooms}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert {module.partition(".")[0] for module in done.stdout.split()} & (_NEVER | {"typer", "rich"}) == set()
