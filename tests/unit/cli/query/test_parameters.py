"""Query parameters as they are typed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from nbactl.cli.query.command import size
from nbactl.cli.query.parameters import parse_parameters
from nbactl.cli.query.parser import parse_size
from nbactl.errors import UsageError

NOW = datetime(2024, 1, 16, 3, 0, tzinfo=UTC)
"""Still the evening of 15 January in New York."""


def parse(text: str) -> Any:
    return parse_parameters([text], ["a"], now=NOW)["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=BOS", "BOS"),
        ("a=", ""),
        ("a=x=y:z", "x=y:z"),
        ("A:STRING=007", "007"),
        ("a:INT64=-7", -7),
        ("a:int=9223372036854775807", 2**63 - 1),
        ("a:FLOAT64=0.5", 0.5),
        ("a:NUMERIC=-12.500000001", Decimal("-12.500000001")),
        ("a:BOOL=TRUE", True),
        ("a:DATE=2024-02-29", date(2024, 2, 29)),
        ("a:DATE=yesterday", date(2024, 1, 14)),
        ("a:DATE=today", date(2024, 1, 15)),
        ("a:TIMESTAMP=2024-01-15T19:30:00-05:00", datetime(2024, 1, 16, 0, 30, tzinfo=UTC)),
        ("a:TIMESTAMP=2024-01-15 19:30:00Z", datetime(2024, 1, 15, 19, 30, tzinfo=UTC)),
        ("a:BYTES=aGk=", b"hi"),
        ("a:ARRAY<STRING>=BOS,LAL", ["BOS", "LAL"]),
        ('a:ARRAY<STRING>=["a,b", "c"]', ["a,b", "c"]),
        ("a:array<int64>=[1, 2]", [1, 2]),
        ("a:ARRAY<DATE>=yesterday,2024-01-01", [date(2024, 1, 14), date(2024, 1, 1)]),
    ],
)
def test_a_value_has_its_type(text: str, value: Any) -> None:
    assert parse(text) == value
    assert type(parse(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "'a' is not NAME=VALUE"),
        ("1a=2", "is not NAME=VALUE"),
        ("a:INT64=1.5", "'1.5' is not a valid INT64"),
        ("a:INT64=9223372036854775808", "is not a valid INT64"),
        ("a:NUMERIC=1.0000000001", "is not a valid NUMERIC"),
        ("a:NUMERIC=NaN", "is not a valid NUMERIC"),
        ("a:NUMERIC=1e30", "is not a valid NUMERIC"),
        ("a:BOOL=1", "is not a valid BOOL"),
        ("a:DATE=2024-02-30", "is not a valid DATE"),
        ("a:DATE=20240229", "is not a valid DATE"),
        ("a:TIMESTAMP=2024-01-15T19:30:00", "is not a valid TIMESTAMP"),
        ("a:TIMESTAMP=2024-01-15", "is not a valid TIMESTAMP"),
        ("a:BYTES=é", "is not a valid BYTES"),
        ("a:DATUM=x", "'DATUM' is not a type"),
        ("a:JSON={}", "'JSON' is not a type"),
        ("a:ARRAY<STRING>=", "needs at least one element"),
        ("a:ARRAY<STRING>=[1", "is not a JSON array"),
        ("a:ARRAY<ARRAY<INT64>>=1", "'ARRAY<ARRAY<INT64>>' is not a type"),
    ],
)
def test_a_bad_value_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert message in refused.value.message
    assert refused.value.next_step


def test_a_wrong_set_of_parameters_is_refused() -> None:
    with pytest.raises(UsageError, match="no parameter @dya") as refused:
        parse_parameters(["dya=1"], ["day"], now=NOW)
    assert refused.value.next_step == "Did you mean 'day'?"
    with pytest.raises(UsageError, match="parameters @day, @team"):
        parse_parameters([], ["day", "team"], now=NOW)
    with pytest.raises(UsageError, match="given twice"):
        parse_parameters(["day=1", "DAY=2"], ["day"], now=NOW)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1000", 1000),
        ("12B", 12),
        ("500MB", 500_000_000),
        ("2gb", 2_000_000_000),
        ("1.5 GiB", 3 * 2**29),
        ("1TiB", 2**40),
    ],
)
def test_a_size_is_read(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["-1", "0", "0.1B", "2XB", "MB", "1e6", "two", "9" * 60, "9" * 400, "5000000TiB"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)


def test_bytes_are_shown_in_a_unit() -> None:
    counts = (0, 999, 1000, 999_949, 999_950, 12_400_000, 2 * 10**15)
    assert [size(count) for count in counts] == ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "12.4 MB", "2000.0 TB"]
