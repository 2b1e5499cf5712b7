"""The watcher of the watchers: ticks that stop are an alert once, and ticks that come again end it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.reporting.conditions import conditions_unsettled
from nbactl.reporting.heartbeat import look_at_ticks
from nbactl.reporting.rules import AlertRules
from nbactl.schedule.ticks import last_tick, record_tick
from nbactl.testing import FakeClock, faults, memory_documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.alerts import Alert
    from nbactl.ports.documents import DocumentStore

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
TWENTY, HOUR = 1200.0, 3600.0


class Watch:
    def __init__(self, store: DocumentStore) -> None:
        self.store = store
        self.now = NOW
        self.said: list[tuple[str, str]] = []
        self.keys: list[str] = []

    def look(self, minutes: float = 0.0) -> str:
        self.now += timedelta(minutes=minutes)
        return look_at_ticks(self.store, self.now, TWENTY, HOUR, self.send).state

    def tick(self, minutes: float = 0.0) -> None:
        self.now += timedelta(minutes=minutes)
        record_tick(self.store, self.now)

    def send(self, alert: Alert) -> None:
        self.said.append((alert.severity, alert.title))
        self.keys.append(alert.key)


@pytest.fixture
def watch() -> Iterator[Watch]:
    with closing(memory_documents(FakeClock(NOW))) as store:
        yield Watch(store)


def test_ticks_that_stop_are_an_alert_once_and_ticks_that_come_again_end_it(watch: Watch) -> None:
    assert watch.look() == "never"
    watch.tick()
    assert [watch.look(minutes) for minutes in (5, 10, 4)] == ["beating"] * 3
    assert watch.said == []
    assert [watch.look(minutes) for minutes in (2, 5, 5)] == ["silent"] * 3
    assert watch.said == [("critical", "`nbactl schedule tick` does not run: the last one ended 21m00s ago")]
    watch.look(60)
    assert len(watch.said) == 2  # it still lasts
    watch.tick(1)
    assert [watch.look(minutes) for minutes in (1, 5)] == ["beating"] * 2
    assert watch.said[2:] == [("info", "resolved: `nbactl schedule tick` does not run")]
    assert last_tick(watch.store) == watch.now - timedelta(minutes=6)


def test_a_tick_that_judges_the_rules_leaves_the_end_to_the_heartbeat(watch: Watch) -> None:
    watch.tick()
    watch.look(30)

    class NoIdle:
        def idle(self, _: object) -> dict[object, object]:
            return {}

    AlertRules(
        {"any": None},  # type: ignore[dict-item]
        {},
        lambda _: None,  # type: ignore[arg-type, return-value]
        watch.store,
        idle=NoIdle,  # type: ignore[arg-type]
        send=lambda *_: None,
        apart=timedelta(),
        billed_every=None,
        notice=lambda _: None,
    )._left(conditions_unsettled(watch.store), watch.now)
    watch.tick()
    watch.look(1)
    assert [severity for severity, _ in watch.said] == ["critical", "info"]


def test_a_look_that_is_cut_off_before_it_was_marked_says_it_again_under_the_same_key(watch: Watch) -> None:
    watch.tick()

    def die() -> None:
        raise KeyboardInterrupt

    faults.arm("alert_rules.sent", die)
    with pytest.raises(KeyboardInterrupt):
        watch.look(30)
    faults.disarm("alert_rules.sent")
    watch.look(1)
    assert len(watch.said) == 1  # another look may still be sending it
    watch.look(2)
    watch.look(1)
    assert watch.keys == ["heartbeat/1"] * 2
