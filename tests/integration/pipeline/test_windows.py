"""Statements read what they declare: no partition outside of a window matters, the first and the last one do."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.pipeline.statements import date_parameters, table_sql, windows
from nbactl.warehouse.tables import ensure_tables
from tests.kit.mini_season import TRADE, USUAL, Game, put
from tests.kit.warehouse import TABLES, Lab

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DAY = TRADE
OFFSETS = (-740, -731, -730, -366, -365, -2, -1, 0, 1)
SEASON_OF = {-740: "2021-22", -731: "2021-22", -730: "2021-22"}
"""The games of a year before are of this season as well, so that it reaches as far back as its window."""


def game(offset: int) -> Game:
    """Return a game like no other, so that it is missed wherever it counts."""
    made = OFFSETS.index(offset) + 1
    line = replace(USUAL, fg=(made, 16), three=(1, made + 1), offensive_rebounds=made, turnovers=made)
    return Game(
        DAY + timedelta(days=offset),
        "BOS",
        "ATL",
        (4 * 20 + line.points, 100),
        season=SEASON_OF.get(offset, "2023-24"),
        lines=(("bos1", line),),
    )


ENDS = {
    table: {
        (read, offset): window.first <= offset <= window.last
        for read, window in windows(table).items()
        for offset in (window.first - 1, window.first, window.last, window.last + 1)
    }
    for table in TABLES
}
"""The partitions at the ends of what a statement reads, and whether they are inside of it."""
READ = {end for ends in ENDS.values() for end in ends}


class Partitions:
    """A warehouse whose tables have a partition at each end of a window."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        games = [game(offset) for offset in OFFSETS]
        put(lab, games)
        report = {"player_name": "Bos2", "team_abbr": "BOS", "status": "out", "reported_at": None, "source": "test"}
        injured = [{"game_date": one.day, "player_lookup": "bos2", **report} for one in games]
        lab.replace("nba_raw.injuries", [one.day for one in games], injured)
        ensure_tables(lab.warehouse, TABLES)
        for offset in OFFSETS:
            lab.compute(DAY + timedelta(days=offset), [table for table in TABLES if (table, offset) in READ])
        self._kept: dict[tuple[str, date], list[dict[str, Any]]] = {}

    def result_without(self, table: str, spoiled: Iterable[tuple[str, int]]) -> list[str]:
        """Return what the statement of `table` gives while these partitions are empty."""
        for read, offset in spoiled:
            self._spoil(read, DAY + timedelta(days=offset))
        try:
            return self.result(table)
        finally:
            for (read, day), rows in self._kept.items():
                self.lab.replace(read, [day], rows)
            self._kept.clear()

    def _spoil(self, table: str, day: date) -> None:
        self._kept[table, day] = self.lab.partition(table, day)
        assert self._kept[table, day], f"nothing is in {table} on {day}"
        # The games of the date itself say which season it is in, which shows when a new one begins.
        left = [row | {"season": "2024-25"} for row in self._kept[table, day]]
        self.lab.replace(table, [day], left if (table, day) == ("nba_raw.games", DAY) else [])

    def result(self, table: str) -> list[str]:
        rows = self.lab.warehouse.query(table_sql(table), date_parameters([DAY]), timeout=30.0).rows
        return sorted(map(repr, rows))


@pytest.fixture(scope="module")
def partitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Partitions]:
    lab = Lab(tmp_path_factory.mktemp("windows"))
    yield Partitions(lab)
    lab.warehouse.close()


@pytest.mark.parametrize("table", TABLES)
def test_no_partition_outside_of_the_windows_matters_and_their_ends_do(partitions: Partitions, table: str) -> None:
    first = partitions.result(table)
    assert first
    inside = [end for end, is_inside in ENDS[table].items() if is_inside]
    assert [end for end in inside if partitions.result_without(table, [end]) == first] == [], "declared without need"
    outside = [end for end, is_inside in ENDS[table].items() if not is_inside]
    assert partitions.result_without(table, outside) == first, (
        f"{table} reads one of {outside}, which it does not declare"
    )
