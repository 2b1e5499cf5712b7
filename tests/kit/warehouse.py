"""A warehouse on disk with all tables, in which tests compute the analytics of a date."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline.sources import open_source
from nbactl.ports.warehouse import Rows
from nbactl.testing import FakeClock
from nbactl.warehouse.tables import ensure_tables, load_tables
from tests.kit.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

PHASE3: Final = (
    "nba_analytics.team_offense_game_summary",
    "nba_analytics.team_defense_game_summary",
    "nba_analytics.player_game_summary",
    "nba_analytics.upcoming_player_game_context",
    "nba_analytics.upcoming_team_game_context",
)
PHASE4: Final = (
    "nba_precompute.team_defense_zone_analysis",
    "nba_precompute.player_shot_zone_analysis",
    "nba_precompute.player_daily_cache",
    "nba_precompute.player_composite_factors",
    "nba_precompute.ml_feature_store",
)
TABLES: Final = PHASE3 + PHASE4
FROM_BEFORE: Final = TABLES[3:]
"""The tables of a date that may use earlier dates only."""
TIMEOUT: Final = 30.0


class Lab(Pipeline):
    """The processors over one warehouse file, with rows put straight into its raw tables."""

    def __init__(self, folder: Path, spec: str = "sample") -> None:
        super().__init__(folder, open_source(spec, FakeClock()))

    def compute(self, day: date, tables: Sequence[str] = TABLES) -> dict[str, int | None]:
        """Compute tables of a date, in the order of their needs; returns the rows of each."""
        return {table: self.run(table, day).rows for table in tables}

    def replace(self, table: str, days: Sequence[date], rows: Sequence[dict[str, Any]]) -> None:
        """Replace the partitions of `days` in a raw table."""
        columns = tuple(column.name for column in load_tables()[table].columns)
        values = [tuple(row.get(column) for column in columns) for row in rows]
        ensure_tables(self.warehouse, (table,))
        self.warehouse.replace_partitions(table, days, Rows(columns, values), timeout=TIMEOUT)

    def partition(self, table: str, day: date) -> list[dict[str, Any]]:
        """Return the partition of a date."""
        return self.rows(f"SELECT * FROM {table} WHERE game_date = @day", day=day)  # noqa: S608 - a table of ours

    def row(self, table: str, day: date, **keys: str) -> dict[str, Any]:
        """Return the only row of a date with these values."""
        (found,) = (row for row in self.partition(table, day) if all(row[key] == value for key, value in keys.items()))
        return found

    def digest(self, table: str, day: date) -> str:
        """Return a hash of every bit of a partition, whatever the order of its rows."""
        rows = self.partition(table, day)
        lines = sorted(repr([(name, _bits(value)) for name, value in row.items()]) for row in rows)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _bits(value: object) -> object:
    return value.hex() if isinstance(value, float) else value
