from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import PreconditionError
from tests.kit.warehouse import Lab

if TYPE_CHECKING:
    from pathlib import Path


def test_a_table_is_looked_at_once_however_many_dates_are_processed(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.resources.ensure_tables("nba_raw.games")
    assert lab.warehouse.list_tables() == ["nba_raw.games"]
    lab.warehouse.close()
    lab.resources.ensure_tables("nba_raw.games")
    with pytest.raises(PreconditionError, match="closed"):
        lab.resources.ensure_tables("nba_raw.games", "nba_raw.odds")


def test_the_resources_of_another_warehouse_look_again(tmp_path: Path) -> None:
    one, other = Lab(tmp_path / "one"), Lab(tmp_path / "other")
    one.resources.ensure_tables("nba_raw.games")
    replace(one.resources, warehouse=lambda: other.warehouse).ensure_tables("nba_raw.games")
    assert other.warehouse.list_tables() == ["nba_raw.games"]
    for lab in (one, other):
        lab.warehouse.close()
