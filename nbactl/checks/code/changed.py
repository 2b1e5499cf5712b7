"""The lines that differ from a revision of Git."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbactl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_HUNK: Final = re.compile(rb"@@ -\S+ \+(\d+)(?:,(\d+))? @@")
ALL: Final = range(1, 1 << 30)
"""The lines of a file that Git does not know."""


def touched_lines(revision: str, folder: Path) -> Mapping[Path, Sequence[Collection[int]]]:
    """Return the touched lines of each file of the repository around `folder`, by its resolved path.

    Raises UsageError outside a repository, NotFoundError for a revision that there is not.
    """
    top = Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel").rstrip(b"\n")))
    try:
        commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    except UsageError as error:
        raise NotFoundError(
            f"there is no revision '{revision}'", next_step="Name a commit, a branch or a tag: git log --oneline."
        ) from error
    found: dict[Path, list[Collection[int]]] = {}
    plain = (
        "-c",
        "core.quotepath=off",
        "diff",
        "--unified=0",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
    )
    current: list[Collection[int]] = []
    for line in _git(top, *plain, "--src-prefix=a/", "--dst-prefix=b/", os.fsdecode(commit), "--").split(b"\n"):
        if line.startswith(b"+++ "):
            current = found.setdefault(top / _unquoted(line[4:]), [])
        elif match := _HUNK.match(line):
            start, count = int(match[1]), int(match[2] or 1)
            current.append(range(start, start + count))
    for name in _git(top, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0"):
        if name:
            found[top / os.fsdecode(name)] = [ALL]
    return found


def _unquoted(name: bytes) -> str:
    """Return the path in a header: `b/x.py`, with a tab after names with spaces, or quoted as in C."""
    name = name.rstrip(b"\t\r")
    if name.startswith(b'"'):
        name = name[1:-1].decode("unicode_escape").encode("latin-1")
    return os.fsdecode(name.removeprefix(b"b/"))


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError as error:
        raise UsageError("--since needs git", cause="There is no git on PATH.", next_step="Install git.") from error
    if done.returncode:
        cause = done.stderr.decode(errors="replace").strip() or None
        raise UsageError(
            f"git {arguments[0]} failed in {folder}", cause=cause, next_step="--since needs a Git repository."
        )
    return done.stdout
