from __future__ import annotations

import asyncio
import io
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from nbactl.core.observe.context import bound, carry, current
from nbactl.core.observe.logging import RunLogHandler, logging_to, run_log_path, severity_of, stream_handler
from nbactl.core.observe.logging.cloud import LABELS, SOURCE
from nbactl.workflows.observers import log_event
from tests.kit.run_records import MIXED, events, run

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("nbactl.tests")
PLACES = {"time", SOURCE, "@type", "context", "serviceContext"}


def write_to_full_disk() -> None:
    cause = OSError("disk full")
    raise ValueError("cannot write") from cause


def entries(directory: Path, run_id: str = "run-1") -> list[dict[str, Any]]:
    return [json.loads(line) for line in run_log_path(directory, run_id).read_text().splitlines()]


def test_a_record_names_run_task_and_game_date_by_itself(tmp_path: Path) -> None:
    with (
        logging_to(RunLogHandler(tmp_path / "logs")),
        bound(run_id="run-1", workflow="phase3", game_date="2024-01-15", correlation_id="cor-1"),
        bound(task="player_game_summary", attempt=2),
    ):
        log.warning("slow: %d s", 3, extra={"rows": 229, "time": "mine"})
    (entry,) = entries(tmp_path / "logs")
    assert entry["severity"] == "WARNING"
    assert entry["message"] == "slow: 3 s"
    assert entry["rows"] == 229
    assert entry["_time"] == "mine", "a caller cannot overwrite the record's own fields"
    assert entry[LABELS] == {
        "run_id": "run-1",
        "workflow": "phase3",
        "task": "player_game_summary",
        "game_date": "2024-01-15",
        "correlation_id": "cor-1",
        "attempt": "2",
    }


def test_inv_17_an_exception_is_logged_with_its_trace_and_its_cause(tmp_path: Path) -> None:
    with logging_to(RunLogHandler(tmp_path)), bound(run_id="run-1"):
        try:
            write_to_full_disk()
        except ValueError:
            log.exception("failed")
    (entry,) = entries(tmp_path)
    assert "disk full" in entry["stack_trace"]
    assert "cannot write" in entry["stack_trace"]


def test_the_context_ends_with_its_block_and_does_not_leak_between_coroutines() -> None:
    async def work(name: str) -> str | None:
        with bound(task=name):
            await asyncio.sleep(0)
            return await asyncio.to_thread(lambda: current().task)

    async def both() -> list[str | None]:
        return list(await asyncio.gather(work("a"), work("b")))

    assert asyncio.run(both()) == ["a", "b"]
    assert current().task is None


def test_a_thread_pool_gets_the_context_through_carry() -> None:
    with ThreadPoolExecutor(1) as pool, bound(run_id="run-1"):
        assert pool.submit(lambda: current().run_id).result() is None
        assert pool.submit(carry(lambda: current().run_id)).result() == "run-1"


def test_a_record_outside_a_run_goes_to_no_file(tmp_path: Path) -> None:
    with logging_to(RunLogHandler(tmp_path / "logs")):
        log.info("nobody's")
    assert not (tmp_path / "logs").exists()


def test_handlers_leave_with_their_block(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    with logging_to(RunLogHandler(tmp_path)):
        pass
    assert logging.getLogger().handlers == before


def test_a_person_reads_one_line_in_eastern_time() -> None:
    stream = io.StringIO()
    with logging_to(stream_handler(stream, logging.INFO)), bound(run_id="run-1", task="player_game_summary"):
        log.info("done", extra={"rows": 3})
        log.debug("too much")
    line = stream.getvalue()
    assert line.endswith("INFO    player_game_summary: done  rows=3\n")
    assert line.count("\n") == 1


def test_severity_follows_the_level_even_for_levels_in_between() -> None:
    assert [severity_of(level) for level in (5, 10, 25, 40, 60)] == ["DEBUG", "DEBUG", "INFO", "ERROR", "CRITICAL"]


def test_the_run_log_tells_the_whole_story_of_a_run(tmp_path: Path) -> None:
    with logging_to(RunLogHandler(tmp_path)):
        for event in events(run(*MIXED.tasks, status="failed", end=2.6)):
            log_event(event)
    story = entries(tmp_path, MIXED.run_id)
    assert [entry["message"] for entry in story][:3] == ["run started", "task started", "task succeeded"]
    told = {name: value for name, value in story[-1].items() if name not in PLACES}
    assert told == {
        "severity": "ERROR",
        "message": "run failed",
        "logger": "nbactl.workflows.observers",
        LABELS: {
            "run_id": MIXED.run_id, "workflow": "phase3", "game_date": "2024-01-15", "correlation_id": "cor-1"
        },
        "done": 3,
        "tasks": 6,
    }  # fmt: skip
    (failure,) = [entry for entry in story if entry["message"] == "task failed"]
    assert failure["severity"] == "ERROR"
    assert "boom" in failure["stack_trace"]
