"""The `nbactl up` that runs on a state directory: its file says which processes serve which revision, and where."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.lease.holder import is_dead, process_identity
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOOPBACK: Final = "127.0.0.1"


@frozen
class RunningProcess:
    """A process of a service. `port` is its own: no other process answers there."""

    revision: str
    pid: int
    port: int
    started_at: datetime


@frozen
class RunningService:
    """A service: the port that its processes share."""

    port: int
    processes: Sequence[RunningProcess]

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://{LOOPBACK}:{self.port}"


@frozen
class UpState:
    """What runs since when, and for which game date."""

    started_at: datetime
    date: str | None
    services: Mapping[str, RunningService]


def write_running(file: Path, up: UpState) -> None:
    """Note what this process runs; a reader sees the old or the new file."""
    services = {
        name: {"pid": one.processes[0].pid, "port": one.port, "processes": [_data(each) for each in one.processes]}
        for name, one in up.services.items()
        if one.processes
    }
    state: dict[str, Any] = {
        "pid": os.getpid(),
        "holder": process_identity("up"),
        "started_at": up.started_at.isoformat(),
        "date": up.date,
        "services": services,
    }
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    beside.write_text(json.dumps(state), encoding="utf-8")
    beside.replace(file)


def read_running(file: Path) -> UpState | None:
    """Return what `nbactl up` runs, None if it does not run: its file stays behind when it is killed."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if is_dead(found["holder"]):
            return None
        return UpState(
            datetime.fromisoformat(found["started_at"]),
            found["date"],
            {
                name: RunningService(one["port"], tuple(map(_process, one["processes"])))
                for name, one in found["services"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _data(process: RunningProcess) -> dict[str, Any]:
    started_at = process.started_at.isoformat()
    return {"revision": process.revision, "pid": process.pid, "port": process.port, "started_at": started_at}


def _process(data: Mapping[str, Any]) -> RunningProcess:
    return RunningProcess(data["revision"], data["pid"], data["port"], datetime.fromisoformat(data["started_at"]))
