"""Runs by services that need BigQuery: ranges go by the schedule there, lost calls are found in the run history."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from nbactl.ports.documents import Set
from nbactl.ports.warehouse import Rows
from nbactl.warehouse.tables import ensure_tables
from tests.integration.runs.gcp_project import ANALYTICS
from tests.kit.pipeline_services import HISTORY

if TYPE_CHECKING:
    from nbactl.ports.warehouse import Warehouse
    from tests.integration.runs.gcp_project import GcpProject

OFFENSE = "team_offense_game_summary"


def play(warehouse: Warehouse, *days: str) -> None:
    ensure_tables(warehouse, ["nba_raw.games"])
    columns = ("game_id", "game_date", "season", "home_team_abbr", "away_team_abbr", "game_status", "source")
    games = [(day, date.fromisoformat(day), "2023-24", "BOS", "LAL", "final", "x") for day in days]
    warehouse.load("nba_raw.games", Rows(columns, games), timeout=30.0)


def test_a_range_is_the_dates_of_the_schedule_in_the_warehouse(gcp: GcpProject, warehouse: Warehouse) -> None:
    play(warehouse, "2024-01-15", "2024-01-17")
    gcp.documents.commit([Set(f"phase2_completion/2024-01-{day}", {"_triggered": True}) for day in (15, 16, 17, 18)])
    document = gcp("run", OFFENSE, "--from", "2024-01-15", "--to", "2024-01-18", code=3)
    assert [seen.body["start_date"] for seen in gcp.services.requests] == ["2024-01-15", "2024-01-17"]
    assert document["warnings"][0] == "no games on 1 of the dates: 2024-01-16"
    assert "(2024-01-18)" in document["warnings"][1]  # the schedule ends before it
    outside = gcp("run", OFFENSE, "--from", "2025-01-15", "--to", "2025-01-18", code=1)["error"]
    assert outside["message"].startswith("the schedule in nba_raw.games does not cover 2025-01-15 to 2025-01-18")


def test_a_lost_call_is_found_in_the_run_history(gcp: GcpProject, warehouse: Warehouse) -> None:
    warehouse.create_table(HISTORY)
    gcp.services.documents, gcp.services.warehouse = None, warehouse
    gcp.services.behave(ANALYTICS, "cut_after")
    task = gcp.run(OFFENSE)[OFFENSE]
    assert (task["status"], task["rows"]) == ("succeeded", 7)
    assert task["detail"]["execution_id"] == f"exec-1-{OFFENSE}"
    assert len(gcp.services.requests) == 1
