"""Context, trace and deadline through two real services: over HTTP, and through the outbox and Pub/Sub."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.core.observe.logging.cloud import LABELS, TRACE
from nbactl.core.outbox.outbox import Outbox
from nbactl.testing import memory_bus
from tests.kit.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.adapters.localbus.bus import Published

APP = "tests.integration.core.service.hop_service:app"
FLAGS = {"ENABLE_STRUCTURED_LOGGING": "true", "ENABLE_IDEMPOTENCY_KEYS": "true"}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SENT = {
    "correlation_id": "cor-1", "batch": "b1", "player": "Šarić, Dario", "game_date": "2024-01-15",
    "traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01",
}  # fmt: skip
LABELLED = {name: value for name, value in SENT.items() if name != "traceparent"}


@pytest.fixture
def hops(tmp_path: Path) -> Iterator[tuple[ServiceProcess, ServiceProcess]]:
    """Two services, of which the first calls the second."""
    (tmp_path / "second").mkdir()
    (tmp_path / "first").mkdir()
    with (
        ServiceProcess(APP, tmp_path / "second", {"NEXT": "127.0.0.1:1", **FLAGS}) as second,
        ServiceProcess(APP, tmp_path / "first", {"NEXT": f"127.0.0.1:{second.port}", **FLAGS}) as first,
    ):
        yield first, second


def logged(service: ServiceProcess, message: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in service.output().splitlines() if line.startswith("{")]
    return [entry for entry in told if entry["message"] == message]


def announced(folder: Path) -> list[Published]:
    """Publish what the service left in its outbox, as the sweep does."""
    clock = SystemClock()
    with closing(SqliteDocuments(folder / "state" / "documents.db", clock=clock, busy_timeout=10.0)) as store:
        bus = memory_bus(clock, "done")
        Outbox(store, bus, clock, redrive_after=120.0, keep=3600.0).sweep()
        return list(bus.messages("done"))


def test_what_is_worked_on_is_known_in_the_next_service_and_to_who_gets_its_messages(
    hops: tuple[ServiceProcess, ServiceProcess], tmp_path: Path
) -> None:
    first, second = hops
    assert first.push("/push", SENT)[0] == 204
    [worked], [asked] = logged(first, "worked"), logged(second, "asked")
    for entry in (worked, asked):
        assert entry[LABELS] == LABELLED
        assert entry[TRACE].endswith(TRACE_ID)
    assert {name: worked["next"][name] for name in LABELLED} == LABELLED
    assert worked["answered"] == "cor-1"
    assert 0 < worked["next"]["left"] <= 300, "the limit of the first one's work is in force in the second"
    [message] = announced(tmp_path / "first")
    assert message.attributes == {**SENT, "outbox_key": "done/1"}


def test_nonsense_that_comes_along_breaks_nothing_and_goes_no_further(
    hops: tuple[ServiceProcess, ServiceProcess], tmp_path: Path
) -> None:
    first, second = hops
    nonsense = {
        "correlation_id": "a\r\nx-evil: 1", "batch": "b" * 5000, "traceparent": "00-zz-1-1", "deadline": "tomorrow"
    }  # fmt: skip
    assert first.push("/push", {**nonsense, "player": "lebronjames"})[0] == 204
    [worked] = logged(first, "worked")
    [asked] = logged(second, "asked")
    assert asked[LABELS]["player"] == "lebronjames"
    assert asked[LABELS].keys() <= {"player", "correlation_id"}
    assert "evil" not in first.output() + second.output()
    assert TRACE not in worked
    [message] = announced(tmp_path / "first")
    assert message.attributes.keys() <= {"player", "correlation_id", "outbox_key"}


def test_a_request_without_a_correlation_id_gets_one_for_all_that_it_sets_off(
    hops: tuple[ServiceProcess, ServiceProcess],
) -> None:
    first, second = hops
    assert first.push("/push", {"batch": "b1"})[0] == 204
    [worked], [asked] = logged(first, "worked"), logged(second, "asked")
    assert worked[LABELS]["correlation_id"].startswith("req-")
    assert asked[LABELS]["correlation_id"] == worked[LABELS]["correlation_id"] == worked["answered"]


def test_a_message_whose_deadline_has_passed_is_refused_and_not_dropped(
    hops: tuple[ServiceProcess, ServiceProcess],
) -> None:
    first, _ = hops
    assert first.push("/push", {"deadline": "2024-01-15T12:00:00.000+00:00"})[0] == 503
    assert logged(first, "worked") == []
    assert first.push("/push", {})[0] == 204
