from __future__ import annotations

import json
import sqlite3
from typing import Any

from hypothesis import given

from nbactl.adapters.sqlite.encoding import decode, encode
from nbactl.adapters.sqlite.queries import field_operand
from nbactl.core._support.micros import from_micros, to_micros
from nbactl.ports.document_rules import check_value
from tests.property.document_values import documents, keys, scalars, times


@given(documents)
def test_data_come_back_as_they_were(data: dict[str, Any]) -> None:
    check_value(data, "d", depth=0)
    assert repr(decode(encode(data).encode())) == repr(data)


@given(documents)
def test_the_stored_text_is_json_without_what_sqlite_cannot_read(data: dict[str, Any]) -> None:
    text = encode(data)
    json.loads(text)
    assert "\\u0000" not in text
    connection = sqlite3.connect(":memory:")
    assert connection.execute("SELECT json_valid(?)", (text,)).fetchone() == (1,)
    connection.close()


@given(keys, scalars)
def test_sqlite_finds_every_key_and_keeps_every_value_apart(key: str, value: Any) -> None:
    operand = field_operand((key, key))
    connection = sqlite3.connect(":memory:")
    text = encode({"other": 0, key: {key: value, "x": 1}})
    found = connection.execute(f"SELECT {operand.type} FROM (SELECT ? AS data)", (text,)).fetchone()[0]
    connection.close()
    assert found is not None


@given(times)
def test_instants_are_exact_as_microseconds(instant: Any) -> None:
    assert from_micros(to_micros(instant)) == instant
