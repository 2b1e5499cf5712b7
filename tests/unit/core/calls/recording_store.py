"""A store in memory that notes how it is written to, and fails single writes on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.errors import UnavailableError
from nbactl.ports.documents import WriteResult

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Write


class RecordingStore(SqliteDocuments):
    def __init__(self, clock: Clock) -> None:
        super().__init__(":memory:", clock=clock, busy_timeout=5.0)
        self.chunks: list[int] = []
        self.most_at_once = 0
        self.together: threading.Barrier | None = None
        self._failing: dict[str, int] = {}
        self._at_once = 0

    def fail_writes(self, times: Mapping[str, int]) -> None:
        """Answer the first so many writes of these documents as a service does that is busy."""
        self._failing = dict(times)

    def batch_write(self, writes: Sequence[Write]) -> list[WriteResult]:
        self.chunks.append(len(writes))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        if self.together is not None:
            self.together.wait()
        late = {write.path for write in writes if self._failing.get(write.path, 0) > 0}
        for path in late:
            self._failing[path] -= 1
        done = {result.path: result for result in super().batch_write([w for w in writes if w.path not in late])}
        self._at_once -= 1
        busy = UnavailableError("busy")
        return [done.get(write.path) or WriteResult(write.path, busy) for write in writes]
