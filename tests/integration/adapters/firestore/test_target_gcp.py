"""`--target gcp` as an operator meets it, with the emulator in Google's place."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.testing import emulator_documents
from nbactl.workflows.ledger import Ledger
from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl
from tests.kit.run_records import MIXED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def project() -> str:
    return f"test-{uuid.uuid4().hex[:20]}"


@pytest.fixture
def nbactl(tmp_path: Path, firestore_address: str, project: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    def call(*arguments: str, program: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        given = {"NBACTL_TARGET": "gcp", "NBACTL_PROJECT": project, "FIRESTORE_EMULATOR_HOST": firestore_address}
        env = environment({name: value for name, value in {**given, **env}.items() if value})
        if not program:
            return call_nbactl([*arguments], cwd=tmp_path, env=env)
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


def finding(done: subprocess.CompletedProcess[str], name: str) -> list[dict[str, Any]]:
    return [found for found in json.loads(done.stdout)["data"]["checks"] if found["name"] == name]


def test_runs_of_a_project_are_listed_from_firestore(
    nbactl: Callable[..., subprocess.CompletedProcess[str]], firestore_address: str, project: str
) -> None:
    store = emulator_documents(firestore_address, project)
    ledger = Ledger(store, SystemClock(), is_dead=lambda _: False)
    ledger.start(replace(MIXED, run_id="run-on-gcp", target="gcp", lease="phase3/2024-01-15"), supersedes=None)
    store.close()
    done = nbactl("runs", "list", "--json")
    assert done.returncode == 0, done.stderr
    assert [run["run_id"] for run in json.loads(done.stdout)["data"]["runs"]] == ["run-on-gcp"]
    shown = nbactl("runs", "show", "run-on-gcp")
    assert shown.returncode == 0, shown.stderr
    assert nbactl("runs", "show", "run-none").returncode == 4


def test_without_a_project_it_says_so(nbactl: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = nbactl("runs", "list", NBACTL_PROJECT="")
    assert done.returncode == 2
    assert "needs a project" in done.stderr
    assert "--project" in done.stderr


def test_without_googles_client_it_says_what_to_install(
    nbactl: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    program = """
import sys
sys.modules["google.cloud.firestore_v1"] = None
from nbactl.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    done = nbactl("runs", "list", program=program)
    assert done.returncode == 2, done.stderr
    assert "nbactl[gcp]" in done.stderr


def test_without_credentials_it_says_how_to_log_in(
    nbactl: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    nobody = {"FIRESTORE_EMULATOR_HOST": "", "HOME": str(tmp_path), "NO_GCE_CHECK": "true"}
    done = nbactl("runs", "list", **nobody)
    assert done.returncode == 5, done.stderr
    assert "gcloud auth application-default login" in done.stderr


def test_a_server_that_is_away_is_exit_7(nbactl: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = nbactl("runs", "list", FIRESTORE_EMULATOR_HOST="127.0.0.1:9")
    assert done.returncode == 7, done.stderr
    assert "127.0.0.1:9" in done.stderr


def test_doctor_asks_firestore(nbactl: Callable[..., subprocess.CompletedProcess[str]], project: str) -> None:
    (found,) = finding(nbactl("doctor", "--json"), "firestore")
    assert found["status"] == "ok"
    assert project in found["message"]
    (found,) = finding(nbactl("doctor", "--json", FIRESTORE_EMULATOR_HOST="127.0.0.1:9"), "firestore")
    assert found["status"] == "failed"


def test_a_phase_whose_upstream_phases_nobody_did_is_refused(
    nbactl: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = nbactl("run", "phase3", "--yes")
    assert done.returncode == 6, done.stderr
    assert "needs phase1, phase2" in done.stderr
    assert nbactl("run", "phase1", "--date", "2024-12-01", "--dry-run").returncode == 0
