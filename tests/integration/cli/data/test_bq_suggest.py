"""`nbactl bq plan --suggest` against the loopback BigQuery server: advice from its own job history."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.main import main
from nbactl.ports.warehouse import Rows
from nbactl.testing import bigquery_server
from nbactl.warehouse.plan import changes
from nbactl.warehouse.tables import load_tables
from tests.integration.cli.data.conftest import COLUMNS, D1, D2, D3, GAMES, Done, games
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUERIES = [
    "SELECT home_points FROM nba_raw.games WHERE home_team_abbr = 'BOS' AND game_status = 'final'",
    "SELECT away_points FROM nba_raw.games WHERE home_team_abbr = 'LAL'",
    "SELECT home_points FROM `test-1.nba_raw.games` WHERE season > '2020' AND game_date = '2024-10-22'",
    "SELECT home_points FROM nba_raw.games WHERE home_team_abbr = @team",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with (
        bigquery_server(project=PROJECT, location=LOCATION) as running,
        closing(bigquery_warehouse(running.address)) as warehouse,
    ):
        warehouse.create_table(replace(load_tables()[GAMES], cluster_by=("game_id",)))
        rows = [*games(D1, 12), *games(D2, 3), *games(D3, 1)]
        warehouse.replace_partitions(GAMES, (D1, D2, D3), Rows(COLUMNS, rows), timeout=30)
        for sql in QUERIES:
            warehouse.query(sql, {"team": "BOS"} if "@" in sql else None, timeout=30, cache=False)
        yield running


@pytest.fixture
def call(server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.address)
    monkeypatch.setattr(changes, "GAINS_FROM", 1)

    def run(*words: str) -> Done:
        code = main(["bq", "plan", *words, "--target", "gcp", "--project", PROJECT, "--region", LOCATION])
        return Done(code, *capsys.readouterr())

    return run


def test_the_columns_that_queries_filter_by_are_suggested_with_their_reasons(call: Any, server: Any) -> None:
    before = len(server.jobs())
    done = call(GAMES, "--suggest", "-o", "json")
    assert done.code == 0
    [suggestion] = done.data["suggestions"]
    assert (suggestion["table"], suggestion["columns"], suggestion["current"]) == (
        GAMES, ["home_team_abbr", "game_status"], ["game_id"],
    )  # fmt: skip
    assert suggestion["yaml"] == "cluster_by: [home_team_abbr, game_status]"
    reasons = {reason["column"]: (reason["use"], reason["queries"], reason["used"]) for reason in suggestion["reasons"]}
    assert reasons["home_team_abbr"] == ("equality", 3, True)
    assert reasons["season"] == ("range", 1, False)
    assert "game_date" not in reasons, "the partitions do its work"
    assert suggestion["dry_run_bytes"] > 0
    assert suggestion["estimate"] is None
    assert {job["statement"] for job in server.jobs()[before:]} == {"SELECT"}, "nothing is changed"
    assert done.data["tables"] == [], "the plan itself is there too"


def test_a_person_can_paste_the_line_into_tables_yaml(call: Any) -> None:
    done = call(GAMES, "--suggest")
    assert "  cluster_by: [home_team_abbr, game_status]\n" in done.out
    assert "home_team_abbr: equal to a value in 3 queries" in done.out
    assert "season: by range in 1 query" in done.out
    assert "1 of 1 table would gain by another clustering." in done.err
    assert "nothing was changed" in done.err


def test_what_a_sample_says_is_called_an_estimate(call: Any) -> None:
    [suggestion] = call(GAMES, "--suggest", "--estimate", "-o", "json").data["suggestions"]
    assert suggestion["estimate"]["is_estimate"] is True
    assert suggestion["estimate"]["sampled_rows"] == 16
    assert suggestion["estimate"]["distinct_values"]["home_team_abbr"] == 1
    assert "estimate from a sample, not a promise" in call(GAMES, "--suggest", "--estimate").out


def test_a_small_table_gets_none(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "GAINS_FROM", 2**26)
    done = call(GAMES, "--suggest", "-o", "json")
    assert done.data["suggestions"] == []
    assert done.data["not_suggested"][0]["verdict"] == "too_small"
    assert "No partition is above 64 MB" in call(GAMES, "--suggest").out


def test_bad_input_says_what_to_do(call: Any, server: Any, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--estimate").code == 2
    assert call("--suggest", "--out", "plan.json").code == 2
    assert call("--suggest", "--detailed-exitcode").code == 2
    server.deny("bigquery.jobs.listAll")
    try:
        denied = call(GAMES, "--suggest")
    finally:
        server.allow()
    assert denied.code == 5
    assert main(["bq", "plan", GAMES, "--suggest", "--state-dir", str(state)]) == 6
    assert "target local has no history of jobs" in capsys.readouterr().err
