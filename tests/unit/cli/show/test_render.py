from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import yaml

from nbactl.cli.show.console import Console
from nbactl.cli.show.render import View, plain, render, render_error
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import LeaseHeldError, UsageError


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
        (Decimal("1.500000000"), "1.5"),
        (Decimal("1E+20"), "100000000000000000000"),
        (Decimal("-0.000000001"), "-0.000000001"),
        (Decimal("0E-9"), "0"),
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


def _with_fields(output: Any, *fields: str, view: View = _RESULT) -> str:
    out = io.StringIO()
    console = Console(environ={}, stdout=out, stderr=io.StringIO())
    render(console, view, command="runs.list", target="local", output=output, fields=fields)
    return out.getvalue()


_ITEMS = View({"runs": [{"id": 1, "name": "a"}, {"id": 2, "note": "late"}], "more": False}, print, items="runs")


def test_fields_pick_keys_of_the_items_of_a_list() -> None:
    assert json.loads(_with_fields("json", "note", "id", view=_ITEMS))["data"] == {
        "runs": [{"note": None, "id": 1}, {"note": "late", "id": 2}],
        "more": False,
    }
    lines = _with_fields("jsonl", "id", view=_ITEMS).splitlines()
    assert [json.loads(line) for line in lines] == [{"id": 1}, {"id": 2}]


def test_fields_pick_keys_of_data_without_a_list() -> None:
    view = View({"a": 1, "b": 2}, print)
    assert json.loads(_with_fields("json", "b", view=view))["data"] == {"b": 2}


@pytest.mark.parametrize("output", ["json", "jsonl", "yaml"])
def test_an_unknown_field_is_refused_with_the_known_ones(output: str) -> None:
    with pytest.raises(UsageError) as caught:
        _with_fields(output, "naem", view=View({"runs": [{"id": 1, "name": "a"}]}, print, items="runs"))
    assert caught.value.exit_code == 2
    assert caught.value.message == "--fields: no field 'naem'"
    assert caught.value.next_step == "Did you mean 'name'? Known: id, name."


def test_fields_of_an_empty_list_are_no_mistake() -> None:
    assert json.loads(_with_fields("json", "any", view=View({"runs": []}, print, items="runs")))["data"] == {"runs": []}


def test_yaml_is_the_same_document_as_json() -> None:
    result = View({"runs": [{"id": 1, "at": datetime(2024, 1, 15, tzinfo=UTC), "text": "on", "clock": "22:00"}]}, print)
    assert yaml.safe_load(_rendered(result, "yaml")[0]) == json.loads(_rendered(result, "json")[0])


def test_an_error_in_yaml_is_one_document() -> None:
    out = io.StringIO()
    console = Console(environ={}, stdout=out, stderr=io.StringIO())
    render_error(console, UsageError("wrong"), command="run", target="local", output="yaml")
    document = yaml.safe_load(out.getvalue())
    assert (document["ok"], document["error"]["message"]) == (False, "wrong")


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("output", ["json", "jsonl", "yaml", "table"])
def test_inv_28_control_characters_in_data_are_shown_and_not_obeyed(output: Any) -> None:
    name = "a\x1b[2J\x9b2J\x7f\u202eb Dončić"
    out = _Terminal()
    console = Console(environ={}, stdout=out, stderr=io.StringIO())
    result = View({"name": name}, lambda console: console.table(["name"], [[name]]))
    render(console, result, command="x", target="local", output=output)
    assert not set(out.getvalue()) & set("\x1b\x9b\x7f\u202e") or output == "table"
    assert "\x1b[2J" not in out.getvalue()
    assert not set(out.getvalue()) & set("\x9b\x7f\u202e")
    if output in ("json", "jsonl"):
        document = json.loads(out.getvalue())
        assert (document["data"] if output == "json" else document) == {"name": name}
    if output == "yaml":
        assert yaml.safe_load(out.getvalue())["data"] == {"name": name}


def _streamed(*ids: int, fail: Exception | None = None) -> View:
    def items() -> Any:
        for number in ids:
            yield {"id": number, "text": "a\nb"}
        if fail is not None:
            raise fail

    return View({"runs": items(), "more": True}, print, items="runs", run_id="run-1")


@pytest.mark.parametrize("kind", [io.StringIO, _Terminal])
@pytest.mark.parametrize("ids", [(), (1,), (1, 2, 3)])
def test_items_that_come_one_by_one_make_the_same_document(kind: type[io.StringIO], ids: tuple[int, ...]) -> None:
    documents = []
    for result in (
        _streamed(*ids),
        View({"runs": [*_streamed(*ids).data["runs"]], "more": True}, print, run_id="run-1"),
    ):
        console = Console(environ={}, stdout=(out := kind()), stderr=io.StringIO())
        render(console, result, command="runs.list", target="local", output="json")
        documents.append(json.loads(out.getvalue()))
    assert documents[0] == documents[1]
    assert documents[0]["ok"] is True


def test_a_streamed_document_has_the_warnings_and_is_written_as_the_items_come() -> None:
    out = io.StringIO()
    console = Console(environ={}, stdout=out, stderr=io.StringIO())

    def items() -> Any:
        yield {"id": 1}
        assert '"id":1' in out.getvalue(), "the first one was written before the second is asked for"
        console.warn("one was left out")
        yield {"id": 2}

    render(console, View({"runs": items()}, print, items="runs"), command="x", target="local", output="json")
    document = json.loads(out.getvalue())
    assert [item["id"] for item in document["data"]["runs"]] == [1, 2]
    assert document["warnings"] == ["one was left out"]


def test_a_failure_among_the_items_ends_the_document_as_failed() -> None:
    out = io.StringIO()
    console = Console(environ={}, stdout=out, stderr=io.StringIO())
    error = LeaseHeldError("it is held", next_step="Wait.")
    with pytest.raises(LeaseHeldError):
        render(console, _streamed(1, fail=error), command="runs.list", target="local", output="json")
    render_error(console, error, command="runs.list", target="local", output="json")
    document = json.loads(out.getvalue())
    assert (document["ok"], document["error"]["code"]) == (False, "lease_held")
    assert [item["id"] for item in document["data"]["runs"]] == [1]


def test_items_that_come_one_by_one_are_whole_in_yaml() -> None:
    document = yaml.safe_load(_rendered(_streamed(1, 2), "yaml")[0])
    assert [item["id"] for item in document["data"]["runs"]] == [1, 2]


def test_the_lines_before_a_question_are_wrapped_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    err = _Terminal()
    console = Console(environ={}, stdout=io.StringIO(), stderr=err, color="never", no_input=True)
    with pytest.raises(UsageError):
        console.confirm("Go on?", ("  one two three four five six seven eight nine",))
    assert err.getvalue() == "  one two three four five six seven\n  eight nine\n"
