from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nbactl.core.calls.retry import retry_after_seconds

NOW = datetime(2024, 1, 15, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("30", 30.0),
        (" 0 ", 0.0),
        ("9" * 400, 999_999_999.0),
        ("Mon, 15 Jan 2024 12:01:30 GMT", 90.0),
        ("Mon, 15 Jan 2024 12:01:30 -0000", 90.0),
        ("Mon, 15 Jan 2024 07:02:00 -0500", 120.0),
        ("Mon, 15 Jan 2024 11:00:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 15 Jan 2024 99999999999999999999:00:00 GMT", None),
        ("Mon, 15 Jan 2024 12:00:00 +99999999999999999999", None),
        ("٣", None),
    ],
)
def test_what_a_server_asks_for_is_read_and_nonsense_is_not(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds
