"""Lines of logs for a person: what is shown, how it is wrapped, and what is never obeyed nor shown."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from nbactl.cli.logs.view import LineWriter, record_json
from nbactl.cli.show.console import Console
from nbactl.ports.logs import LogRecord

AT = datetime(2026, 1, 15, 17, 0, 1, tzinfo=UTC)
TRACEBACK = "Traceback (most recent call last):\n  File \"x.py\", line 3, in f\nKeyError: 'points'\n"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def record(message: str, **given: Any) -> LogRecord:
    return LogRecord(AT, given.pop("severity", "INFO"), given.pop("service", "worker"), message, **given)


def written(*records: LogRecord, out: io.StringIO | None = None, services: tuple[str, ...] = (), **how: Any) -> str:
    out = out or io.StringIO()
    writer = LineWriter(Console(environ={}, stdout=out, stderr=io.StringIO(), **how), services)
    for one in records:
        writer.write(one)
    return out.getvalue()


def test_a_line_has_time_service_severity_place_message_and_fields() -> None:
    labels, fields = {"task": "odds", "run_id": "run-1"}, {"rows": 3, "logger": "x", "detail": {"a": 1}, "none": None}
    text = written(record("no answer", severity="WARNING", labels=labels, fields=fields), record("again"))
    assert text == (
        "2026-01-15 EST\n"
        "12:00:01 worker warning: odds: no answer  rows=3\n"
        "12:00:01 worker again\n"
    )  # fmt: skip


def test_the_service_is_left_out_where_there_is_only_one() -> None:
    assert written(record("again"), services=("worker",)) == "2026-01-15 EST\n12:00:01 again\n"


def test_the_exception_is_shown_and_with_v_its_traceback() -> None:
    failed = record("failed", severity="ERROR", fields={"stack_trace": TRACEBACK})
    assert written(failed).splitlines()[1:] == ["12:00:01 worker error: failed", "         KeyError: 'points'"]
    assert written(failed, verbosity=1).splitlines()[2:] == [f"         {line}" for line in TRACEBACK.splitlines()]


def test_a_line_fits_into_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = written(record("word " * 60, service="prediction-worker"), out=Terminal(), color="never")
    lines = text.splitlines()
    assert len(lines) > 4
    assert max(map(len, lines)) <= 80
    assert lines[2].startswith(" " * len("12:00:01 prediction-worker "))


@pytest.mark.parametrize("color", ["never", "always"])
def test_what_a_service_logged_cannot_move_the_cursor(color: str) -> None:
    odd = "\x1b[2J\x1b]0;title\x07\rover\u202e\x00"
    text = written(record(odd, fields={"note": odd, "stack_trace": odd}, labels={"task": odd}), color=color)
    rest = text.replace("\x1b[2m", "").replace("\x1b[36m", "").replace("\x1b[0m", "")
    assert rest.replace("\n", "").isprintable()
    assert "\\x1b[2J" in text


def test_secrets_are_masked_in_text_and_json() -> None:
    fields = {
        "credential": "abcdef123456",
        "note": "password=hunter2hunter2",
        "stack_trace": "KeyError: token=abcdef123",
    }
    secret = record("login with Bearer abcdefghijklmnop", fields=fields, labels={"token": "abcdef123456"})
    shown = written(secret, verbosity=1) + str(record_json(secret)["fields"]) + str(record_json(secret)["labels"])
    for hidden in ("abcdef123", "hunter2", "abcdefghijklmnop"):
        assert hidden not in shown
    assert shown.count("***") >= 4
