"""What git knows of the folder of the configuration: commits, and the files as they were committed."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.errors import NbactlError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence


@frozen
class CommitAge:
    """A commit against HEAD. `behind` is how many commits HEAD has that it lacks; None for a commit git lacks."""

    commit: str
    behind: int | None


def commit_age(folder: Path, commit: str, *, limit: float) -> CommitAge | None:
    """Return how far a commit is behind HEAD of the repository that `folder` is in; None where git cannot say.

    `limit` is how many seconds git has.
    """
    if _git(folder, ["rev-parse", "--verify", "--quiet", "HEAD"], limit) is None:
        return None
    if _git(folder, ["cat-file", "-e", f"{commit}^{{commit}}"], limit) is None:
        return CommitAge(commit, None)
    counted = _git(folder, ["rev-list", "--count", f"{commit}..HEAD"], limit)
    return None if counted is None else CommitAge(commit, int(counted))


def committed_digest(folder: Path, *, limit: float) -> str | None:
    """Return the digest of the three files as they are at HEAD; None where git has none of them, or no valid ones."""
    from nbactl.config.loader import FILES, config_digest, load_config  # noqa: PLC0415 - few callers ask

    with tempfile.TemporaryDirectory() as place:
        for name in FILES.values():
            content = _git(folder, ["show", f"HEAD:./{name}"], limit)
            if content is None:
                return None
            (Path(place) / name).write_bytes(content)
        try:
            return config_digest(load_config(Path(place), environ={}, cached=False))
        except NbactlError:
            return None


def _git(folder: Path, words: Sequence[str], limit: float) -> bytes | None:
    """Return what git prints; None if it fails, is not there, or does not answer in time."""
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=limit)  # noqa: S603 - our words
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout
