"""The feature store reads the history of all players at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.ports.warehouse import Rows, Select
from tests.kit.mini_season import COMING, GAMES, TRADE, put
from tests.kit.warehouse import TABLES, Lab

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from nbactl.ports.warehouse import QueryResult, Replaced, Warehouse

FEATURES = TABLES[-1]


@dataclass(slots=True)
class Counted:
    """A warehouse that notes the SQL it is asked to run."""

    inner: Warehouse
    statements: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def query(self, sql: str, *arguments: Any, **options: Any) -> QueryResult:
        self.statements.append(sql)
        return self.inner.query(sql, *arguments, **options)

    def replace_partitions(self, table: str, days: Sequence[date], source: Select | Rows, **options: Any) -> Replaced:
        self.statements.append(source.sql if isinstance(source, Select) else table)
        return self.inner.replace_partitions(table, days, source, **options)


@pytest.mark.parametrize("newcomers", [0, 200])
def test_history_is_one_query_however_many_players(tmp_path: Path, newcomers: int) -> None:
    lab = Lab(tmp_path)
    put(lab, GAMES)
    rows = [row for game in GAMES if game.day == TRADE for row in game.player_rows()]
    more = [rows[0] | {"player_lookup": f"new{n}"} for n in range(newcomers)]
    lab.replace("nba_raw.player_boxscores", [TRADE], rows + more)
    lab.compute(COMING, TABLES[:-1])
    counted = Counted(lab.warehouse)
    lab.resources = replace(lab.resources, warehouse=lambda: counted)
    assert lab.run(FEATURES, COMING).rows == 20 + newcomers
    (statement,) = counted.statements
    assert "nba_raw.player_boxscores" in statement
    lab.warehouse.close()
