"""The grid on target gcp: documents and tables of production, the ledger in Firestore, few queries of BigQuery."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.ports.documents import Set
from nbactl.ports.warehouse import Rows
from nbactl.testing import bigquery_server
from tests.integration.runs.gcp_project import DAY
from tests.kit.bigquery import bigquery_warehouse
from tests.kit.league import League
from tests.kit.production import PHASE4, pending, phase_document, report, triggered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.warehouse import Warehouse
    from nbactl.testing.bigquery.server import BigQueryServer
    from tests.integration.runs.gcp_project import GcpProject

TODAY = date.fromisoformat(DAY)
OFFENSE = "team_offense_game_summary"
TABLE = f"nba_analytics.{OFFENSE}"


@pytest.fixture
def server(gcp: GcpProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQueryServer]:
    with bigquery_server(project=gcp.project, location="us-west2") as opened:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", opened.address)
        yield opened


@pytest.fixture
def tables(gcp: GcpProject, server: BigQueryServer) -> Iterator[Warehouse]:
    opened = bigquery_warehouse(server.address, project=gcp.project)
    yield opened
    opened.close()


def states(gcp: GcpProject, code: int) -> dict[str, tuple[str, str | None, str | None]]:
    outputs: list[dict[str, Any]] = gcp("expect", "--date", DAY, code=code)["data"]["outputs"]
    return {output["name"]: (output["state"], output["by"], output["reason"]) for output in outputs}


def test_inv_29_holes_of_production_are_found_and_mended(
    gcp: GcpProject, tables: Warehouse, server: BigQueryServer, tmp_path: Path
) -> None:
    options = ("--in-process", "--source", f"path:{League(tmp_path / 'league', {TODAY: 20}).folder}")
    gcp("run", "phase1", "phase2", "phase3", "--date", DAY, *options)
    columns = tuple(column.name for column in tables.table(TABLE).schema.columns)
    tables.replace_partitions(TABLE, [TODAY], Rows(columns, []), timeout=30.0)
    done = phase_document(PHASE4, **pending())
    gcp.documents.commit([Set(f"phase4_completion/{DAY}", done)])
    found = states(gcp, code=1)
    assert found["player_game_summary"][0] == "COMPLETE"
    assert found[OFFENSE][::2] == ("MISSING", "no row: the date has 1 games over")
    # Reported as done, and there is no row.
    assert found["team_defense_zone_analysis"] == ("MISSING", "orchestrator", "no row: the date has 1 games")
    # Nobody has played before: the tables of players are rightly empty.
    assert found["ml_feature_store"][0] == "EMPTY_OK"
    # The hand-off is pending, so what comes after it is late, not forgotten.
    assert found["player_prop_predictions"][0] == "LATE"
    assert found["predictions_export"][0] == "LATE"

    plan = gcp("run", "phase3", "--gaps", "--date", DAY, *options, "--dry-run")["data"]["plan"]
    actions = {task["name"]: task["state"] for run in plan for task in run["tasks"] if run["name"] == "phase3"}
    assert (actions[OFFENSE], actions["upcoming_team_game_context"]) == ("undone", "fresh")
    gcp("run", "phase3", "--gaps", "--date", DAY, *options)
    assert states(gcp, code=1)[OFFENSE][0] == "COMPLETE"
    assert gcp("run", "phase3", "--gaps", "--date", DAY, *options)["data"]["runs"] == []

    failed = phase_document(PHASE4, **triggered(), player_daily_cache=report("failed", minute=3))
    gcp.documents.commit([Set(f"phase4_completion/{DAY}", failed)])
    assert states(gcp, code=1)["player_daily_cache"][0] == "FAILED"

    before = len(server.jobs())
    gcp("expect", "--from", "2023-12-25", "--to", "2024-01-24", code=1)
    assert len(server.jobs()) - before <= 4


@pytest.mark.usefixtures("server")
def test_inv_29_a_phase_that_production_leaves_no_record_of_is_there_if_a_later_one_is(gcp: GcpProject) -> None:
    names = ("p2_odds_game_lines", "p2_nbacom_gamebook_pdf", "p2_nbacom_boxscores", "p2_bigdataball_pbp")
    done = phase_document((*names, "p2_odds_player_props"), **triggered())
    gcp.documents.commit([Set(f"phase2_completion/{DAY}", done)])
    found = {output["name"]: output for output in gcp("expect", "--date", DAY, code=1)["data"]["outputs"]}
    reason = "production keeps no record of it; phase2 is by orchestrator"
    assert [found["schedule"][key] for key in ("state", "by", "reason")] == ["COMPLETE", "unknown", reason]
