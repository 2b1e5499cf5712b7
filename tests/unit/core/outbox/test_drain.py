"""A backlog of the outbox: a sweep publishes it in batches, in order, within its time and a bounded memory."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from nbactl.core.observe.counted_documents import CountedDocuments
from nbactl.core.outbox.outbox import KEY_ATTRIBUTE, Outbox
from nbactl.errors import UnavailableError
from nbactl.ports.documents import Update
from nbactl.testing import FakeClock, faults, memory_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.core.observe.events import Event
    from nbactl.ports.bus import OutgoingMessage
    from nbactl.ports.documents import DocumentStore, Query


class Bus:
    """A bus that keeps keys by topic, refuses those of `poison`, and takes `seconds` for each request."""

    def __init__(self, clock: FakeClock, *, poison: str = "", seconds: float = 0.0) -> None:
        self._clock, self._poison, self._seconds = clock, poison, seconds
        self.keys: list[str] = []
        self.requests = 0

    def publish(
        self,
        topic: str,  # noqa: ARG002 - the port's
        data: bytes,  # noqa: ARG002
        attributes: Mapping[str, str] | None = None,
        *,
        ordering_key: str = "",  # noqa: ARG002
    ) -> str:
        self._accept([(attributes or {})[KEY_ATTRIBUTE]])
        return "id"

    def publish_many(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:  # noqa: ARG002 - the port's
        self._accept([message.attributes[KEY_ATTRIBUTE] for message in messages])
        return ["id"] * len(messages)

    def _accept(self, keys: list[str]) -> None:
        self.requests += 1
        self._clock.advance(self._seconds)
        if self._poison in keys:
            raise UnavailableError("not this one")
        self.keys += keys


def backlog(store: DocumentStore, outbox: Outbox, clock: FakeClock, number: int) -> list[str]:
    """Put messages into the outbox, one a microsecond; returns their keys."""
    keys = [f"{index:06d}" for index in range(number)]
    for start in range(0, number, 500):
        writes = []
        for key in keys[start : start + 500]:
            clock.advance(1e-6)
            writes.append(outbox.message(key, "topic", {}))
        store.commit(writes)
    return keys


def _every(_: str) -> bool:
    return True


def outbox_of(
    store: DocumentStore,
    bus: Bus,
    clock: FakeClock,
    *,
    reaches: Callable[[str], bool] = _every,
    together: Callable[[str], bool] = _every,
) -> Outbox:
    return Outbox(
        store, bus, clock, redrive_after=120.0, keep=3600.0, sweep_for=20.0, reaches=reaches, together=together
    )


def test_one_sweep_drains_a_backlog_in_order_in_few_requests_and_reads_each_message_once() -> None:
    clock, read = FakeClock(), Counter[str]()

    def count(event: Event) -> None:
        read[event.kind] += event.fields["documents"]

    store = CountedDocuments(memory_documents(clock), count)
    bus = Bus(clock)
    outbox = outbox_of(store, bus, clock)
    keys = backlog(store, outbox, clock, 1_750)
    read.clear()
    assert outbox.sweep().published == tuple(keys)
    assert bus.keys == keys
    assert bus.requests == 18, "a hundred a request"
    assert read == {"documents.read": 1_750, "documents.written": 2 * 1_750}
    assert outbox.sweep().published == ()
    assert list(outbox.pending()) == []


def test_a_sweep_ends_with_its_time_and_the_next_one_goes_on() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    outbox = outbox_of(store, bus := Bus(clock, seconds=9.0), clock)
    keys = backlog(store, outbox, clock, 700)
    assert len(outbox.sweep().published) == 300, "three requests of nine seconds begin within twenty"
    assert len(outbox.sweep(within=1.0).published) == 100
    while outbox.sweep().published:
        pass
    assert bus.keys == keys


def test_one_that_the_bus_refuses_holds_up_no_other_of_its_request() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    bus = Bus(clock, poison="000007")
    outbox = outbox_of(store, bus, clock)
    keys = backlog(store, outbox, clock, 250)
    swept = outbox.sweep()
    assert list(swept.failed) == ["000007"]
    assert bus.keys == [key for key in keys if key != "000007"]
    [waiting] = outbox.pending()
    assert (waiting.key, waiting.attempts, waiting.last_error) == ("000007", 1, "unavailable: not this one")


def test_a_bus_that_is_down_costs_a_sweep_no_more_than_its_time() -> None:
    class Down(Bus):
        def _accept(self, keys: list[str]) -> None:
            super()._accept(keys)
            raise UnavailableError("down")

    clock = FakeClock()
    store = memory_documents(clock)
    bus = Down(clock, seconds=5.0)
    outbox = outbox_of(store, bus, clock)
    backlog(store, outbox, clock, 250)
    swept = outbox.sweep()
    assert bus.requests == 4
    assert len(swept.failed) == 3


def test_what_another_driver_has_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    bus = Bus(clock)
    outbox = outbox_of(store, bus, clock)
    keys = backlog(store, outbox, clock, 5)
    query = store.query

    def taken_meanwhile(asked: Query) -> object:
        found = list(query(asked))
        if found and found[0].data["attempts"] == 0:
            store.commit([Update(found[2].path, {"attempts": 1})])
        return iter(found)

    monkeypatch.setattr(store, "query", taken_meanwhile)
    swept = outbox.sweep()
    assert swept.published == tuple(key for key in keys if key != "000002")
    assert swept.failed == {}


def test_what_is_not_for_this_process_is_passed_over_page_by_page() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    mine = outbox_of(store, bus := Bus(clock), clock, reaches=lambda topic: topic == "mine")
    # All are due at the same time, so that only the cursor gets past the first page.
    for start in range(0, 1_000, 500):
        store.commit([mine.message(f"other-{start + index:04d}", "theirs", {}) for index in range(500)])
    store.commit([mine.message("z", "mine", {})])
    assert mine.sweep().published == ("z",)
    assert bus.keys == ["z"]


def test_alerts_are_published_one_by_one() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    outbox = outbox_of(store, bus := Bus(clock), clock, together=lambda topic: topic != "topic")
    backlog(store, outbox, clock, 3)
    assert len(outbox.sweep().published) == 3
    assert bus.requests == 3


def test_inv_07_a_crash_between_publish_and_mark_repeats_one_request_at_most() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    bus = Bus(clock)
    outbox = outbox_of(store, bus, clock)
    keys = backlog(store, outbox, clock, 250)
    with faults.failing("outbox.published", KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        outbox.sweep()
    clock.advance(120.0)
    while outbox.sweep().published:
        pass
    assert sorted(set(bus.keys)) == keys
    assert len(bus.keys) == 350
