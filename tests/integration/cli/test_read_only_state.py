"""A state directory that may not be written, such as a backup, is shown; what would change it says why it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.paths import ROOT
from tests.kit.small_project import DATE, Project, project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Runs a command that permissions bind, even if the user is root: drops CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2)
# from the bounding set (PR_CAPBSET_DROP, 24). A program of its own, not a preexec_fn: that would fork this process, in
# which gRPC may have threads, and its fork handlers can abort the child.
_BOUND = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Project]:
    """A project with a failed run, whose state nobody may write."""
    made = project(tmp_path / "project")
    made.run("run", "second", "--date", DATE, code=1)
    folders = [made.state, *(path for path in made.state.rglob("*") if path.is_dir())]
    for path in made.state.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    made.state.chmod(0o555)
    yield made
    for folder in folders:
        folder.chmod(0o755)


def run(place: Project, *arguments: str, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", _BOUND, *place.command(*arguments, "-o", "json")],
        cwd=ROOT,
        env=place.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def files(place: Project) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in place.state.rglob("*")}


def test_what_only_reads_works_and_says_that_it_is_read_only(kept: Project) -> None:
    before = files(kept)
    listed = run(kept, "runs", "list")
    assert [each["name"] for each in listed["data"]["runs"]] == ["second", "first"]
    assert any("is read-only" in warning for warning in listed["warnings"])
    assert run(kept, "runs", "show", "last")["data"]["run"]["name"] == "second"
    assert run(kept, "runs", "logs", "last")["data"]["entries"]
    assert run(kept, "runs", "gantt", "last")["data"]["runs"]
    assert run(kept, "status", "--date", DATE, code=1)["data"]["counts"] == {"failed": 1}
    for words in (("config", "show"), ("flags", "list"), ("batches", "list"), ("leases", "list"), ("outbox", "list")):
        run(kept, *words)
    assert run(kept, "run", "first", "--date", DATE, "--dry-run")["data"]["plan"]
    checks = {each["name"]: each["status"] for each in run(kept, "doctor", code=1)["data"]["checks"]}
    assert (checks["state directory"], checks["documents"]) == ("failed", "ok")
    assert files(kept) == before


@pytest.mark.parametrize(
    "words",
    [
        ("run", "first", "--date", "2025-01-07"),
        ("run", "second", "--date", DATE),
        ("runs", "dismiss", "last"),
        ("flags", "set", "query_caching", "--on"),
    ],
)
def test_what_would_change_it_is_refused(kept: Project, words: tuple[str, ...]) -> None:
    before = files(kept)
    failed = run(kept, *words, code=5)
    assert failed["error"]["code"] == "not_authorised"
    assert "is read-only" in failed["error"]["message"]
    assert "--state-dir" in failed["error"]["next"]
    assert files(kept) == before
