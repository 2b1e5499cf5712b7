"""The order in which a run's state changes reach the ledger."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Protocol, Self

from nbactl.errors import StaleFenceError
from nbactl.ports.documents import MAX_WRITES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from nbactl.core.lease.leases import Lease
    from nbactl.ports.documents import Write

    Commit = Callable[[Sequence[Write], Sequence[Lease]], None]
    _Entry = tuple[Sequence[Write], Lease | None, asyncio.Future[None]]


class Journal(Protocol):
    """What commits state changes in the order they are given, for the length of a `with` block."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def commit(self, writes: Sequence[Write], under: Lease | None = None) -> None:
        """Return when the writes are durable; raises what the store raised.

        With `under` they are made only while that lease is held; StaleFenceError says that it is not.
        """
        ...


class DirectJournal:
    """Commits in the calling thread."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to commit."""

    async def commit(self, writes: Sequence[Write], under: Lease | None = None) -> None:
        self._commit(writes, () if under is None else (under,))


class ThreadedJournal:
    """Commits in one thread of its own, so that a slow disk does not stop the event loop.

    Changes that wait while a commit runs go into the next commit together. After a failed commit every later
    one fails with the same error: a ledger with a gap would be untrue.
    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="nbactl-journal", daemon=True)

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()

    async def commit(self, writes: Sequence[Write], under: Lease | None = None) -> None:
        future = self._loop.create_future()
        self._queue.put((writes, under, future))
        await future

    def _work(self) -> None:
        while (entry := self._queue.get()) is not None:
            entries, more = self._gather(entry)
            for together, error in self._outcomes(entries):
                self._loop.call_soon_threadsafe(_resolve, [future for _, _, future in together], error)
            if not more:
                return

    def _outcomes(self, entries: Sequence[_Entry]) -> Iterator[tuple[Sequence[_Entry], BaseException | None]]:
        """Commit entries, and yield those that had the same outcome. A lease that is lost is the loss of its run."""
        under = [lease for _, lease, _ in entries if lease is not None]
        error = self._broken or self._try([write for writes, _, _ in entries for write in writes], under)
        if not isinstance(error, StaleFenceError) or len(under) == 1:
            self._broken = error
            yield entries, error
            return
        for writes, lease, future in entries:
            yield [(writes, lease, future)], self._try(writes, () if lease is None else (lease,))

    def _gather(self, first: _Entry) -> tuple[list[_Entry], bool]:
        """Return what waits, as far as one commit holds it, and whether the journal stays open."""
        entries, size = [first], len(first[0])
        while size < MAX_WRITES // 2:
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                break
            if entry is None:
                return entries, False
            entries.append(entry)
            size += len(entry[0])
        return entries, True

    def _try(self, writes: Sequence[Write], under: Sequence[Lease]) -> BaseException | None:
        try:
            self._commit(writes, under)
        except BaseException as error:  # noqa: BLE001 - it is raised where the commit is awaited
            return error
        return None


def _resolve(futures: Sequence[asyncio.Future[None]], error: BaseException | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
