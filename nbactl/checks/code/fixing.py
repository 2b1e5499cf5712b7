"""Writing the safe rewrites."""

from __future__ import annotations

import os
import stat
from itertools import groupby
from typing import TYPE_CHECKING

from nbactl.checks.code.files import read
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nbactl.checks.code.engine import Finding
    from nbactl.checks.code.rule import Edit


def fix_all(findings: Sequence[Finding], *, dry_run: bool) -> list[Finding]:
    """Apply the rewrites of the findings that have one; returns those findings. A file is replaced whole.

    Raises UsageError for a file that cannot be written.
    """
    fixable = sorted((each for each in findings if each.edit is not None), key=lambda each: str(each.path))
    if not dry_run:
        for path, group in groupby(fixable, key=lambda each: each.path):
            _write(path, [each.edit for each in group if each.edit is not None])
    return fixable


def _write(path: Path, edits: Sequence[Edit]) -> None:
    lines = read(path).split(b"\n")
    for line, start, end, text in sorted(set(edits), reverse=True):
        old = lines[line - 1]
        lines[line - 1] = old[:start] + text.encode() + old[end:]
        if not lines[line - 1].strip() and not text:
            del lines[line - 1]  # the comment was alone on its line
    replace_file(path, b"\n".join(lines))


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file whole, or create it; its permissions stay. Raises UsageError if that is not possible."""
    real = path.resolve()
    temporary = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        if real.exists():
            temporary.chmod(stat.S_IMODE(real.stat().st_mode))
        temporary.replace(real)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(
            f"{path} cannot be written",
            cause=error.strerror or str(error),
            next_step="Name a file in a folder that exists and that you may write to.",
        ) from error
