"""Files of log lines: bounded, whole lines only, and read over the end of a file into the next."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.locallogs.files import ServiceLogFiles, segments
from nbactl.adapters.locallogs.logs import LocalLogs
from nbactl.core._support.clock import SystemClock
from nbactl.core.observe.logging.cloud import LABELS
from nbactl.errors import NotFoundError
from nbactl.ports.logs import LogQuery

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
ALL = LogQuery(since=NOW - timedelta(days=1))
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from nbactl.adapters.locallogs.files import ServiceLogFiles
files = ServiceLogFiles(Path(sys.argv[1]))
number = 0
while True:
    files.append("worker", "INFO", f"line {number}", {"rows": number}, at=datetime.now(UTC), revision=None)
    number += 1
    if number == 50:
        print("writing", flush=True)
"""


def _files(folder: Path) -> ServiceLogFiles:
    return ServiceLogFiles(folder, largest=2_000, kept=3)


def _logs(folder: Path) -> LocalLogs:
    return LocalLogs(folder, clock=SystemClock(), poll=0.01)


def _append(files: ServiceLogFiles, message: str, service: str = "worker") -> None:
    files.append(service, "INFO", message, {}, at=datetime.now(UTC), revision=None)


def _messages(folder: Path, query: LogQuery = ALL) -> list[str]:
    return [record.message for record in _logs(folder).search(query, limit=10_000)]


def test_the_oldest_lines_go_and_the_newest_stay(tmp_path: Path) -> None:
    with closing(_files(tmp_path)) as files:
        for number in range(200):
            _append(files, f"line {number}")
            _append(files, "of another", "exporter")
    sizes = [path.stat().st_size for _, path in segments(tmp_path)["worker"]]
    assert len(sizes) == 3
    assert all(size <= 2_000 for size in sizes)
    kept = _messages(tmp_path, LogQuery(ALL.since, services=["worker"]))
    assert kept == [f"line {number}" for number in range(200 - len(kept), 200)]
    assert len(kept) > 20


def test_a_follower_reads_over_the_end_of_a_file_into_the_next(tmp_path: Path) -> None:
    with closing(_files(tmp_path)) as files:
        _append(files, "line 0")
        seen: list[str] = []
        groups = _logs(tmp_path).follow(ALL, lambda: len(seen) >= 61, last=5)
        seen += [record.message for record in next(groups).records]
        for number in range(1, 61):
            _append(files, f"line {number}")
            if number % 12 == 0:
                seen += [record.message for record in next(groups).records]
        assert len(segments(tmp_path)["worker"]) == 3
    for group in groups:
        seen += [record.message for record in group.records]
    assert seen == [f"line {number}" for number in range(61)]


def test_a_killed_writer_leaves_whole_lines_and_the_next_one_begins_a_file(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    ((_, path),) = segments(tmp_path)["worker"]
    with path.open("ab") as file:
        file.write(b'{"at":"2024-01-15T12:00:00Z","sev')  # what a machine that lost its power could leave
    before = _messages(tmp_path)
    assert before[:50] == [f"line {number}" for number in range(50)]
    with closing(ServiceLogFiles(tmp_path)) as files:
        _append(files, "after")
    assert _messages(tmp_path) == [*before, "after"]


def test_a_line_that_is_being_written_is_followed_once_it_is_whole(tmp_path: Path) -> None:
    with closing(_files(tmp_path)) as files:
        _append(files, "whole")
    ((_, path),) = segments(tmp_path)["worker"]
    line = path.read_bytes()
    seen: list[str] = []
    groups = _logs(tmp_path).follow(ALL, lambda: bool(seen), last=0)
    next(groups)
    for part in (line[:20], line[20:]):
        with path.open("ab") as file:
            file.write(part)
        seen += [record.message for record in next(groups).records]
    for group in groups:
        seen += [record.message for record in group.records]
    assert seen == ["whole"]


def test_a_line_that_is_no_record_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "worker.000001.jsonl").write_bytes(b'nonsense\n[]\n{"at": 3}\n\xff\xfe\n')
    with closing(_files(tmp_path)) as files:
        _append(files, "here")
    assert _messages(tmp_path) == ["here"]


def test_whatever_a_service_logs_is_kept(tmp_path: Path) -> None:
    odd = {"message": "x", "number": 2**70, "half": "\ud800", "nan": float("nan"), LABELS: ["no", "labels"]}
    with closing(_files(tmp_path)) as files:
        files.append("worker", "WARN", "half \ud800", odd, at=datetime(2100, 1, 1), revision=None)  # noqa: DTZ001
    (record,) = _logs(tmp_path).search(ALL, limit=5)
    assert (record.message, record.labels) == ("half \\ud800", {})
    assert record.fields == {"number": str(2**70), "half": "\\ud800", "nan": None}
    assert not list(_logs(tmp_path).search(LogQuery(ALL.since, severity="INFO"), limit=5))


def test_secrets_of_plain_lines_are_not_kept(tmp_path: Path) -> None:
    with closing(_files(tmp_path)) as files:
        _append(files, "login with password=hunter2-and-more")
    (_, path), *_ = segments(tmp_path)["worker"]
    assert "hunter2" not in path.read_text()


def test_a_service_that_never_logged_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no service has logged"):
        _messages(tmp_path / "nothing")


def test_a_line_that_did_not_fit_on_the_disk_is_an_error_and_spoils_no_other(tmp_path: Path) -> None:
    with closing(ServiceLogFiles(tmp_path)) as files:
        _append(files, "first")
        (_, path), *_ = segments(tmp_path)["worker"]
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, before[1]))
        try:
            with pytest.raises(OSError, match="not complete"):
                _append(files, "lost")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        _append(files, "second")
    assert _messages(tmp_path) == ["first", "second"]


def test_lines_that_somebody_else_wrote_are_left_out(tmp_path: Path) -> None:
    at = NOW.isoformat()
    right: dict[str, object] = {
        "at": at,
        "severity": "INFO",
        "message": "right",
        "revision": None,
        "labels": {},
        "fields": {},
        "trace": None,
    }
    wrong: list[dict[str, object]] = [
        {"severity": 7},
        {"message": 5},
        {"labels": []},
        {"fields": None},
        {"at": "soon"},
        {"trace": 4},
    ]
    naive = {**right, "at": "2020-01-15T12:00:00", "message": "naive"}
    lines = [naive, *({**right, **one} for one in wrong), right]
    (tmp_path / "worker.000001.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert _messages(tmp_path) == ["right"]
