"""`nbactl validate overnight` on both targets: a night of ours, and one of production's programs."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.main import main
from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.history import PROCESSOR_RUNS
from nbactl.ports.documents import Delete
from nbactl.ports.warehouse import Rows
from nbactl.testing import FakeClock, bigquery_server, emulator_documents
from nbactl.warehouse.tables import load_tables
from nbactl.workflows.ledger import Ledger
from tests.kit import run_records
from tests.kit.bigquery import LOCATION, bigquery_warehouse
from tests.kit.league import League
from tests.kit.production import DAY, RUN_HISTORY, finished_night, put, put_rows, run_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import ColumnType
    from nbactl.testing.bigquery.server import BigQueryServer

PROJECT = f"test-{uuid.uuid4().hex[:20]}"
NIGHT = GameDate(date.fromisoformat(DAY))
EARLIER = timedelta(hours=2)
"""So much earlier than those of the kit are these documents: phase 4 has to be done by 06:00."""
TABLES = (
    "nba_raw.player_boxscores", "nba_raw.odds", "nba_analytics.player_game_summary",
    "nba_analytics.team_offense_game_summary", "nba_analytics.team_defense_game_summary",
    "nba_analytics.upcoming_player_game_context", "nba_analytics.upcoming_team_game_context",
    "nba_precompute.team_defense_zone_analysis", "nba_precompute.player_shot_zone_analysis",
    "nba_precompute.player_daily_cache", "nba_precompute.player_composite_factors", "nba_precompute.ml_feature_store",
    "nba_predictions.player_prop_predictions",
)  # fmt: skip


def shifted(value: Any, by: timedelta = EARLIER) -> Any:
    """Return a value with earlier times in it."""
    if isinstance(value, datetime):
        return value - by
    return {key: shifted(inner, by) for key, inner in value.items()} if isinstance(value, dict) else value


def phase_documents(night: GameDate = NIGHT) -> dict[str, Any]:
    """Return a document a phase, half an hour apart; the last completions are at 03:04, 03:34 and 04:04."""
    found = finished_night(str(night))
    earlier = EARLIER + (NIGHT.day - night.day)
    return {path: shifted(data, earlier + timedelta(hours=(4 - int(path[5])) / 2)) for path, data in found.items()}


COLUMNS: dict[str, ColumnType] = {
    "game_date": "DATE", "game_id": "STRING", "team_abbr": "STRING", "player_lookup": "STRING",
}  # fmt: skip
GAMES: dict[str, ColumnType] = {
    "game_date": "DATE", "game_id": "STRING", "home_team_abbr": "STRING", "away_team_abbr": "STRING",
    "game_status": "STRING", "season_type": "STRING", "tipoff_at": "TIMESTAMP",
}  # fmt: skip
"""The columns that are read, of the many that there are."""
ROWS = [
    {"game_date": NIGHT.day, "game_id": "0022400001", "team_abbr": team, "player_lookup": f"player{team.lower()}"}
    for team in ("ATL", "BOS")
]
KEPT = ("season_halts", "runs", *(f"phase{number}_completion" for number in (2, 3, 4)))
GAME = {
    "game_date": NIGHT.day, "game_id": "0022400001", "home_team_abbr": "ATL", "away_team_abbr": "BOS",
    "game_status": "final",
}  # fmt: skip


@pytest.fixture(scope="module")
def bigquery() -> Iterator[BigQueryServer]:
    """The tables of the night, and the history of production's processors."""
    with (
        bigquery_server(project=PROJECT, location=LOCATION) as server,
        closing(bigquery_warehouse(server.address, project=PROJECT)) as warehouse,
    ):
        put_rows(warehouse, "nba_raw.games", GAMES, [GAME])
        for table in TABLES:
            put_rows(warehouse, table, COLUMNS, ROWS)
        history = [
            shifted(run_row("PlayerDailyCacheProcessor", minute=-20)),
            shifted(run_row("p2_schedule", minute=-40)),
        ]
        put_rows(warehouse, PROCESSOR_RUNS, RUN_HISTORY, history)
        yield server


class Production:
    """The night of production's programs, and nbactl called beside it."""

    def __init__(self, store: DocumentStore, server: BigQueryServer, call: Callable[..., tuple[int, Any]]) -> None:
        self.store = store
        self.server = server
        self.call = call

    def validate(self) -> tuple[int, dict[str, Any]]:
        code, document = self.call("validate", "overnight", "--date", DAY)
        assert document["data"] is not None, document["error"]
        return code, document["data"]


@pytest.fixture
def production(
    tmp_path: Path,
    firestore_address: str,
    bigquery: BigQueryServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Production]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", bigquery.address)
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main([*words, "--target", "gcp", "--project", PROJECT, "--region", LOCATION, "-o", "json"])
        return code, json.loads(capsys.readouterr().out)

    batch = {
        "game_date": DAY, "expected_players": 2, "completed_players": ["a", "b"], "is_complete": True,
        "start_time": datetime(2025, 1, 16, 9, 10, tzinfo=UTC),
        "completion_time": datetime(2025, 1, 16, 9, 40, tzinfo=UTC), "correlation_id": "corr-1",
    }  # fmt: skip
    with closing(emulator_documents(firestore_address, PROJECT)) as store:
        put(store, {**phase_documents(), "prediction_batches/batch-1": batch})
        yield Production(store, bigquery, call)
        store.commit([Delete(f"{collection}/{name}") for collection in KEPT for name in store.list_ids(collection)])


def failed(data: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["detail"] for check in data["checks"] if check["ok"] is False}


def test_a_night_of_production_is_validated_by_a_bounded_number_of_queries(production: Production) -> None:
    before = len(production.server.jobs())
    code, data = production.validate()
    assert (code, failed(data)) == (0, {}), data
    assert data["ok"] is True
    # The calendar, the rows, and the run history: once for the date, once for the nights.
    assert len(production.server.jobs()) - before == 4
    phases = {phase["name"]: phase for phase in data["phases"]}
    fourth = phases["phase4"]
    assert (fourth["by"], fourth["complete"]) == ("production", True)
    assert fourth["started_at"] == "2025-01-16T08:40:00+00:00", "as the history has it"
    assert fourth["ended_at"] == "2025-01-16T09:04:00+00:00"
    assert fourth["due_at"] == "2025-01-16T11:00:00+00:00"
    assert (phases["phase5"]["run_id"], phases["phase5"]["ended_at"]) == ("batch-1", "2025-01-16T09:40:00+00:00")
    assert phases["phase6"]["complete"] is False
    assert {check["name"] for check in data["checks"] if check["ok"] is None} == {"due:phase1", "due:phase6"}
    nights = [NIGHT.plus(-number) for number in range(1, 31)]
    put(production.store, {path: data for night in nights for path, data in phase_documents(night).items()})
    before = len(production.server.jobs())
    timing = {one["name"]: one for one in production.validate()[1]["timing"]}
    assert len(production.server.jobs()) - before == 4, "of thirty nights as of none"
    assert (timing["phase4"]["nights"], timing["phase4"]["median_s"]) == (30, 240.0)
    assert timing["phase5"]["nights"] == 0


def test_a_lost_phase_a_late_one_and_a_fallback_are_found(production: Production) -> None:
    production.store.commit([Delete(f"phase2_completion/{DAY}"), Delete("prediction_batches/batch-1")])
    document = production.store.get(f"phase4_completion/{DAY}")
    assert document is not None
    late = {**document.data, "_trigger_reason": "deadline_with_4_of_5"}
    late["ml_feature_store"] = {**late["ml_feature_store"], "completed_at": datetime(2025, 1, 16, 11, 5, tzinfo=UTC)}
    put(production.store, {f"phase4_completion/{DAY}": late})
    code, data = production.validate()
    assert code == 1
    found = failed(data)
    assert found["due:phase4"] == "ended at 2025-01-16 06:05, due at 2025-01-16 06:00, 5m00s late"
    assert found["fallback"].endswith("phase4: handed on as deadline_with_4_of_5")
    assert "phase2" in found["ran"]


def test_inv_15_five_of_five_with_no_rows_is_found(production: Production, bigquery: BigQueryServer) -> None:
    table = "nba_analytics.player_game_summary"
    with closing(bigquery_warehouse(bigquery.address, project=PROJECT)) as warehouse:
        warehouse.apply_ddl([f"DROP TABLE {table}"], timeout=30)
        put_rows(warehouse, table, COLUMNS, [])
        try:
            code, data = production.validate()
        finally:
            warehouse.apply_ddl([f"DROP TABLE {table}"], timeout=30)
            put_rows(warehouse, table, COLUMNS, ROWS)
    assert code == 1
    assert failed(data)["rows"].startswith("player_game_summary MISSING (")
    phase = next(phase for phase in data["phases"] if phase["name"] == "phase3")
    assert phase["complete"] is True


def test_a_date_that_nobody_knows_is_not_found_and_an_idle_one_passes(production: Production) -> None:
    code, document = production.call("validate", "overnight", "--date", "2012-01-15")
    assert (code, document["data"]["checks"], document["error"]["code"]) == (4, [], "not_found")
    code, document = production.call("validate", "overnight", "--date", "2025-02-16")
    assert (code, document["data"]["idle"]) == (0, {"kind": "break", "reason": "All-Star break"})


def test_the_season_is_shown_by_the_deployed_schedule_and_halted_for_all(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the schedule was read last is known by our ledger as well as by production's history."""
    read_at = datetime(2025, 1, 16, 9, 2, tzinfo=UTC)
    done = replace(run_records.task("p2_schedule", "succeeded", 0.0), finished_at=read_at)
    ledger = Ledger(production.store, FakeClock(), is_dead=lambda _: False)
    ledger.start(run_records.run(done, name="phase2", run_id="run-0"), supersedes=None)
    code, document = production.call("season", "show", "--from", "2025-01-14", "--to", DAY)
    days = {day["date"]: (day["state"], day["games"]) for day in document["data"]["days"]}
    assert (code, days) == (0, {"2025-01-14": ("unknown", None), DAY: ("expected", 1)})
    assert document["data"]["as_of"] == read_at.isoformat()
    halted = ("season", "halt", "--from", DAY, "--until", DAY, "--reason", "wildfires")
    assert production.call(*halted, "--no-input")[0] == 2, "it asks"
    code, document = production.call(*halted, "--yes")
    assert code == 0
    _, document = production.call("season", "show", "--from", DAY, "--to", DAY)
    assert document["data"]["days"][0]["state"] == "halted"
    _, document = production.call("validate", "overnight", "--date", DAY)
    assert document["data"]["idle"] == {"kind": "halted", "reason": "wildfires"}
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    code, document = production.call("up", "--date", DAY, "--no-input")
    assert code == 2
    assert document["warnings"] == [f"{DAY} is halted until {DAY} (wildfires), which stops only what ticks start"]


def test_our_own_night_is_validated_by_the_ledger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is run today, long after it was due: all else is right. Then rows are deleted behind its back."""
    monkeypatch.chdir(tmp_path)
    day = date(2025, 1, 12)
    league = League(tmp_path / "league", {day - timedelta(days=number): 20 + number for number in range(3)})
    league.run("daily", days=[day])

    def validate() -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        where = ("--state-dir", str(league.state), "--date", str(day), "-o", "json")
        code = main(["validate", "overnight", *where])
        return code, json.loads(capsys.readouterr().out)["data"]

    code, data = validate()
    assert code == 1
    assert {check["name"] for check in data["checks"] if check["ok"]} == {"ran", "total", "fallback", "rows"}
    assert set(failed(data)) == {f"due:phase{number}" for number in range(1, 7)}
    assert {phase["by"] for phase in data["phases"]} == {"nbactl"}
    with league.open() as app:
        columns = tuple(column.name for column in load_tables()["nba_analytics.player_game_summary"].columns)
        app.warehouse.replace_partitions("nba_analytics.player_game_summary", [day], Rows(columns, []), timeout=30)
    code, data = validate()
    assert code == 1
    assert failed(data)["rows"].startswith("player_game_summary MISSING (")
