"""Removes the records of old raw files, and keeps the first line of each: the version of the date stays what it was.

Whatever is judged by raw files reads that line alone: what a run wrote is still there, and nothing becomes stale.
"""

from __future__ import annotations

import fcntl
import os
from datetime import date
from typing import TYPE_CHECKING, Final

from nbactl.core._support.faults import reach
from nbactl.core.retention.files import old_files
from nbactl.core.retention.model import Removal
from nbactl.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime
    from pathlib import Path

_FIRST_LINE: Final = 512
"""Bytes that a file without records has at most."""


class OldRawFiles:
    """Empties raw files below `root` that were written before a time, but those of dates that `needed` returns.

    Needed are the dates whose tables are to be made again, or were never made.
    """

    def __init__(self, root: Path, needed: Callable[[Sequence[date]], Collection[date]]) -> None:
        self._root = root
        self._needed = needed

    def prune(self, before: datetime, at_most: int, *, start: str | None, dry_run: bool) -> Removal:
        dataset, _, name = (start or "").partition("/")
        examined = removed = size = 0
        for folder in sorted(path for path in self._root.glob("*") if path.is_dir()):
            if folder.name < dataset:
                continue
            if examined >= at_most:
                return Removal(removed, examined, size, f"{folder.name}/")
            after = name if name and folder.name == dataset else None
            old, more = old_files(folder, "*.jsonl", before, at_most - examined, after, above=_FIRST_LINE)
            examined += len(old)
            needed = self._needed([date.fromisoformat(path.stem) for path, _ in old]) if old else ()
            for path, length in old:
                if date.fromisoformat(path.stem) not in needed:
                    removed += 1
                    size += length if dry_run else self._drop_records(path)
            if more:
                return Removal(removed, examined, size, f"{folder.name}/{old[-1][0].name}")
        return Removal(removed, examined, size)

    def _drop_records(self, path: Path) -> int:
        """Leave the first line of a file, as old as it was; returns how many bytes that freed."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.first")
        try:
            with (self._root / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # as those who write it do
                status = path.stat()
                with path.open("rb") as file:
                    head = file.readline()
                temporary.write_bytes(head)
                os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
                reach("rawfiles.before_rename")
                temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise UnavailableError(f"{path} cannot be emptied", cause=error.strerror, retryable=False) from error
        return status.st_size - len(head)
