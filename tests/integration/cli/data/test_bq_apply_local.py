"""`nbactl bq apply` on local: the same steps on DuckDB."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from tests.integration.cli.data.conftest import GAMES

if TYPE_CHECKING:
    from pathlib import Path

WAY = f"""CREATE TABLE `{GAMES}` (game_date DATE, game_id STRING, home_points STRING)
PARTITION BY game_date CLUSTER BY game_id"""


def numbers(state: Path) -> list[str]:
    with Container(load_settings({"state_dir": str(state)}, {}, state), reads_only=True) as app:
        sql = f"SELECT CAST(home_points AS STRING) FROM `{GAMES}`"  # noqa: S608
        return sorted(value for (value,) in app.warehouse.query(sql, timeout=30).rows)


def test_a_local_table_is_rebuilt_and_changed_back(call: Any, state: Path) -> None:
    before = numbers(state)
    (state.parent / "t.sql").write_text(WAY)
    done = call("bq", "apply", "--schema", "t.sql", "--drop-columns", "--yes", "-o", "json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["data"]["tables"][0]["stage"] == "applied"
    assert numbers(state) == before
    assert "1 table as declared" in call("bq", "plan", "--schema", "t.sql").err
    undone = call("bq", "apply", "--undo", "--table", GAMES, "--yes")
    assert undone.code == 0, undone.err
    assert numbers(state) == before
    assert "1 table as declared" in call("bq", "plan", GAMES).err
