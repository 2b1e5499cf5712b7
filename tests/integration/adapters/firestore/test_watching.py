"""Firestore tells of changed flags by itself; when it cannot, they are asked for as ever."""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.flags import Flags, FlagStore
from nbactl.core.flags.store import ANY_VERSION, Change
from nbactl.ports.documents import Delete, Set, Watchable
from nbactl.testing import emulator_documents, memory_documents
from nbactl.testing.proxy import FaultProxy
from tests.kit.flags import flag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.adapters.firestore.documents import FirestoreDocuments

QUICK = RetryPolicy("firestore", attempts=3, base=0.05, cap=0.2)
RENEW, NEVER, SOON = 600.0, 600.0, 20.0


@pytest.fixture
def project() -> str:
    return f"test-{uuid.uuid4().hex[:20]}"


@pytest.fixture
def truth(firestore_address: str, project: str) -> Iterator[FlagStore]:
    """An operator whose network works."""
    documents = emulator_documents(firestore_address, project)
    yield FlagStore(documents, SystemClock())
    documents.close()


@pytest.fixture
def proxy(firestore_address: str) -> Iterator[FaultProxy]:
    with FaultProxy(firestore_address) as between:
        yield between


@pytest.fixture
def documents(proxy: FaultProxy, project: str) -> Iterator[FirestoreDocuments]:
    """The store of a service, whose network is the proxy."""
    before = set(threading.enumerate())
    store = emulator_documents(proxy.address, project, retry=QUICK, call=2.0)
    yield store
    store.close()
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert [name for name in left if name.startswith("nbactl-")] == [], "no thread is left"


def service(documents: FirestoreDocuments, *, every: float, renew: float = RENEW) -> Flags:
    return Flags(
        {"fast": flag()},
        FlagStore(documents, SystemClock()).read,
        environ={},
        clock=SystemClock(),
        rng=random.Random(1),
        every=every,
        watch=lambda changed: documents.watch("flags", changed, renew=renew),
    )


def to(percent: float) -> list[Change]:
    return [Change("fast", ANY_VERSION, percent=percent, enabled=True, salt="fast", hash_version=1, stage=None)]


def wait_for(condition: Callable[[], bool], seconds: float = SOON) -> float | None:
    """Return after how many seconds the condition held, None if it did not."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(0.005)
    return None


def test_firestore_can_be_watched_and_a_file_cannot(documents: FirestoreDocuments) -> None:
    assert isinstance(documents, Watchable)
    assert not isinstance(memory_documents(), Watchable)


def test_a_change_arrives_at_once_and_not_with_the_next_refresh(
    documents: FirestoreDocuments, truth: FlagStore
) -> None:
    flags = service(documents, every=NEVER)
    flags.start()
    # Whatever comes before the connection is there is seen when it is.
    took = []
    for turn in range(6):
        on = turn % 2 == 0
        truth.change(to(100 if on else 0), by="test", reason=None)
        took.append(wait_for(lambda on=on: flags.on("fast") is on))  # type: ignore[misc]
    flags.close()
    assert all(seconds is not None for seconds in took)
    assert min(seconds for seconds in took if seconds is not None) < 1.0


def test_a_state_that_is_deleted_is_announced_as_well(documents: FirestoreDocuments, truth: FlagStore) -> None:
    heard = threading.Event()
    truth.change(to(100), by="test", reason=None)
    subscription = documents.watch("flags", heard.set, renew=RENEW)
    assert heard.wait(SOON)
    time.sleep(0.2)
    for write in (Set("flags/other", {"a": 1}), Delete("flags/other")):
        heard.clear()
        truth._documents.commit([write])
        assert heard.wait(SOON)
    while heard.wait(0.5):
        heard.clear()
    truth._documents.commit([Set("flags/fast/history/99", {}), Set("elsewhere/a", {})])
    assert not heard.wait(0.3), "other collections are none of its business"
    subscription.close()
    subscription.close()


def test_while_the_stream_is_broken_flags_are_asked_for_and_announced_again_later(
    documents: FirestoreDocuments, truth: FlagStore, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nbactl")
    flags = service(documents, every=0.3)
    truth.change(to(100), by="test", reason=None)
    flags.start()
    assert wait_for(lambda: flags.on("fast")) is not None
    proxy.refusing = True
    proxy.reset()
    assert wait_for(lambda: flags.health.failures > 0) is not None
    assert flags.on("fast"), "as last known"
    truth.change(to(0), by="test", reason=None)
    proxy.refusing = False
    assert wait_for(lambda: not flags.on("fast")) is not None
    assert wait_for(lambda: "notifications of changes of flags work again" in caplog.text) is not None
    flags.close()
    broken, whole = (
        caplog.text.count(told)
        for told in (
            "no notifications of changes of flags; they are seen only at the next read",
            "notifications of changes of flags work again",
        )
    )
    assert broken == whole, "each break is reported once, however often the call is tried again"


def test_a_cut_stream_is_made_again_and_says_so_for_what_was_missed(
    documents: FirestoreDocuments, proxy: FaultProxy
) -> None:
    heard = threading.Event()
    subscription = documents.watch("flags", heard.set, renew=RENEW)
    for _ in range(5):
        assert heard.wait(SOON)
        heard.clear()
        proxy.reset()
    assert heard.wait(SOON)
    subscription.close()


def test_the_call_is_renewed_without_a_word(
    documents: FirestoreDocuments, truth: FlagStore, caplog: pytest.LogCaptureFixture
) -> None:
    flags = service(documents, every=NEVER, renew=0.3)
    flags.start()
    time.sleep(1.0)
    truth.change(to(100), by="test", reason=None)
    assert wait_for(lambda: flags.on("fast")) is not None
    flags.close()
    assert "seen only at the next read" not in caplog.text


def test_a_store_that_is_closed_first_ends_the_watching(documents: FirestoreDocuments) -> None:
    subscription = documents.watch("flags", lambda: None, renew=RENEW)
    documents.close()
    subscription.close()
    after = documents.watch("flags", lambda: None, renew=RENEW)
    assert wait_for(lambda: not after._thread.is_alive()) is not None
