"""The holder of a lease: a process, named so that others on its machine can see whether it is still alive."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

_UNKNOWN = "-"
_PARTS = 5
_AFTER_COMMAND = 3  # the fields of /proc/PID/stat after the command's name begin with the third
_STATE, _THREADS, _START = (number - _AFTER_COMMAND for number in (3, 20, 22))


def process_identity(run_id: str) -> str:
    """Return the owner text of this process: `host:boot:pid:start:run_id`.

    `boot` is the running system and its process namespace, `start` the process's start in clock ticks; both are
    `-` where the system has no /proc.
    """
    return f"{_identity(os.getpid())}:{run_id}"


@lru_cache(maxsize=1)
def _identity(pid: int) -> str:
    """Return the part that is the same for all work of a process; after a fork the child has its own."""
    stat = _stat(pid)
    return ":".join((_host(), _boot(), str(pid), stat[_START] if stat else _UNKNOWN))


def is_dead(owner: str) -> bool:
    """Say whether `owner` is provably a process of this machine that is gone; False whenever in doubt."""
    return _runs(owner) is False


def is_running(owner: str) -> bool:
    """Say whether `owner` is provably a process of this machine that still runs; False whenever in doubt."""
    return _runs(owner) is True


def _runs(owner: str) -> bool | None:
    """Return whether the process of `owner` runs, None if that cannot be seen from here."""
    parts = owner.split(":", _PARTS - 1)
    if len(parts) != _PARTS or not parts[2].isdecimal() or parts[:2] != [_host(), _boot()]:
        return None
    pid, start = int(parts[2]), parts[3]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return None
    stat = _stat(pid)
    if stat is None:
        return None
    if stat[_STATE] in "ZX" and int(stat[_THREADS]) <= 1:
        return False
    return None if start == _UNKNOWN else start == stat[_START]


def describe(owner: str) -> str:
    """Return an owner for people, such as `pid 4711 on host-a, run run-01jd3k9xq2m7t0`."""
    parts = owner.split(":", _PARTS - 1)
    if len(parts) != _PARTS:
        return owner
    host, _, pid, _, run_id = parts
    return f"pid {pid} on {host}, run {run_id}"


def _host() -> str:
    return os.uname().nodename.replace(":", "_") or _UNKNOWN


def _boot() -> str:
    # A process id means something only within one boot and one pid namespace (a container has its own).
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        return _UNKNOWN
    return f"{boot}.{namespace}"


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
