"""Documents of a few plain values are written on a shorter way: what is sent is the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from nbactl.adapters.firestore import messages, writes
from nbactl.adapters.firestore.writes import FlatWrites
from nbactl.errors import DataError
from nbactl.ports.documents import SERVER_TIME, Create, Set, Update, Write

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
def test_both_ways_send_the_same(kind: Any, data: dict[str, Any]) -> None:
    assert sent(kind("c/x", data)) == sent(kind("c/x", data), short=False)


def test_what_documents_have_in_common_is_sent_with_every_one_of_them() -> None:
    many = [
        kind(f"c/{number}", {"id": f"p-{number}", "n": number, "at": at, "set": SERVER_TIME, **more})
        for kind in (Create, Set, Create)
        for at in (AT, AT + timedelta(microseconds=1))
        for more in ({}, {"rest": None}, {"rest": True}, {"rest": False}, {"other": False}, {"long": "x" * 2_000})
        for number in range(6)
    ]
    assert sent(*many) == sent(*many, short=False)


def test_a_write_that_is_refused_leaves_nothing_behind() -> None:
    request = messages.BatchWriteRequest()
    adder = writes.WriteAdder(request, ROOT)
    good = [Create(f"c/{number}", {"id": str(number), "at": AT}) for number in range(4)]
    adder.add(good[0])
    adder.add(good[1])
    for bad in (Create("c/x", {"__x__": "", "at": AT}), Set("c/y", {"a": 2**63}), Create("c", {}), Update("c/z", {})):
        with pytest.raises(DataError):
            adder.add(bad)
    adder.add(good[2])
    adder.add(good[3])
    assert request == sent(*good)


@pytest.mark.parametrize("key", ["", "__x__", "\ud800"])
@pytest.mark.parametrize("value", ["plain", SERVER_TIME, 1.5])
def test_both_ways_refuse_the_same_names(key: str, value: object) -> None:
    with pytest.raises(DataError):
        sent(Create("c/x", {key: value}))


def sent(*all_: Write, short: bool = True) -> Any:
    request = messages.BatchWriteRequest()
    adder = writes.WriteAdder(request, ROOT)
    with pytest.MonkeyPatch.context() as patch:
        if not short:
            patch.setattr(FlatWrites, "put", lambda *_: False)
        for write in all_:
            adder.add(write)
    return request
