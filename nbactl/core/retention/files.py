"""Files that nothing but people read: those before a time go."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nbactl.core.retention.model import Removal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime
    from pathlib import Path


def _none(_: Sequence[str]) -> Collection[str]:
    return ()


class OldFiles:
    """Removes the files of a folder that were last changed before a time, but those whose stems `needed` returns."""

    def __init__(self, folder: Path, pattern: str, needed: Callable[[Sequence[str]], Collection[str]] = _none) -> None:
        self._folder = folder
        self._pattern = pattern
        self._needed = needed

    def prune(self, before: datetime, at_most: int, *, start: str | None, dry_run: bool) -> Removal:
        old, more = old_files(self._folder, self._pattern, before, at_most, start)
        needed = self._needed([path.stem for path, _ in old]) if old else ()
        removed = size = 0
        for path, length in old:
            if path.stem in needed:
                continue
            with suppress(FileNotFoundError):  # another process removes as well
                if not dry_run:
                    path.unlink()
                removed, size = removed + 1, size + length
        return Removal(removed, len(old), size, old[-1][0].name if more else None)


def old_files(
    folder: Path, pattern: str, before: datetime, at_most: int, start: str | None, *, above: int = -1
) -> tuple[list[tuple[Path, int]], bool]:
    """Return files with their sizes in the order of their names, those after `start`, and whether there are more.

    Only those that were last changed before the time, and have more than `above` bytes.
    """
    found: list[tuple[Path, int]] = []
    for path in sorted(folder.glob(pattern)):
        if start is not None and path.name <= start:
            continue
        with suppress(FileNotFoundError):
            status = path.stat()
            if status.st_mtime < before.timestamp() and status.st_size > above:
                if len(found) == at_most:
                    return found, True
                found.append((path, status.st_size))
    return found, False
