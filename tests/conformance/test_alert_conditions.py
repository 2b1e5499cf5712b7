"""What conditions of alert rules must do on every engine of documents."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from nbactl.errors import ContentionError
from nbactl.reporting.conditions import (
    Finding,
    conditions_open,
    conditions_since,
    conditions_unsettled,
    end,
    mark_sent,
    observe,
    unsent,
)

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore
    from nbactl.reporting.conditions import Message

NOW = datetime(2024, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FINDING = Finding("late_outputs", "2024-01-14", "critical", "2 of 9 outputs are late", HOUR)


def test_a_condition_is_kept_from_its_beginning_to_its_end(store: DocumentStore) -> None:
    message = observe(store, FINDING, NOW)
    assert message is not None
    assert (message.said, message.number) == ("alert", 1)
    mark_sent(store, message)
    assert observe(store, FINDING, NOW + timedelta(minutes=5)) is None
    [condition] = conditions_open(store)
    assert (condition.since, condition.seen_at, condition.said) == (NOW, NOW + timedelta(minutes=5), "alert")
    over = end(store, condition, NOW + HOUR)
    assert over is not None
    assert (over.said, over.number) == ("resolved", 2)
    assert conditions_open(store) == []
    assert [one.subject for one in conditions_unsettled(store)] == ["2024-01-14"]  # not known to be said yet
    mark_sent(store, over)
    assert conditions_unsettled(store) == []
    [ended] = conditions_since(store, NOW, 10)
    assert (ended.ended_at, ended.past) == (NOW + HOUR, ((NOW, NOW + HOUR),))
    assert unsent(store, ended, NOW + 2 * HOUR) is None


def test_inv_08_of_many_that_find_it_at_once_one_is_to_say_it(store: DocumentStore) -> None:
    def find(_: int) -> Message | None:
        try:
            return observe(store, FINDING, NOW)
        except ContentionError:
            return None  # another one was faster

    with ThreadPoolExecutor(4) as pool:
        messages = [message for message in pool.map(find, range(8)) if message is not None]
    assert [(message.said, message.number) for message in messages] == [("alert", 1)]
