from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from nbactl.cli.show.console import Console
from nbactl.cli.show.render import View, plain, render, render_error
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import LeaseHeldError


class _Color(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("inf"), None),
        (1.5, 1.5),
        (datetime(2024, 1, 15, 23, tzinfo=UTC), "2024-01-15T23:00:00+00:00"),
        (date(2024, 1, 15), "2024-01-15"),
        (GameDate(date(2024, 1, 15)), "2024-01-15"),
        (Path("a/b"), "a/b"),
        (_Color.RED, "red"),
        ({GameDate(date(2024, 1, 15)): (1, {2})}, {"2024-01-15": [1, [2]]}),
        (View({"a": 1}, print), {"data": {"a": 1}}),
    ],
)
def test_values_in_json(value: object, expected: object) -> None:
    found = plain(value)
    assert (found["data"] if isinstance(value, View) else found) == (
        expected["data"] if isinstance(value, View) and isinstance(expected, dict) else expected
    )


def _rendered(result: View, output: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    console = Console(environ={}, stdout=out, stderr=err)
    render(console, result, command="runs.list", target="local", output=output)
    return out.getvalue(), err.getvalue()


_RESULT = View(
    {"runs": [{"id": 1}, {"id": 2}], "more": False},
    lambda console: console.print("two runs"),
    items="runs",
    exit_code=3,
    run_id="run-1",
    warnings=("late",),
)


def test_a_result_as_json_is_the_envelope_of_the_contract() -> None:
    out, err = _rendered(_RESULT, "json")
    assert json.loads(out) == {
        "schema": "nbactl/runs.list/v1",
        "ok": False,
        "target": "local",
        "run_id": "run-1",
        "data": {"runs": [{"id": 1}, {"id": 2}], "more": False},
        "warnings": ["late"],
        "error": None,
    }
    assert out.count("\n") == 1
    assert err == "warning: late\n"


def test_a_result_as_json_lines_and_for_a_person() -> None:
    assert _rendered(_RESULT, "jsonl")[0] == '{"id":1}\n{"id":2}\n'
    assert _rendered(View({"a": "é"}, print), "jsonl")[0] == '{"a":"\\u00e9"}\n'
    assert _rendered(_RESULT, "table")[0] == "two runs\n"


def test_an_error_keeps_its_details_in_json() -> None:
    out, err = io.StringIO(), io.StringIO()
    error = LeaseHeldError("it is held", next_step="Wait.", details={"holder": "pid 1", "run_id": "run-2"})
    render_error(Console(environ={}, stdout=out, stderr=err), error, command="run", target="local", output="json")
    document = json.loads(out.getvalue())
    assert document["run_id"] == "run-2"
    assert document["error"] == {
        "code": "lease_held",
        "message": "it is held",
        "cause": None,
        "next": "Wait.",
        "retryable": False,
        "details": {"holder": "pid 1", "run_id": "run-2"},
    }
    assert err.getvalue() == "error: it is held\n  next:  Wait.\n"
