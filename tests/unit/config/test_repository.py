"""What git says of the folder of the configuration."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from nbactl.config.loader import config_digest, load_config
from nbactl.config.repository import CommitAge, commit_age, committed_digest
from tests.kit.config_files import small_config

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], capture_output=True, check=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose configuration is in a folder of its own, with two commits."""
    (tmp_path / "conf").mkdir()
    folder = small_config(tmp_path / "conf")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "two")
    return folder


def test_how_far_a_commit_is_behind(repository: Path) -> None:
    first, head = git(repository, "rev-list", "HEAD", "--reverse").split()
    assert commit_age(repository, head, limit=20.0) == CommitAge(head, 0)
    assert commit_age(repository, first[:8], limit=20.0) == CommitAge(first[:8], 1)
    assert commit_age(repository, "0" * 40, limit=20.0) == CommitAge("0" * 40, None)
    assert commit_age(repository, "--version", limit=20.0) == CommitAge("--version", None)


def test_the_committed_digest_is_that_of_head_and_not_of_the_working_copy(repository: Path) -> None:
    committed = config_digest(load_config(repository, environ={}))
    assert committed_digest(repository, limit=20.0) == committed
    path = repository / "workflows.yaml"
    path.write_text(path.read_text() + "\nservices: {nowhere: {max_instances: 3}}\n")
    assert config_digest(load_config(repository, environ={})) != committed
    assert committed_digest(repository, limit=20.0) == committed


def test_a_folder_that_git_does_not_know_has_neither(tmp_path: Path) -> None:
    folder = small_config(tmp_path)
    assert commit_age(folder, "0" * 40, limit=20.0) is None
    assert committed_digest(folder, limit=20.0) is None
