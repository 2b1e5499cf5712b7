"""Checks of the state directory: room to write, document store, warehouses, leases of dead processes, crash reports."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbactl.checks.doctor.context import Finding, unread
from nbactl.core._support.durations import format_duration
from nbactl.core.dead_letters.documents import OPEN_LETTERS
from nbactl.core.lease.holder import describe, is_dead, is_running
from nbactl.core.lease.leases import Leases
from nbactl.errors import NbactlError, TimedOutError
from nbactl.ports.documents import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from nbactl.checks.doctor.context import CheckContext
    from nbactl.core.lease.leases import Lease

_MIB: Final = 1024 * 1024
_TIGHT: Final = 1024 * _MIB
_FULL: Final = 100 * _MIB
_NAMED: Final = 3
_DAILY: Final = timedelta(hours=26)
"""A workflow is due every day; a window of a few hours may open later than on the day before."""
_REMOTE: Final = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "glusterfs", "fuse.glusterfs"}


def state_dir(context: CheckContext) -> Iterator[Finding]:
    """Check that the state directory can be written and has room."""
    folder = context.settings.state_dir.absolute()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    fix = "Choose another with --state-dir, or give this user the right to write."
    try:
        if not there.is_dir():
            raise NotADirectoryError(20, "a file is in the way", str(there))
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"nbactl")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        yield Finding("state directory", "failed", f"{folder} cannot be written", error.strerror, fix)
        return
    free = shutil.disk_usage(there).free
    message = f"{folder}{'' if there == folder else ' (created by the first run)'}, {free // _MIB:,} MiB free"
    kind = _file_system(there)
    if free < _FULL:
        yield Finding("state directory", "failed", message, "The disk is full.", "Free some space.")
    elif kind in _REMOTE:
        cause = f"It is on a network file system ({kind}), where SQLite's locks cannot be relied on."
        yield Finding("state directory", "warn", message, cause, "Choose a local disk with --state-dir.")
    elif free < _TIGHT:
        yield Finding("state directory", "warn", message, "Little space is left.", "Free some space.")
    else:
        yield Finding("state directory", "ok", message)


def documents(context: CheckContext) -> Iterator[Finding]:
    """Check the integrity of the document store."""
    file = context.documents_file
    if context.settings.target == "gcp":
        yield Finding("documents", "skipped", "they are in Firestore")
        return
    if not file.exists():
        yield Finding("documents", "skipped", "no run has been recorded here yet")
        return
    fix = f"Stop all runs, move {file} (and its -wal and -shm files) away and restore a copy; runs can be repeated."
    try:
        with closing(context.open_embedded()) as store:
            runs = store.count(Query("runs"))
        with closing(_read_only(file, context.busy_timeout)) as connection:
            faults = _faults(connection)
    except NbactlError as error:
        yield Finding("documents", "failed", error.message, error.cause, error.next_step or fix)
        return
    except sqlite3.Error as error:
        yield Finding("documents", "failed", f"{file} cannot be read", str(error), fix)
        return
    if faults:
        yield Finding("documents", "failed", f"{file} is damaged", "; ".join(faults[:3]), fix)
    else:
        yield Finding("documents", "ok", f"{file}, {file.stat().st_size / _MIB:.1f} MiB, {runs} runs")


def bus(context: CheckContext) -> Iterator[Finding]:
    """Check the integrity of the embedded message bus."""
    file = context.settings.state_dir / "bus.db"
    if context.settings.target == "gcp":
        yield Finding("bus", "skipped", "messages are in Pub/Sub")
        return
    if not file.exists():
        yield Finding("bus", "skipped", "nothing has been published here yet")
        return
    fix = (
        f"Stop all services, and move {file} (and its -wal and -shm files) away; the outbox publishes what is pending."
    )
    try:
        with closing(_read_only(file, context.busy_timeout)) as connection:
            faults = _faults(connection)
            waiting = connection.execute("SELECT count(*) FROM deliveries").fetchone()[0]
    except sqlite3.Error as error:
        yield Finding("bus", "failed", f"{file} cannot be read", str(error), fix)
        return
    if faults:
        yield Finding("bus", "failed", f"{file} is damaged", "; ".join(faults[:3]), fix)
    else:
        yield Finding("bus", "ok", f"{file}, {file.stat().st_size / _MIB:.1f} MiB, {waiting} deliveries waiting")


def _read_only(file: Path, timeout: float) -> sqlite3.Connection:
    # Where nothing may be written beside it, SQLite reads a file of its kind only as one that does not change.
    fixed = not os.access(file.parent, os.W_OK) and not Path(f"{file}-wal").exists()
    address = f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if fixed else ''}"
    return sqlite3.connect(address, uri=True, timeout=timeout)


def _faults(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("PRAGMA quick_check") if row[0] != "ok"]


def warehouses(context: CheckContext) -> Iterator[Finding]:
    """Open every local warehouse that is there; one that another process works with is left alone."""
    if context.settings.target == "gcp":
        yield Finding("warehouse", "skipped", "it is in BigQuery")
        return
    files = sorted((context.settings.state_dir / "data").glob("*/warehouse.duckdb"))
    if not files:
        yield Finding("warehouse", "skipped", "no run has created one here yet")
    for file in files:
        yield _examined(context, file)


def _examined(context: CheckContext, file: Path) -> Finding:
    try:
        with closing(context.open_warehouse(file)) as warehouse:
            tables = len(warehouse.list_tables())
            changed = warehouse.changed_by_others(timeout=context.scan_timeout)
    except TimedOutError as error:
        return Finding(
            "warehouse", "warn", f"{file} was not compared with its versions", error.message, error.next_step
        )
    except NbactlError as error:
        if "pid" in error.details:
            return Finding("warehouse", "ok", error.message, error.cause)
        return Finding("warehouse", "failed", error.message, error.cause, error.next_step)
    if changed:
        return _changed(file, changed)
    return Finding("warehouse", "ok", f"{file}, {file.stat().st_size / _MIB:.1f} MiB, {tables} tables")


def _changed(file: Path, changed: Mapping[str, Sequence[date]]) -> Finding:
    """Name the partitions that are not what nbactl wrote, and what writes them again."""
    named = [f"{table} {day}" for table, days in sorted(changed.items()) for day in sorted(days)]
    days = [day for days in changed.values() for day in days]
    rest = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return Finding(
        "warehouse",
        "failed",
        f"another program changed {', '.join(named[:_NAMED])}{rest} in {file}",
        "The rows are not those of which nbactl recorded the version, so finished dates may be built on them.",
        f"nbactl run phase2 phase3 phase4 --from {min(days)} --to {max(days)} --force with the --source of these data "
        "writes them again.",
    )


def ticks(context: CheckContext) -> Iterator[Finding]:
    """Look whether a timer still calls `nbactl schedule tick`: each day has decisions, also one without games."""
    try:
        last = context.last_decision()
    except NbactlError:
        yield unread("ticks")
        return
    if last is None:
        yield Finding("ticks", "skipped", "no tick has decided on a workflow yet")
        return
    ago = context.clock.now() - last
    message = f"the last decision was made {format_duration(ago.total_seconds())} ago"
    if ago <= _DAILY:
        yield Finding("ticks", "ok", message)
        return
    cause = "The timer is paused, has a dead address or the wrong kind of token, or its machine is gone."
    yield Finding("ticks", "warn", message, cause, "Repair the timer; by hand: nbactl schedule tick")


def leases(context: CheckContext) -> Iterator[Finding]:
    """Look for leases whose holder is dead or which expired; they block nothing."""
    unreadable: list[str] = []
    try:
        held = _held(context, unreadable.append)
    except NbactlError:
        yield unread("leases")
        return
    for message in unreadable:
        yield Finding("leases", "warn", message)
    now = context.clock.now()
    left_behind = 0
    for lease in held:
        dead = is_dead(lease.owner)
        if dead or (lease.expires_at <= now and not is_running(lease.owner)):
            left_behind += 1
            why = "Its process is dead." if dead else f"It expired at {lease.expires_at:%Y-%m-%d %H:%M:%S} UTC."
            run, _, date = lease.name.partition("/")
            takes = f"nbactl run {run}{f' --date {date}' if date else ''}"
            if run == "row_buffer":  # the lease of the bookkeeping rows
                takes = "nbactl schedule tick"
            fix = f"Nothing to unlock: `{takes}` takes it over."
            yield Finding("leases", "warn", f"{lease.name} was left behind by {describe(lease.owner)}", why, fix)
    if not left_behind:
        message = ", ".join(f"{lease.name} by {describe(lease.owner)}" for lease in held)
        yield Finding("leases", "ok", f"held: {message}" if held else "none held")


def dead_letters(context: CheckContext) -> Iterator[Finding]:
    """Count the dead letters that nobody has decided on. What still waits on the bus is not looked for."""
    number = 0
    try:
        opened = context.open_documents()
        if opened is not None:
            with closing(opened) as store:
                number = store.count(OPEN_LETTERS)
    except NbactlError:
        yield unread("dead letters")
        return
    if number:
        message, cause = f"{number:,} wait for a decision", "They could not be delivered."
        yield Finding("dead letters", "warn", message, cause, "Replay or archive them: nbactl dlq list")
    else:
        yield Finding("dead letters", "ok", "none is saved")


def crash_reports(context: CheckContext) -> Iterator[Finding]:
    """List crash reports that were not dealt with."""
    reports = sorted((context.settings.state_dir / "crash").glob("*.txt"))
    if reports:
        message = f"{len(reports)} in {reports[-1].parent}, the newest {reports[-1].name}"
        yield Finding(
            "crash reports", "warn", message, "nbactl hit a bug.", "Report it with that file, then delete it."
        )
    else:
        yield Finding("crash reports", "ok", "none")


def _held(context: CheckContext, notice: Callable[[str], None]) -> list[Lease]:
    opened = context.open_documents()
    if opened is None:
        return []
    with closing(opened) as store:
        return Leases(store, context.clock, is_dead=is_dead, notice=notice).held()


def _file_system(folder: Path) -> str:
    """Return the type of the file system that holds `folder`, where the system tells (Linux)."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    for line in mounts:
        _, point, type_, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, type_
    return kind
