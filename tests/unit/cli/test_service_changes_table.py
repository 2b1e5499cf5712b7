"""The table of changes keeps its ids in one piece on a terminal of 80 columns, because they are copied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nbactl.bootstrap import Container
from nbactl.cli.services.change.command import ChangeList
from nbactl.cli.services.change.view import change_list
from nbactl.config.settings import load_settings
from nbactl.deployments.records import ChangeRecord, ServiceChange
from nbactl.ports.services import ServiceEdit
from tests.kit.shown import terminal

if TYPE_CHECKING:
    from pathlib import Path

ID = "svc-1m8pybctvpm9eftf"
NAMES = ("nba-phase3-analytics-processors", "prediction-coordinator", "prediction-worker")


def test_columns_are_left_out_before_the_id_is_folded(tmp_path: Path) -> None:
    edit = ServiceEdit({"LOG_LEVEL": "a", "TRACE": "b", "MODE": "c"})
    services = tuple(ServiceChange(name, ServiceEdit(), edit, "done") for name in NAMES)
    change = ChangeRecord(ID, datetime(2026, 1, 15, 12, tzinfo=UTC), "mia@host", "slow players", "p/r", services)
    with Container(load_settings({"state_dir": str(tmp_path)}, {}, tmp_path)) as app:
        shown = terminal(change_list(ChangeList((change,), None), app).show)
    header, row, *_ = shown.splitlines()
    assert header.split("  ")[0] == "CHANGE"
    assert row.split() == [ID, "2026-01-15", "12:00", "unfinished", "LOG_LEVEL", "and", "2", "more"]
