"""A day of the hourly controller, replayed: how many of its queries the gateway answers from memory.

Each hour the controller looks at every workflow and decides; five minutes later, before anything is started, what was
decided is looked at once more. Each time it asks for the games of the date, for the last execution of the workflow, and
for what its source has collected so far. What runs changes its table and is written down as an execution.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.ports.warehouse import Column, Rows, TableSchema
from nbactl.testing import FakeClock
from nbactl.warehouse.gateway import QueryGateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.core.observe.events import Event

TIMEOUT: Final = 30.0
TTL: Final = 3600.0
"""QUERY_CACHE_TTL_SECONDS of the shipped flags.yaml; with four hours it would be more."""
DAY: Final = date(2024, 1, 15)
EXECUTIONS: Final = "nba_orchestration.workflow_executions"
RUNS: Final = {
    "morning_operations": ("nba_raw.games", (6,)),
    "morning_recovery": ("nba_raw.games", (7,)),
    "betting_lines": ("nba_raw.odds", (9, 12, 15, 17, 18)),
    "injury_discovery": ("nba_raw.injuries", (11, 13, 17)),
    "referee_discovery": ("nba_raw.referees", (10, 14)),
    "post_game": ("nba_raw.player_boxscores", (22, 23)),
}
"""The table that a workflow changes, and the hours at which it runs."""
GAMES_OF_THE_DAY: Final = "SELECT COUNT(*) AS games FROM nba_raw.games WHERE game_date = @day"
LAST_EXECUTION: Final = f"""
SELECT MAX(execution_time) AS at, COUNTIF(status = 'failed') AS failures
FROM {EXECUTIONS} WHERE workflow_name = @workflow AND game_date = @day"""  # noqa: S608 - a table of ours
COLLECTED: Final = "SELECT COUNT(*) AS collected FROM {} WHERE game_date = @day"


class Day:
    """The warehouse of one day, with the gateway's flag on."""

    def __init__(self, folder: Path, ttl: float) -> None:
        self.clock = FakeClock(datetime(2024, 1, 15, 5, 0, tzinfo=UTC))
        self.engine = DuckDbWarehouse(folder / "w.duckdb", clock=self.clock, lock_wait=5.0, holder="test")
        self.answered: Counter[str] = Counter()
        self.gateway = QueryGateway(self.engine, self.clock, enabled=lambda _: True, ttl=lambda _: ttl, hook=self._hear)
        for table in {table for table, _ in RUNS.values()}:
            self.engine.create_table(TableSchema(table, (Column("game_date", "DATE"), Column("game_id", "STRING"))))
            self._change(table)
        columns = (
            Column("execution_time", "TIMESTAMP"),
            Column("workflow_name", "STRING"),
            Column("game_date", "DATE"),
            Column("status", "STRING"),
        )
        self.engine.create_table(TableSchema(EXECUTIONS, columns))
        self._note("morning_operations")

    def _hear(self, event: Event) -> None:
        if event.kind == "warehouse.queried":
            self.answered[event.fields["answered_by"]] += 1

    def replay(self) -> None:
        for hour in range(24):
            self._look()
            self.clock.advance(300.0)
            self._look()
            self.clock.advance(600.0)
            for workflow, (table, hours) in RUNS.items():
                if hour in hours:
                    self._change(table)
                    self._note(workflow)
            self.clock.advance(2700.0)

    def _look(self) -> None:
        for workflow, (table, _) in RUNS.items():
            self._ask(GAMES_OF_THE_DAY)
            self._ask(LAST_EXECUTION, workflow=workflow)
            self._ask(COLLECTED.format(table))

    def _ask(self, sql: str, **parameters: str) -> None:
        given = {"day": DAY, **parameters}
        fresh = self.engine.query(sql, given, timeout=TIMEOUT).rows
        assert self.gateway.query(sql, given, timeout=TIMEOUT).rows == fresh

    def _change(self, table: str) -> None:
        self.engine.load(table, Rows(("game_date", "game_id"), [(DAY, "g")]), timeout=TIMEOUT)
        self.clock.advance(1.0)

    def _note(self, workflow: str) -> None:
        columns = ("execution_time", "workflow_name", "game_date", "status")
        rows = Rows(columns, [(self.clock.now(), workflow, DAY, "succeeded")])
        self.engine.load(EXECUTIONS, rows, timeout=TIMEOUT)
        self.clock.advance(1.0)

    @property
    def hit_rate(self) -> float:
        return self.answered["result_cache"] / self.answered.total()


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    day = Day(tmp_path, TTL)
    yield day
    day.gateway.close()


def test_more_than_half_of_a_days_decision_queries_are_answered_from_memory_and_none_is_stale(day: Day) -> None:
    day.replay()
    assert day.answered.total() == 24 * 2 * len(RUNS) * 3
    assert day.hit_rate > 0.5
