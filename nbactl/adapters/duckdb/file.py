"""The open warehouse file: shared by the threads of this process, released as soon as another process wants it."""

from __future__ import annotations

import atexit
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbactl.adapters.duckdb import catalog, versions
from nbactl.adapters.duckdb.errors import translated
from nbactl.adapters.duckdb.lock import FileLock, cannot_open
from nbactl.adapters.duckdb.sidecar import VersionsSidecar
from nbactl.core._support import faults
from nbactl.errors import NotFoundError, PreconditionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from nbactl.core._support.clock import Clock
    from nbactl.ports.warehouse import PartitionVersion

_LINGER = 0.5
"""Seconds that an idle file stays open for the next operation of the same run; opening and closing cost 30 ms."""
_WATCH = 0.02
"""Seconds between looks at whether somebody waits for an idle file."""
_TURN = 0.1
"""Seconds that a busy process keeps the file while another waits: both get more done than opening and closing."""
_FOREIGN_PAUSE = 0.05
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": "false",  # a table name never means a Python variable
    "enable_external_access": "false",  # SQL reads tables, not files or addresses
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}


class WarehouseFile:
    """A DuckDB file that is open while it is used.

    Operations that overlap share one connection. When another process wants the file no new operation joins:
    those in flight end, the file is closed, and this process queues up behind the other.
    """

    def __init__(self, path: Path, *, clock: Clock, holder: str, creates: bool = True) -> None:
        """Without `creates` a file that is not there is an error, and stays away."""
        self._creates = creates
        self.sidecar = VersionsSidecar(path)
        self._path = path
        self._clock = clock
        self._lock = FileLock(path, clock=clock, holder=holder)
        self._changed = threading.Condition()
        self._connection: DuckDBPyConnection | None = None
        self._users = 0
        self._opening = False
        self._leaving = False
        self._shut = False
        self._idle_since = self._open_since = 0.0
        self._keeper: threading.Thread | None = None

    def exists(self) -> bool:
        """Say whether there is a file."""
        return self._path.exists()

    @contextmanager
    def use(self, wait: float) -> Iterator[DuckDBPyConnection]:
        """Give the open connection for the duration of one operation; not to be nested in a thread.

        Waits up to `wait` seconds for other processes. Raises UnavailableError.
        """
        connection = self._enter(self._clock.monotonic() + wait)
        try:
            yield connection
        finally:
            self._leave()

    def renew(self) -> None:
        """Have the file closed and opened again before the next operation, because the connection broke."""
        with self._changed:
            self._leaving = True

    def shut(self) -> None:
        """Refuse further operations, and end the wait of those that wait for another process."""
        with self._changed:
            self._shut = True
            self._changed.notify_all()

    def check_not_shut(self) -> None:
        """Raise PreconditionError once the file is closed, or about to be."""
        if self._shut:
            raise PreconditionError("the warehouse has been closed")

    def close(self) -> None:
        """Close for good once operations in flight have ended."""
        self.shut()
        with self._changed:
            while self._users or self._opening:
                self._changed.wait()
        self._close_for_good()
        atexit.unregister(self._close_at_exit)

    def _close_at_exit(self) -> None:
        """Close a file that was left open, unless it is in use: DuckDB complains on stderr of what is open at exit."""
        if not (self._users or self._opening):
            self._close_for_good()

    def _close_for_good(self) -> None:
        self.shut()
        with self._changed:
            keeper = self._keeper
            self._close_now()
        if keeper is not None:
            keeper.join()

    def _enter(self, until: float) -> DuckDBPyConnection:
        with self._changed:
            while True:
                self.check_not_shut()
                if self._connection is not None and not self._leaving:
                    self._leaving = self._turn_is_over() and self._lock.wanted()
                    if not self._leaving:
                        self._users += 1
                        return self._connection
                if self._leaving and not self._users:
                    self._close_now()
                if self._connection is None and not self._opening:
                    self._opening = True
                    break
                self._changed.wait()
        connection = None
        atexit.unregister(self._close_at_exit)
        atexit.register(self._close_at_exit)
        try:
            connection = self._open(until)
        finally:
            with self._changed:
                self._opening = False
                self._connection = connection
                self._open_since = self._clock.monotonic()
                self._users = int(connection is not None)
                if self._keeper is None and connection is not None:
                    self._keeper = threading.Thread(target=self._keep, name="warehouse-keeper", daemon=True)
                    self._keeper.start()
                self._changed.notify_all()
        return connection

    def _leave(self) -> None:
        with self._changed:
            self._users -= 1
            if not self._users:
                self._idle_since = self._clock.monotonic()
                if self._leaving or (self._turn_is_over() and self._lock.wanted()):
                    self._close_now()
            self._changed.notify_all()

    def _open(self, until: float) -> DuckDBPyConnection:
        if not self._creates and not self._path.exists():
            raise NotFoundError(
                "there is no data yet",
                cause=f"{self._path} does not exist.",
                next_step="Collect and write some: nbactl run phase2",
            )
        self._lock.acquire(until, self.check_not_shut)
        try:
            connection = self._connect(until)
            try:
                connection.execute("SET GLOBAL TimeZone = 'UTC'")
                with translated():
                    catalog.make_internals(connection)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        return connection

    def _connect(self, until: float) -> DuckDBPyConnection:
        import duckdb

        while True:
            try:
                if not self._path.exists():
                    self._create()
                return duckdb.connect(str(self._path), config=_SETTINGS)
            except OSError as error:
                raise cannot_open(self._path, error) from error
            except duckdb.Error as error:
                if "Conflicting lock" not in str(error):
                    raise cannot_open(self._path, error) from error
                if self._clock.monotonic() >= until:  # a tool that does not know our lock has it open
                    process = str(error).partition("lock is held in ")[2].partition(". See also")[0]
                    raise self._lock.held_by_another(f"it is open in {process}") from error
            self.check_not_shut()
            self._clock.sleep(_FOREIGN_PAUSE)

    def _create(self) -> None:
        """Make the file under another name first: a process killed here leaves nothing half made."""
        import duckdb

        new = self._path.with_name(self._path.name + ".new")
        new.unlink(missing_ok=True)
        duckdb.connect(str(new)).close()
        faults.reach("warehouse.before_rename")
        new.replace(self._path)

    def _keep(self) -> None:
        """Close the file when it has been idle for a while or somebody else waits for it; runs while it is open."""
        with self._changed:
            while self._connection is not None:
                if self._users:
                    self._changed.wait()
                    continue
                idle = self._clock.monotonic() - self._idle_since
                if idle >= _LINGER or (idle >= _WATCH and self._lock.wanted()):
                    self._close_now()
                else:
                    self._changed.wait(_WATCH)
            self._keeper = None

    def _turn_is_over(self) -> bool:
        return self._clock.monotonic() - self._open_since >= _TURN

    def _close_now(self) -> None:
        connection, self._connection, self._leaving = self._connection, None, False
        self._changed.notify_all()
        if connection is not None:
            try:
                known = self._changed_versions(connection)
                connection.close()
                if known is not None:
                    self.sidecar.write(known)
            finally:
                self._lock.release()

    def _changed_versions(self, connection: DuckDBPyConnection) -> Mapping[tuple[str, date], PartitionVersion] | None:
        """Return the versions of a file that is about to be closed, None if the sidecar has them already."""
        import duckdb

        if self.sidecar.read() is not None:
            return None
        try:
            return versions.read_counted(connection)
        except duckdb.Error:  # the connection broke; closing it is all that is left
            return None
