"""Documents of a few plain values are written on a shorter way: what is sent is the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from nbactl.adapters.firestore import writes
from nbactl.errors import DataError
from nbactl.ports.documents import SERVER_TIME, Create, Set

ROOT = "projects/p/databases/(default)/documents"
AT = datetime(2024, 1, 15, 8, 30, 0, 123_456, UTC)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"player_lookup": "p-1", "completed_at": AT, "predictions_count": None, "backfilled_at": SERVER_TIME},
        {"a": True, "b": -1, "c": 2**60, "d": 1.5, "e": "Dončić", "f": "", "odd key.`": "x"},
        {"a": AT.astimezone(timezone(timedelta(hours=-5))), "b": "x" * 2_000},
        {"a": [1, "x", None], "b": {"c": SERVER_TIME}},
        {f"f{number}": number for number in range(40)},
    ],
)
@pytest.mark.parametrize("kind", [Create, Set])
def test_both_ways_send_the_same(monkeypatch: pytest.MonkeyPatch, kind: Any, data: dict[str, Any]) -> None:
    short = writes.write_message(kind("c/x", data), ROOT)
    monkeypatch.setattr(writes, "_put_flat", lambda *_: False)
    assert short == writes.write_message(kind("c/x", data), ROOT)


@pytest.mark.parametrize("key", ["", "__x__", "\ud800"])
def test_both_ways_refuse_the_same_names(key: str) -> None:
    with pytest.raises(DataError):
        writes.write_message(Create("c/x", {key: "plain"}), ROOT)
    with pytest.raises(DataError):
        writes.write_message(Create("c/x", {key: SERVER_TIME}), ROOT)
