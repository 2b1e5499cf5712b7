"""Both engines of the logs port, with a way to log on each."""

from __future__ import annotations

import random
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from nbactl.adapters.cloudlogging.channel import Channel, LoggingProject
from nbactl.adapters.cloudlogging.following import LogTimings
from nbactl.adapters.cloudlogging.logs import CloudLogs
from nbactl.adapters.locallogs.files import ServiceLogFiles
from nbactl.adapters.locallogs.logs import LocalLogs
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.retry import RetryPolicy
from tests.kit.cloud_logging_server import CloudLogging, cloud_logging_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nbactl.ports.logs import Logs

PROJECT = "nba-props-platform"
LABELS, TRACE = "logging.googleapis.com/labels", "logging.googleapis.com/trace"


class LogEngine(Protocol):
    """An engine that is logged to. `fields` are those of the payload beside the message."""

    logs: Logs

    def add(
        self,
        service: str,
        message: str,
        *,
        at: datetime | None = None,
        severity: str = "INFO",
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, Any] | None = None,
        revision: str | None = None,
        trace: str | None = None,
    ) -> None: ...


class CloudEngine:
    def __init__(self, server: CloudLogging, logs: CloudLogs) -> None:
        self.server = server
        self.logs: Logs = logs

    def add(self, service: str, message: str, **given: Any) -> None:
        payload = {"message": message, **(given.pop("fields", None) or {})}
        trace = given.pop("trace", None)
        labels = dict(given.pop("labels", None) or {})
        name = f"projects/{PROJECT}/traces/{trace}" if trace else ""
        self.server.add(service, payload, labels=labels, trace=name, **given)


class LocalEngine:
    def __init__(self, files: ServiceLogFiles, logs: LocalLogs) -> None:
        self.files = files
        self.logs: Logs = logs

    def add(self, service: str, message: str, **given: Any) -> None:
        at = given.get("at") or datetime.now(UTC)
        entry = {"time": at.isoformat(), "message": message, **(given.get("fields") or {})}
        entry |= {LABELS: given.get("labels") or {}, TRACE: f"projects/p/traces/{given.get('trace') or ''}"}
        severity, revision = given.get("severity", "INFO"), given.get("revision")
        self.files.append(service, severity, message, entry, at=at, revision=revision)


def cloud_logs(address: str, *, attempts: int = 4, pause: float = 0.02) -> tuple[CloudLogs, Channel]:
    """Return the logs of a loopback server; `pause` seconds are between two attempts."""
    retry = RetryPolicy("cloud_logging", attempts=attempts, base=pause, cap=pause, jitter=False)
    policy = CallPolicy(CallSettings("cloud_logging", 20.0, retry, 10.0), clock=SystemClock(), rng=random.Random(1))
    channel = Channel(LoggingProject(PROJECT, address), 10.0)
    timings = LogTimings(search=20.0, poll=0.05, settle=0.2)
    return CloudLogs(channel, policy, timings, random.Random(1)), channel


@contextmanager
def cloud_engine() -> Iterator[CloudEngine]:
    with cloud_logging_server() as server:
        logs, channel = cloud_logs(server.address)
        with closing(channel):
            yield CloudEngine(server, logs)


@contextmanager
def local_engine(folder: Path) -> Iterator[LocalEngine]:
    with closing(ServiceLogFiles(folder)) as files:
        folder.mkdir()
        yield LocalEngine(files, LocalLogs(folder, clock=SystemClock(), poll=0.02))
