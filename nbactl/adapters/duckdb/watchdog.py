"""A time limit on what runs inside DuckDB, which only another thread can interrupt."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from nbactl.errors import NbactlError, PreconditionError, TimedOutError

if TYPE_CHECKING:
    from types import TracebackType

    from duckdb import DuckDBPyConnection

_AGAIN = 0.05


class Watchdog:
    """Interrupt a cursor's statements once `limit` seconds of real time are used up, or on request.

    An interrupt ends only the statement that is running at that moment, so it is repeated until the guarded
    block is left; `left` covers the time between statements.
    """

    def __init__(self, cursor: DuckDBPyConnection, limit: float) -> None:
        self._cursor = cursor
        self._limit = limit
        self._ends = time.monotonic() + limit
        self._wake = threading.Event()
        self._done = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._watch, name="warehouse-watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import duckdb

        self._done.set()
        self._wake.set()
        self._thread.join()
        if isinstance(error, duckdb.InterruptException):
            raise self.expired() from error

    def interrupt(self) -> None:
        """End the guarded block because the warehouse is being closed."""
        self._closing = True
        self._wake.set()

    def left(self) -> float:
        """Return the seconds that are left. Raises what `expired` returns if there are none."""
        left = self._ends - time.monotonic()
        if left <= 0 or self._closing:
            raise self.expired()
        return left

    def expired(self) -> NbactlError:
        """Return the error for the end of the guarded block."""
        if self._closing:
            return PreconditionError("the warehouse was closed while the call was running")
        return TimedOutError(
            f"the warehouse did not finish within {self._limit:g} s",
            cause="the time limit of the call, or what was left of the run's deadline, is used up",
            next_step="Raise the limit in timeouts.yaml if the amount of data justifies it.",
        )

    def _watch(self) -> None:
        self._wake.wait(self._limit)
        while not self._done.is_set():
            self._cursor.interrupt()
            self._done.wait(_AGAIN)
