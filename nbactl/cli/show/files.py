"""Writes a file that a user named: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from nbactl.errors import UsageError


def write_whole(path: Path, text: str) -> Path:
    """Write `text` to `path`, replacing a file that is there; returns the path that links lead to.

    Raises UsageError for a directory, a missing or closed folder, or a full disk; what was there stays.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise UsageError(f"{path} is a directory", next_step=f"Name a file, such as {path / 'run.html'}.")
    try:
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")  # a pipe or device cannot be replaced
        else:
            _replace(target, text)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written",
            cause=error.strerror or str(error),
            next_step="Name a file in a folder that exists and that you may write to.",
        ) from error
    return target


def _replace(target: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
