"""Many writes at once: in chunks, several in flight, each write with its own outcome."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from math import inf
from typing import TYPE_CHECKING, Final

from nbactl.errors import DataError, NbactlError
from nbactl.ports.documents import MAX_WRITES, WriteResult
from nbactl.ports.write_rules import accumulates, may_be_repeated, wire_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.rate_limit import RateLimiter
    from nbactl.core.calls.retry import RetryPolicy
    from nbactl.ports.documents import DocumentStore, Write

_MAX_BYTES: Final = 10 * 1024 * 1024
"""Most bytes of one request (Firestore's limit)."""


class BulkWriter:
    """Writes to different documents, as fast as the store takes them or the limiter allows.

    Transient errors are tried again with full jitter. An answer may be lost and its chunk sent again, so a Create
    that is refused with AlreadyExistsError may be this writer's own: an idempotent caller takes it as done.
    """

    def __init__(
        self,
        store: DocumentStore,
        *,
        in_flight: int = 4,
        limiter: RateLimiter | None = None,
        retry: RetryPolicy,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._store = store
        self._in_flight = in_flight
        self._limiter = limiter
        self._retry = retry
        self._clock = clock
        self._rng = rng

    def write_all(self, writes: Iterable[Write]) -> Iterator[WriteResult]:
        """Write everything; yields the outcome of every write as it becomes known, in no particular order.

        Writes to the same document are applied in their order. Raises DataError for a write that a lost answer could
        apply twice, and the store's error when it refuses a chunk as a whole or stays unavailable; what was in flight
        is finished and yielded first.
        """
        flying: dict[Future[list[WriteResult]], set[str]] = {}
        with ThreadPoolExecutor(self._in_flight, thread_name_prefix="nbactl-bulk") as pool:
            failure: NbactlError | None = None
            for chunk in self._chunks(writes):
                paths = {write.path for write in chunk}
                while failure is None and (len(flying) >= self._in_flight or _overlap(paths, flying)):
                    results, failure = _landed(flying)
                    yield from results
                if failure is not None:
                    break
                self._await_turn(chunk)
                flying[pool.submit(copy_context().run, self._settle, chunk)] = paths
            while flying:
                results, later = _landed(flying)
                yield from results
                failure = failure or later
        if failure is not None:
            raise failure

    def _chunks(self, writes: Iterable[Write]) -> Iterator[list[Write]]:
        chunk: list[Write] = []
        paths: set[str] = set()
        size = 0
        largest = self._largest()
        for write in writes:
            if accumulates(write) and not may_be_repeated((write,)):
                raise DataError(
                    f"{write.path} cannot be incremented in bulk",
                    cause="If an answer were lost, it would count twice.",
                    next_step="Use a transaction, or commit it together with the document that it counts.",
                )
            bytes_ = wire_bytes(write)
            if chunk and (len(chunk) >= largest or size + bytes_ > _MAX_BYTES or write.path in paths):
                yield chunk
                chunk, paths, size, largest = [], set(), 0, self._largest()
            chunk.append(write)
            paths.add(write.path)
            size += bytes_
        if chunk:
            yield chunk

    def _largest(self) -> int:
        return MAX_WRITES if self._limiter is None else min(MAX_WRITES, self._limiter.burst)

    def _await_turn(self, chunk: Sequence[Write]) -> None:
        if self._limiter is not None and (wait := self._limiter.take(len(chunk), within=inf)):
            self._clock.sleep(wait)

    def _settle(self, chunk: Sequence[Write]) -> list[WriteResult]:
        """Write a chunk until every write of it is applied or refused for good."""
        settled: list[WriteResult] = []
        attempt = 1
        while True:
            try:
                results = self._store.batch_write(chunk)
            except NbactlError as error:
                if not self._retry.allows(attempt, error):
                    raise
                wait_for = error
            else:
                again = {r.path: r.error for r in results if r.error and self._retry.allows(attempt, r.error)}
                settled += [result for result in results if result.path not in again]
                if not again:
                    return settled
                chunk = [write for write in chunk if write.path in again]
                wait_for = next(iter(again.values()))
            pause = self._retry.delay(attempt, self._rng, retry_after=getattr(wait_for, "retry_after", None))
            self._clock.sleep(pause)
            self._await_turn(chunk)
            attempt += 1


def _overlap(paths: set[str], flying: dict[Future[list[WriteResult]], set[str]]) -> bool:
    return any(not paths.isdisjoint(others) for others in flying.values())


def _landed(flying: dict[Future[list[WriteResult]], set[str]]) -> tuple[list[WriteResult], NbactlError | None]:
    """Wait for at least one chunk; returns the outcomes of those that are done, and a failure if one failed."""
    results: list[WriteResult] = []
    failure: NbactlError | None = None
    for future in wait(flying, return_when=FIRST_COMPLETED).done:
        del flying[future]
        try:
            results += future.result()
        except NbactlError as error:
            failure = error
    return results, failure
