"""The ledger: commands beside 100,000 runs, as a ratio to the same commands beside the few runs of one date."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import tempfile
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.measure import Command, Line, Sample, in_turn, nbactl, run_once

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS: Final = 100_000
_FEWER: Final = 10_000
_LIMIT: Final = 1.3
_MEMORY: Final = 1.2
"""How much more memory a list of all runs may take than one of a tenth of them."""
_DAY: Final = "2025-01-07"
_FIRST: Final = "2025-01-03"
_DAYS: Final = 170
_BEGIN: Final = datetime(2024, 6, 1, tzinfo=UTC)


def measure(runs: int) -> Iterator[Line]:
    """Yield the lines of this suite."""
    with tempfile.TemporaryDirectory() as name:
        few, many, fewer = (Path(name) / folder for folder in ("few", "many", "fewer"))
        few.mkdir()
        for day in (_DAY, _FIRST):
            _nbactl(few, "run", "phase3", "--date", day, "--quiet")
        for folder, count in ((many, RUNS), (fewer, _FEWER)):
            shutil.copytree(few, folder)
            fill(folder / ".nbactl" / "documents.db", count)
        yield from _ratios(few, many, runs)
        yield from _memory(fewer, many)


def fill(file: Path, count: int) -> None:
    """Add finished runs of before, with their tasks, by copying those that are there."""
    with sqlite3.connect(file) as connection:
        rows = connection.execute("SELECT id, data FROM documents WHERE collection = 'runs'").fetchall()
        heads = [json.loads(data) for _, data in rows]
        tasks = {
            run_id: connection.execute(
                "SELECT id, data FROM documents WHERE collection = ?", (f"runs/{run_id}/tasks",)
            ).fetchall()
            for run_id, _ in rows
        }
        for number in range(count):
            head = heads[number % len(heads)]
            of_run = tasks[head["run_id"]]
            run_id = f"run-0old{number:08d}"
            _insert(connection, "runs", run_id, json.dumps(_older(head, run_id, number)))
            for task, data in of_run:
                _insert(connection, f"runs/{run_id}/tasks", task, data)


def _older(head: dict[str, Any], run_id: str, number: int) -> dict[str, Any]:
    start = _BEGIN + timedelta(minutes=number % 200_000)
    instant = f"\x01\x03{start.isoformat(timespec='microseconds')}"
    day = date(2024, 9, 1) + timedelta(days=number % _DAYS)
    changed = {"run_id": run_id, "started_at": instant, "finished_at": instant, "game_date": str(day)}
    return {**head, **changed, "status": "failed" if number % 20 == 0 else "succeeded", "group": f"group-{number // 4}"}


def _insert(connection: sqlite3.Connection, collection: str, identifier: str, data: str) -> None:
    row = (collection, identifier, data, 1, 1)
    connection.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?)", row)


def _ratios(few: Path, many: Path, runs: int) -> Iterator[Line]:
    words = {
        "status": ("status", "--date", _DAY),
        "runs list": ("runs", "list"),
        "runs list --status failed": ("runs", "list", "--status", "failed"),
        "runs show last": ("runs", "show", "last"),
        "a finished run": ("run", "phase3", "--date", _DAY),
        "ten finished dates": ("run", "phase3", "--from", _FIRST, "--to", "2025-01-12", "--dry-run"),
    }
    commands = [
        Command(f"{name} {folder.name}", partial(nbactl, *words), cwd=folder)
        for name, words in words.items()
        for folder in (few, many)
    ]
    taken = in_turn(commands, runs)
    for name in words:
        yield _ratio(name, taken[f"{name} few"], taken[f"{name} many"])


def _ratio(name: str, few: Sample, many: Sample) -> Line:
    note = f"{many.cpu * 1000:.0f} ms beside {few.cpu * 1000:.0f} ms of CPU"
    return Line(f"ledger: {name}", many.cpu / few.cpu, "of a new one", _LIMIT, note)


def _memory(fewer: Path, many: Path) -> Iterator[Line]:
    for form in ("json", "jsonl"):
        # To nowhere: what this process has read would count as memory of the next one that it starts.
        words = ["sh", "-c", 'exec "$@" > /dev/null', "sh", *nbactl("runs", "list", "--limit", str(RUNS), "-o", form)]
        peaks = [run_once(Command(form, partial(list, words), cwd=folder)) for folder in (fewer, many)]
        less, more = (peak.peak_mb for peak in peaks)
        note = f"{more:.0f} MB for {RUNS:,} runs, {less:.0f} MB for {_FEWER:,}, {peaks[1].wall:.0f} s"
        yield Line(f"ledger: memory of -o {form}", more / less, "of a tenth", _MEMORY, note)


def _nbactl(folder: Path, *words: str) -> None:
    subprocess.run(nbactl(*words), cwd=folder, check=True, capture_output=True)
