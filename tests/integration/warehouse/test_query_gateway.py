"""The query gateway over a real warehouse: what is answered from memory, and that it is never stale."""

from __future__ import annotations

import random
import threading
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.observe.context import bound
from nbactl.errors import DataError, NbactlError, NotAuthorisedError, NotFoundError, TimedOutError, UnavailableError
from nbactl.ports.warehouse import Rows, Select
from tests.integration.warehouse.counted_gateway import DAY, GAMES, TIMEOUT, GatewayLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = "SELECT COUNT(*) AS n FROM nba_raw.games"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[GatewayLab]:
    lab = GatewayLab(tmp_path)
    lab.load("a")
    yield lab
    lab.gateway.close()


def test_a_repeated_query_is_answered_from_memory_at_no_price(lab: GatewayLab) -> None:
    first = lab.gateway.query(COUNT, timeout=TIMEOUT)
    again = lab.gateway.query(COUNT, timeout=TIMEOUT)
    assert (first.rows, first.cache_hit) == ([(1,)], False)
    assert (again.columns, again.rows, again.cache_hit, again.bytes_processed) == (("n",), [(1,)], True, 0)
    assert len(lab.engine.asked) == 1
    assert lab.answered == {"engine": 1, "result_cache": 1}


def test_a_change_is_seen_by_the_next_query(lab: GatewayLab) -> None:
    assert lab.ask(COUNT) == [(1,)]
    lab.load("b")
    assert lab.ask(COUNT) == [(2,)]
    lab.gateway.replace_partitions(GAMES.name, [DAY], Rows(("game_date", "game_id"), [(DAY, "c")] * 5), timeout=TIMEOUT)
    lab.clock.advance(1.0)
    assert lab.ask(COUNT) == [(5,)]
    lab.gateway.replace_partitions(GAMES.name, [DAY], Select("SELECT * FROM nba_raw.games LIMIT 0"), timeout=TIMEOUT)
    assert lab.ask(COUNT) == [(0,)]


def test_a_change_past_the_gateway_is_seen_too(lab: GatewayLab) -> None:
    assert lab.ask(COUNT) == [(1,)]
    lab.engine.load(GAMES.name, Rows(("game_date", "game_id"), [(DAY, "b")]), timeout=TIMEOUT)
    assert lab.ask(COUNT) == [(2,)]


def test_a_table_that_is_dropped_and_made_again_is_another_table(lab: GatewayLab) -> None:
    assert lab.ask(COUNT) == [(1,)]
    lab.gateway.apply_ddl([f"DROP TABLE {GAMES.name}"], timeout=TIMEOUT)
    with pytest.raises(NotFoundError):
        lab.ask(COUNT)
    lab.gateway.create_table(GAMES)
    assert lab.ask(COUNT) == [(0,)]


def test_changes_while_the_clock_stands_still_are_seen(lab: GatewayLab) -> None:
    rows = Rows(("game_date", "game_id"), [(DAY, "b")])
    for number in range(2, 6):
        lab.engine.load(GAMES.name, rows, timeout=TIMEOUT)
        assert lab.ask(COUNT) == [(number,)]
    lab.engine.replace_partitions(GAMES.name, [DAY], Rows(rows.columns, [(DAY, "b")] * 5), timeout=TIMEOUT)
    lab.engine.replace_partitions(GAMES.name, [DAY], Rows(rows.columns, [(DAY, "c")] * 5), timeout=TIMEOUT)
    assert lab.ask("SELECT DISTINCT game_id FROM nba_raw.games") == [("c",)]


def test_a_view_is_never_answered_from_memory_for_nobody_knows_when_it_changed(lab: GatewayLab) -> None:
    lab.gateway.apply_ddl(["CREATE VIEW nba_raw.v AS SELECT * FROM nba_raw.games"], timeout=TIMEOUT)
    for game in ("a", "b", "c"):  # always one row, so that only its content tells
        rows = Rows(("game_date", "game_id"), [(DAY, game)])
        lab.gateway.replace_partitions(GAMES.name, [DAY], rows, timeout=TIMEOUT)
        lab.clock.advance(1.0)
        assert lab.ask("SELECT game_id FROM nba_raw.v") == [(game,)]


def test_what_changes_while_a_query_runs_is_seen_by_the_next_one(lab: GatewayLab) -> None:
    def change() -> None:
        lab.engine.before = lambda: None
        lab.load("b")

    lab.engine.before = change  # after the gateway looked at the table, before the engine reads it
    assert lab.ask(COUNT) == [(2,)]
    lab.load("c")
    assert lab.ask(COUNT) == [(3,)]


def test_whatever_comes_after_what_it_is_never_stale(lab: GatewayLab) -> None:
    rng = random.Random(7)
    queries: list[tuple[str, dict[str, Any]]] = [
        (COUNT, {}),
        ("SELECT MAX(game_id) AS m FROM nba_raw.games WHERE game_date = @day", {"day": DAY}),
        ("SELECT MAX(game_id) AS m FROM nba_raw.games WHERE game_date = @day", {"day": date(2024, 1, 16)}),
        ("WITH g AS (SELECT * FROM nba_raw.games) SELECT COUNT(DISTINCT game_id) AS n FROM g", {}),
    ]
    for step in range(300):
        what = rng.random()
        if what < 0.1:
            lab.engine.load(GAMES.name, Rows(("game_date", "game_id"), [(DAY, f"g{step:03}")]), timeout=TIMEOUT)
        elif what < 0.15:
            rows = Rows(("game_date", "game_id"), [(DAY, f"r{step:03}")])
            lab.gateway.replace_partitions(GAMES.name, [DAY], rows, timeout=TIMEOUT)
        elif what < 0.3:
            lab.clock.advance(rng.choice([0.001, 1.0, 600.0]))
        sql, parameters = rng.choice(queries)
        assert lab.ask(sql, parameters) == lab.engine.query(sql, parameters, timeout=TIMEOUT).rows
    assert lab.answered["result_cache"] > 50


def test_a_result_is_kept_as_long_as_the_parameter_of_the_flag_says(lab: GatewayLab) -> None:
    lab.ask(COUNT)
    lab.clock.advance(3599.0)
    lab.ask(COUNT)
    lab.clock.advance(1.0)
    lab.ask(COUNT)
    assert lab.answered == {"engine": 2, "result_cache": 1}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": 1}, {"x": True}),
        ({"x": 1}, {"x": 1.0}),
        ({"x": "1"}, {"x": 1}),
        ({"x": 0.0}, {"x": -0.0}),
        ({"x": DAY}, {"x": datetime(2024, 1, 15, tzinfo=UTC)}),
        ({"x": [1, 2]}, {"x": [2, 1]}),
        ({"x": None}, {"x": "None"}),
    ],
)
def test_parameters_that_a_query_can_tell_apart_are_apart(
    lab: GatewayLab, one: dict[str, Any], other: dict[str, Any]
) -> None:
    for parameters in (one, other, one, other):
        lab.ask("SELECT game_id FROM nba_raw.games WHERE TO_JSON_STRING(@x) IS NULL", parameters)
    assert lab.answered == {"engine": 2, "result_cache": 2}


def test_what_a_caller_does_to_its_result_is_its_own_business(lab: GatewayLab) -> None:
    sql = "SELECT ['x', game_id] AS pair FROM nba_raw.games"
    for _ in range(3):
        rows = lab.ask(sql)
        assert rows == [(["x", "a"],)]
        rows[0][0].append("changed")
        rows.append(("more",))
    assert len(lab.engine.asked) == 1


def test_a_query_that_may_answer_differently_goes_to_the_engine_without_its_cache(lab: GatewayLab) -> None:
    for _ in range(2):
        lab.ask("SELECT COUNT(*) AS n FROM nba_raw.games WHERE game_date < CURRENT_DATE()")
    assert [asked["cache"] for asked in lab.engine.asked] == [False, False]
    lab.ask(COUNT)
    assert lab.engine.asked[-1]["cache"] is True


def test_who_asks_for_no_cache_gets_none(lab: GatewayLab) -> None:
    lab.ask(COUNT)
    lab.ask(COUNT, cache=False)
    assert [asked["cache"] for asked in lab.engine.asked] == [True, False]


def test_with_the_flag_off_the_engine_is_asked_exactly_as_before(lab: GatewayLab) -> None:
    lab.on = False
    lab.engine.described.clear()
    others: dict[str, Any] = {"timeout": 7.0, "labels": {"run": "r"}, "cache": True, "max_bytes": 10**9}
    others["max_rows"] = 5
    for sql in (COUNT, COUNT, "SELECT CURRENT_DATE() AS d"):
        result = lab.gateway.query(sql, {}, **others)
        assert not result.cache_hit
    assert lab.engine.asked == [
        {"sql": sql, "parameters": {}, **others} for sql in (COUNT, COUNT, "SELECT CURRENT_DATE() AS d")
    ]
    assert lab.engine.described == []
    assert [event.kind for event in lab.events if event.kind.startswith("cache")] == []


def test_what_was_kept_is_left_alone_when_the_flag_goes_off(lab: GatewayLab) -> None:
    lab.ask(COUNT)
    lab.on = False
    lab.ask(COUNT)
    assert lab.answered == {"engine": 2}


def test_all_queries_of_one_piece_of_work_are_drawn_alike(lab: GatewayLab) -> None:
    lab.requests.clear()
    with bound(correlation_id="corr-1"):
        lab.ask(COUNT)
        lab.ask("SELECT 1 AS one")
    for sql in (COUNT, COUNT, "SELECT 1 AS one"):
        lab.ask(sql)
    named, *drawn = lab.requests[1:]
    assert lab.requests[:2] == ["corr-1", "corr-1"] == [lab.requests[0], named]
    assert drawn[0] == drawn[1] != drawn[2]


def test_an_error_is_reported_and_not_kept(lab: GatewayLab) -> None:
    def fail() -> None:
        lab.engine.before = lambda: None
        raise UnavailableError("held by another process")

    lab.engine.before = fail
    with pytest.raises(UnavailableError):
        lab.ask(COUNT)
    assert lab.ask(COUNT) == [(1,)]
    with pytest.raises(NotFoundError, match=r"no table nba_raw\.gamez"):
        lab.ask("SELECT * FROM nba_raw.gamez")
    with pytest.raises(DataError):
        lab.ask("SELEC 1")
    told = [event.fields["error"] for event in lab.events if event.kind == "warehouse.query_failed"]
    assert told == ["unavailable", "not_found", "data"]


@pytest.mark.parametrize("error", [NotAuthorisedError("no metadata for you"), UnavailableError("down")])
def test_who_may_not_ask_for_metadata_is_answered_by_the_engine(lab: GatewayLab, error: NbactlError) -> None:
    lab.ask(COUNT)
    lab.engine.refuses = error
    assert lab.ask(COUNT) == [(1,)]
    assert lab.answered == {"engine": 2}


def test_a_large_result_is_not_kept(lab: GatewayLab) -> None:
    lab.load(*[f"g{number}" for number in range(1_000)])
    for _ in range(2):
        assert len(lab.ask("SELECT * FROM nba_raw.games")) == 1_001
    assert lab.answered == {"engine": 2}
    assert len(lab.gateway._results) == 0


def test_threads_that_ask_the_same_at_the_same_time_ask_the_engine_once(lab: GatewayLab) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        assert go_on.wait(20)

    lab.engine.before = hold
    rows: list[Any] = []
    threads = [threading.Thread(target=lambda: rows.append(lab.ask(COUNT)), daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert asked.wait(20)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert rows == [[(1,)]] * 8
    assert len(lab.engine.asked) == 1


def test_a_caller_in_a_hurry_does_not_fail_one_that_has_time(lab: GatewayLab) -> None:
    asked, go_on = threading.Event(), threading.Event()
    ends: list[Any] = []

    def hold() -> None:
        lab.engine.before = lambda: None
        asked.set()
        assert go_on.wait(20)
        raise TimedOutError("the first one ran out of time")

    def ask() -> None:
        try:
            ends.append(lab.ask(COUNT))
        except TimedOutError as error:
            ends.append(error.message)

    lab.engine.before = hold
    first, second = threading.Thread(target=ask, daemon=True), threading.Thread(target=ask, daemon=True)
    first.start()
    assert asked.wait(20)
    second.start()
    flights = lab.gateway._results._flights
    while not any(flight.landed._waiters for flight in list(flights.values())):
        threading.Event().wait(0.001)
    go_on.set()
    first.join(20)
    second.join(20)
    assert sorted(ends, key=str) == [[(1,)], "the first one ran out of time"]
