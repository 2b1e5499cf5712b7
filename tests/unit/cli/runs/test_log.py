from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nbactl.cli.runs.log import LogFile, LogFilter, for_a_person

if TYPE_CHECKING:
    from pathlib import Path


def line(message: str, severity: str = "INFO", task: str | None = None, **extra: object) -> str:
    labels = {"workflow": "phase3"} | ({"task": task} if task else {})
    entry = {"time": "2024-01-16T04:00:01+00:00", "severity": severity, "message": message, "labels": labels, **extra}
    return json.dumps(entry) + "\n"


def messages(path: Path, wanted: LogFilter) -> list[str]:
    return [entry["message"] for entry in LogFile(path, wanted).new_entries(last=True)]


def test_entries_are_filtered_by_level_and_task(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(line("a", "DEBUG") + line("b", task="x") + line("c", "ERROR", task="x") + line("d", "WARNING"))
    assert messages(path, LogFilter()) == ["b", "c", "d"]
    assert messages(path, LogFilter("DEBUG")) == ["a", "b", "c", "d"]
    assert messages(path, LogFilter("WARNING", task="x")) == ["c"]


def test_following_yields_each_entry_once_and_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(path, LogFilter())
    assert list(log.new_entries(last=False)) == [], "not written yet"
    half = line("second")
    path.write_text(line("first") + half[:20])
    assert [entry["message"] for entry in log.new_entries(last=False)] == ["first"]
    path.write_text(line("first") + half)
    assert [entry["message"] for entry in log.new_entries(last=False)] == ["second"]


def test_what_a_killed_process_left_unfinished_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(line("first") + '{"time": "2024')
    assert messages(path, LogFilter()) == ["first", 'unreadable line: {"time": "2024']


def test_a_person_reads_eastern_time_and_the_trace_below() -> None:
    entry = json.loads(line("failed", "ERROR", "x", rows=3, stack_trace="Traceback\n  boom\n"))
    assert for_a_person(entry) == "23:00:01 ERROR   x: failed  rows=3\nTraceback\n  boom"
