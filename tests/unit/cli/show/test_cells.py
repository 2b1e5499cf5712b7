"""Values of the warehouse as text, CSV and JSON."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from nbactl.cli.show.cells import NULL, cell, csv_line, json_cell
from nbactl.cli.show.text import text_of

TIP = datetime(2024, 1, 15, 19, 30, 0, 120000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text", "data", "line"),
    [
        (True, "true", True, "true"),
        (7, "7", 7, "7"),
        (2**53 + 1, "9007199254740993", "9007199254740993", "9007199254740993"),
        (0.1, "0.1", 0.1, "0.1"),
        (float("nan"), "NaN", "NaN", "NaN"),
        (float("-inf"), "-Infinity", "-Infinity", "-Infinity"),
        (Decimal("1.100000000"), "1.1", "1.1", "1.1"),
        (Decimal("1E+3"), "1000", "1000", "1000"),
        (date(2024, 1, 15), "2024-01-15", "2024-01-15", "2024-01-15"),
        (time(19, 30), "19:30:00", "19:30:00", "19:30:00"),
        (TIP, "2024-01-15 19:30:00.120000 UTC", "2024-01-15T19:30:00.120000+00:00", "2024-01-15T19:30:00.120000+00:00"),
        (datetime(2024, 1, 15, 19, 30), "2024-01-15 19:30:00", "2024-01-15T19:30:00", "2024-01-15T19:30:00"),  # noqa: DTZ001
        (b"\x00hi", "AGhp", "AGhp", "AGhp"),
        ([1, None, "é"], '[1,null,"é"]', [1, None, "é"], '"[1,null,""é""]"'),
        ({"a": Decimal("1.5"), "b": [b"x"]}, '{"a":"1.5","b":["eA=="]}', {"a": "1.5", "b": ["eA=="]},
         '"{""a"":""1.5"",""b"":[""eA==""]}"'),
        ("plain", "plain", "plain", "plain"),
        ("", '""', "", '""'),
        ("NULL", '"NULL"', "NULL", "NULL"),
        (' x"', '" x\\""', ' x"', '" x"""'),
        ('"q', '"\\"q"', '"q', '"""q"'),
        ("a,b\nc", "a,b\nc", "a,b\nc", '"a,b\nc"'),
        ("=1+1", "=1+1", "=1+1", "=1+1"),
    ],
)  # fmt: skip
def test_a_value_is_exact_everywhere(value: Any, text: str, data: Any, line: str) -> None:
    assert text_of(cell(value)) == text
    assert json_cell(value) == data
    assert csv_line([value, 1]) == f"{line},1\n"


def test_null_is_neither_a_text_nor_empty() -> None:
    assert cell(None) is NULL
    assert text_of(cell(None)) == "NULL" != text_of(cell("NULL"))
    assert json_cell(None) is None
    assert csv_line([None, "", "NULL"]) == ',"",NULL\n'


def test_a_json_column_is_left_as_it_is() -> None:
    assert json_cell({"big": 2**60}, "JSON") == {"big": 2**60}
    assert json_cell({"big": 2**60}, "STRUCT<big INT64>") == {"big": str(2**60)}


def test_csv_is_read_back_and_has_nothing_for_a_terminal_to_obey() -> None:
    row = ["a\x1b[2J\r", 'say "hi"', "two\nlines", "tab\there", "\u202eright", None]
    (read,) = csv.reader(io.StringIO(csv_line(row)))
    assert read == ["a\\x1b[2J\\r", 'say "hi"', "two\nlines", "tab\there", "\\u202eright", ""]


def test_secrets_are_masked() -> None:
    secret = "ghp_" + "a1B2" * 9
    assert secret not in csv_line([f"token {secret}"])
