"""What writers of completions did and were told, kept outside of the store: one append-only file a writer.

Every line is on the disk before the writer goes on, so that a writer that is killed has said what it was about to do.
Times are of the machine's one monotonic clock, in nanoseconds, and can be compared between processes.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

What = Literal["tried", "told", "failed", "saw"]
Verb = Literal["complete", "fail"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    `tried`: the call is about to be made. `told`: it returned; `new` and `finished` (the batch became complete by it)
    are what it returned, None where the code does not say. `failed`: it raised, and nobody knows what came of it.
    `saw`: somebody asked for the progress of the batch and got `completed`. `began` is when the call was made.
    """

    what: What
    at: int
    began: int
    batch: str
    player: str = ""
    verb: Verb = "complete"
    new: bool | None = None
    finished: bool | None = None
    completed: int = 0
    why: str = ""


class Journal:
    """The journal of one writer. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def note(
        self,
        what: What,
        batch: str,
        player: str = "",
        verb: Verb = "complete",
        *,
        began: int | None = None,
        new: bool | None = None,
        finished: bool | None = None,
        completed: int = 0,
        why: str = "",
    ) -> int:
        """Write a line; returns its time."""
        now = time.monotonic_ns()
        entry = Entry(what, now, now if began is None else began, batch, player, verb, new, finished, completed, why)
        line = json.dumps(asdict(entry)) + "\n"
        with self._lock:
            os.write(self._file, line.encode())
            os.fdatasync(self._file)
        return now


def entries(folder: Path) -> Iterator[Entry]:
    """Yield what all journals of a folder hold. A last line that was cut off by a kill was never acted upon."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield Entry(**json.loads(line))
