"""What the data hold is harmless wherever it is kept or shown (invariant 28)."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.shared_breakers import SharedBreakers
from tests.kit.batches import open_documents
from tests.kit.called import call_nbactl
from tests.kit.small_project import DATE, project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kit.small_project import Project

DAY = ("--date", DATE)
TOKEN = "ghp_" + "0123456789abcdefghij"
SCREEN = "\x1b[2J"


@pytest.fixture
def here(tmp_path: Path) -> Project:
    made = project(tmp_path / "project")
    text = (made.folder / "workflows.yaml").read_text()
    (made.folder / "workflows.yaml").write_text(text.replace(":boom", ":leak").replace(":three_rows", ":careless"))
    return made


def test_inv_28_a_token_is_in_no_file_that_a_run_leaves(here: Project) -> None:
    done = here.run("run", "mixed", *DAY, "-vv", code=3)
    assert TOKEN not in done.stdout + done.stderr
    with contextlib.closing(sqlite3.connect(here.state / "documents.db")) as ledger:
        kept = "\n".join(map(str, ledger.execute("SELECT * FROM documents")))
    assert "***" in kept
    files = [file.read_bytes() for file in here.state.rglob("*") if file.is_file()]
    assert files
    assert not [content for content in [*files, kept.encode()] if TOKEN.encode() in content]


@pytest.mark.parametrize(
    "command", [("runs", "show", "last"), ("runs", "logs", "last"), ("runs", "list", "-o", "wide"), ("status", *DAY)]
)
@pytest.mark.parametrize("output", ["table", "json", "jsonl", "yaml"])
def test_inv_28_no_command_shows_a_token_or_moves_the_cursor(
    here: Project, command: tuple[str, ...], output: str
) -> None:
    here.run("run", "mixed", *DAY, code=3)
    extra = () if "-o" in command else ("-o", output)
    done = call_nbactl([*command, *extra], cwd=here.folder, env=here.environment)
    assert done.returncode in (0, 1)
    assert TOKEN not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_inv_28_a_crash_report_has_no_token(here: Project) -> None:
    environment = {**here.environment, "NBACTL_FAULTS": f"no-such-fault:{TOKEN}"}
    done = call_nbactl(["runs", "list", f"--name={TOKEN}"], cwd=here.folder, env=environment)
    assert TOKEN not in done.stdout + done.stderr


def test_inv_28_with_debug_a_traceback_is_masked(here: Project) -> None:
    done = call_nbactl(["run", TOKEN, "--debug", *DAY], cwd=here.folder, env=here.environment)
    assert done.returncode == 4
    assert "Traceback" in done.stderr
    assert TOKEN not in done.stderr


@pytest.mark.parametrize("name", ["workflows.yaml", "timeouts.yaml", "flags.yaml", "nbactl.toml"])
def test_a_pipe_as_configuration_is_refused_at_once(here: Project, name: str) -> None:
    (here.folder / name).unlink(missing_ok=True)
    os.mkfifo(here.folder / name)
    done = call_nbactl(["config", "validate", "-o", "json"], cwd=here.folder, env=here.environment)
    assert done.returncode == 2
    assert "not a regular file" in json.dumps(json.loads(done.stdout)["error"])


def test_a_pipe_among_code_is_not_waited_for(here: Project, tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "folder.py").mkdir(parents=True)
    (code / "one.py").write_text("x = 1\n")
    os.mkfifo(code / "pipe.py")
    done = call_nbactl(["flags", "check", str(code), "-o", "json"], cwd=here.folder, env=here.environment)
    assert done.returncode in (0, 1)
    assert "not a regular file" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("flags", "set", "query_caching", "--percent", "5"),
        ("flags", "rollout", "start", "query_caching", "--force"),
        ("breakers", "reset", "made-up"),
        ("migrate", "completions", "--start-dual-write"),
    ],
)
def test_inv_28_a_secret_in_a_reason_is_not_kept(tmp_path: Path, words: tuple[str, ...]) -> None:
    here = project(tmp_path / "project")
    store = open_documents(here.state)
    SharedBreakers(store, SystemClock()).reset("made-up")
    store.close()
    here.run(*words, "--reason", f"as in {TOKEN}", "--yes")
    with contextlib.closing(sqlite3.connect(here.state / "documents.db")) as file:
        kept = [text for (text,) in file.execute("SELECT data FROM documents")]
    assert not [text for text in kept if TOKEN in text]
    assert [text for text in kept if "as in " in text]
