"""Runs to show: one of every kind of task, at fixed times."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from nbactl.core._support.gamedate import GameDate
from nbactl.workflows.model import RunEvent, RunRecord, RunStatus, TaskRecord, TaskStatus

START = datetime(2024, 1, 16, 4, 0, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def task(name: str, status: str, begin: float | None = None, end: float | None = None, **more: Any) -> TaskRecord:
    record = TaskRecord(
        name=name,
        required=True,
        status=TaskStatus(status),
        attempts=0 if begin is None else 1,
        started_at=None if begin is None else at(begin),
        finished_at=None if end is None else at(end),
    )
    return replace(record, **more)


def run(*tasks: TaskRecord, status: str = "succeeded", end: float | None = 2.6, **more: Any) -> RunRecord:
    record = RunRecord(
        run_id="run-01jd3k9xq2m7t0",
        name="phase3",
        kind="phase",
        game_date=GameDate(date(2024, 1, 15)),
        source="sample",
        target="local",
        status=RunStatus(status),
        started_at=START,
        finished_at=None if end is None else at(end),
        correlation_id="cor-1",
        owner="host:boot:17:1:run-01jd3k9xq2m7t0",
        resumed_from=None,
        group=None,
        tasks=tasks,
    )
    return replace(record, **more)


ERROR = {
    "type": "UnavailableError",
    "message": "the warehouse is held by <pid 17>\nand a second line",
    "cause": "another writer",
    "next": "Wait for it.",
    "traceback": "Traceback (most recent call last):\n  boom & <b>bold</b>",
}

MIXED = run(
    task("team_offense_game_summary", "succeeded", 0.02, 0.41, rows=22),
    task("player_game_summary", "succeeded", 0.42, 1.3, rows=229, attempts=2),
    task("team_defense_game_summary", "failed", 0.02, 2.5, attempts=3, error=ERROR),
    task("upcoming_player_game_context", "no_data", -9.0, -8.0, rows=0, carried_from="run-01jd3k9xq2m7s9"),
    task("upcoming_team_game_context", "running", 1.2),
    task("injury_report", "skipped", required=False, reason="needs team_defense_game_summary, which failed"),
    status="running",
    end=None,
    resumed_from="run-01jd3k9xq2m7s9",
)


def events(record: RunRecord) -> list[RunEvent]:
    """What an observer is told while `record` runs."""
    begun = replace(record, status=RunStatus.RUNNING, finished_at=None)
    told = [RunEvent("run_started", begun)]
    for each in record.tasks:
        started = replace(each, status=TaskStatus.RUNNING, finished_at=None, rows=None, error=None)
        told += [RunEvent("task_started", begun, started), RunEvent("task_finished", begun, each)]
    return [*told, RunEvent("run_finished", record)]
