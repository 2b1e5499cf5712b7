"""The combined log of `nbactl up`: short lines for a person, everything for a program."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from nbactl.bootstrap.up import Outcome, UpResult
from nbactl.cli.show.console import Console
from nbactl.cli.up.view import ended, log_writer
from nbactl.core._support.gamedate import GameDate
from nbactl.services.instance import LogLine
from tests.kit.shown import terminal

TASK = LogLine(
    "processors",
    "INFO",
    "task succeeded",
    {
        "time": "2025-01-15T17:00:01+00:00",
        "logger": "nbactl.workflows.observers",
        "severity": "INFO",
        "message": "task succeeded",
        "rows": 3,
        "detail": {"file": "x"},
        "logging.googleapis.com/labels": {"task": "player_game_summary", "run_id": "run-1"},
    },
)


def written(*lines: LogLine, output: str = "table", utc: bool = False, **how: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    write = log_writer(Console(environ={}, stdout=out, stderr=err, **how), ("processors", "up"), output=output, utc=utc)
    for line in lines:
        write(line)
    return out.getvalue(), err.getvalue()


def test_a_line_has_the_time_the_service_the_task_and_what_counts() -> None:
    assert written(TASK) == ("12:00:01 processors   player_game_summary: task succeeded  rows=3\n", "")
    assert written(TASK, utc=True)[0].startswith("17:00:01 ")


def test_a_hand_off_is_said_in_words() -> None:
    entry = {"time": TASK.entry["time"], "reason": "all_complete", "logging.googleapis.com/labels": {"workflow": "p"}}
    text, _ = written(LogLine("processors", "INFO", "handoff.decided: phase2", entry))
    assert text == "12:00:01 processors   phase2: leads to the next phase  reason=all_complete\n"


def test_each_service_has_a_colour_of_its_own_and_what_is_severe_is_named() -> None:
    text, _ = written(TASK, LogLine("up", "ERROR", "worker died", {"time": TASK.entry["time"]}), color="always")
    first, second = text.splitlines()
    assert "\x1b[32mprocessors  \x1b[0m" in first or "\x1b[36mprocessors  \x1b[0m" in first
    assert "\x1b[31merror: \x1b[0mworker died" in second


def test_a_long_line_is_no_wider_than_the_terminal_and_its_rest_is_below_its_beginning() -> None:
    line = LogLine("up", "WARNING", "word " * 30, {"time": TASK.entry["time"]})
    shown = terminal(lambda console: log_writer(console, ("up",), output="table", utc=True)(line)).splitlines()
    assert len(shown[0]) <= 80
    assert {part.index("word") for part in shown} == {31}


def test_what_other_lines_say_already_is_left_out_for_a_person() -> None:
    entry = {"time": TASK.entry["time"], "logger": "uvicorn.error"}
    noise = LogLine("worker", "INFO", "Started server process [1]", entry)
    slow = LogLine("worker", "INFO", "http.served: /predict", {"time": TASK.entry["time"], "logger": "nbactl"})
    assert written(noise, slow, LogLine("worker", "INFO", "")) == ("", "")
    assert "refused" in written(LogLine("worker", "WARNING", "refused", entry))[0]
    assert len(written(noise, output="jsonl")[0].splitlines()) == 1


def test_json_lines_have_everything_and_other_documents_have_the_log_beside_them() -> None:
    [line] = [json.loads(text) for text in written(TASK, output="jsonl")[0].splitlines()]
    assert line == {
        "time": TASK.entry["time"],
        "service": "processors",
        "severity": "INFO",
        "message": "task succeeded",
        "labels": {"task": "player_game_summary", "run_id": "run-1"},
        "rows": 3,
        "detail": {"file": "x"},
    }
    out, err = written(TASK, output="json")
    assert (out, "task succeeded" in err) == ("", True)


def test_secrets_and_control_characters_of_a_service_are_not_shown() -> None:
    token = "ghp_" + "0123456789abcdefghij"
    text, _ = written(LogLine("worker", "INFO", f"\x1b[2Jsaw {token}", {"time": TASK.entry["time"]}))
    assert token not in text
    assert "\x1b" not in text


@pytest.mark.parametrize(("outcome", "code"), [("done", 0), ("failed", 1), ("running", 8)])
def test_the_exit_code_says_how_the_date_ended(outcome: Outcome, code: int) -> None:
    view = ended(UpResult(outcome, restarts=2, detail="phase6 of 2025-01-15"), GameDate.iso("2025-01-15"))
    assert (view.exit_code, view.data["restarts"]) == (code, 2)
    assert (view.error is None) == (code == 0)
    if view.error is not None:
        assert view.error.next_step == "See the board: nbactl status --date 2025-01-15"  # not that of the last run
