"""Decisions of ticks on every document store: one of many wins, and each question has its index."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from nbactl.core._support.gamedate import GameDate
from nbactl.ports.documents import DocumentStore, Set
from nbactl.schedule.decide import Action, Decision, Slot
from nbactl.schedule.log import DecisionLog
from nbactl.schedule.occurrences import Occurrence

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.schedule.decide import Why

DAY = GameDate(date(2025, 1, 6))
DUE = datetime(2025, 1, 6, 17, tzinfo=UTC)


def decision(name: str = "lines", action: Action = Action.RUN, why: Why = "due", day: int = 0) -> Decision:
    moment = DUE + timedelta(days=day)
    slot = Slot(name, Occurrence(moment, None, DAY.plus(day)), moment + timedelta(minutes=30))
    return Decision(name, action, why, "because", slot)


def log_of(store: DocumentStore) -> DecisionLog:
    return DecisionLog(store, lambda _, key, row: Set(f"rows/{row[key]}", {"action": row["action"]}))


def test_of_ten_ticks_one_decides_and_one_takes_over(open_client: Callable[[], DocumentStore]) -> None:
    logs = [log_of(open_client()) for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda n: logs[n].record(decision(), DUE, f"tick-{n}"), range(10)))
        [won] = [one for one in made if one is not None]
        taken = list(pool.map(lambda n: logs[n].take_over(won, DUE, f"next-{n}", alerted=True), range(10)))
    [new] = [one for one in taken if one is not None]
    assert (new.owner[:5], new.alerted, won.alerted) == ("next-", True, False)
    assert not logs[0].close(won, "succeeded"), "another tick has it"
    assert logs[0].open() == [new]
    assert logs[0].close(new, "succeeded")
    assert logs[0].open() == []
    assert (logs[0].get(new.id).outcome, logs[0].get(new.id).open) == ("succeeded", False)


def test_decisions_are_found_by_each_filter_newest_first(store: DocumentStore) -> None:
    log = log_of(store)
    assert log.since() is None
    log.decided_until(DUE)
    assert log.since() == DUE
    log.record(decision("lines", Action.WAIT, "due"), DUE, "tick")
    log.record(decision(), DUE + timedelta(minutes=1), "tick")
    log.record(decision("night", Action.SKIP, "games", day=1), DUE + timedelta(minutes=2), "tick")
    lines, night = "lines-20250106T170000Z", "night-20250107T170000Z"
    assert log.known([lines, night, f"{lines}.due", "other"]) == {lines, night, f"{lines}.due"}
    assert [one.id for one in log.stream()] == [night, lines, f"{lines}.due"]
    assert [one.id for one in log.stream(workflow="lines")] == [lines, f"{lines}.due"]
    assert [one.id for one in log.stream(game_date=DAY.plus(1))] == [night]
    assert [one.id for one in log.stream(action=Action.RUN, since=DUE)] == [lines]
    assert [one.id for one in log.stream(since=DUE + timedelta(minutes=2))] == [night]
    assert store.get(f"rows/{night}") is not None, "the row is committed together with the decision"
