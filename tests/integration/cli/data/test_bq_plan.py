"""`nbactl bq plan` against the loopback BigQuery server, and on local."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.main import main
from nbactl.ports.warehouse import Column, Rows
from nbactl.testing import bigquery_server
from nbactl.warehouse.plan import changes
from nbactl.warehouse.tables import ensure_tables, load_tables
from tests.integration.cli.data.conftest import COLUMNS, D1, D2, D3, GAMES, REFUSED, Done, games
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOXSCORES, INJURIES = "nba_raw.player_boxscores", "nba_raw.injuries"
"""A table that is not partitioned, and a view that has a table's name."""


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    declared = load_tables()[GAMES]
    odd = replace(
        declared,
        columns=(*declared.columns[:9], Column("legacy", "STRING"), *declared.columns[10:]),
        cluster_by=("season", "legacy"),
        description='It\'s "old".',
    )
    with (
        bigquery_server(project=PROJECT, location=LOCATION) as running,
        closing(bigquery_warehouse(running.address)) as warehouse,
    ):
        ensure_tables(warehouse, (REFUSED,))
        warehouse.create_table(odd)
        rows = [*games(D1, 12), *games(D2, 3), *games(D3, 1)]
        warehouse.replace_partitions(GAMES, (D1, D2, D3), Rows(COLUMNS, rows), timeout=30)
        warehouse.create_table(replace(load_tables()[BOXSCORES], partition_by=None))
        warehouse.apply_ddl(["CREATE VIEW nba_raw.injuries AS SELECT game_id FROM nba_raw.games"], timeout=30)
        yield running


@pytest.fixture
def call(server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.address)

    def run(*words: str, region: str = LOCATION) -> Done:
        code = main(["bq", "plan", *words, "--target", "gcp", "--project", PROJECT, "--region", region])
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def low_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rewrite pays for a table of a few rows."""
    monkeypatch.setattr(changes, "GAINS_FROM", 1)


@pytest.mark.usefixtures("low_gate")
def test_the_differences_of_a_table_have_their_way_steps_and_price(call: Any) -> None:
    done = call(GAMES, REFUSED, "--drop-columns", "-o", "json")
    assert done.code == 0
    assert done.data["unchanged"] == [REFUSED]
    [table] = done.data["tables"]
    assert [(change["kind"], change["column"], change["how"]) for change in table["changes"]] == [
        ("missing_column", "periods", "in_place"), ("extra_column", "legacy", "in_place"),
        ("clustering", None, "rewrite"), ("description", None, "in_place"),
    ]  # fmt: skip
    assert table["changes"][3]["actual"] == 'It\'s "old".'
    assert table["before"]["rows"] == 16
    assert table["before"]["partitions"] == 3
    assert table["before"]["etag"]
    rewrite = table["steps"][-2]
    assert rewrite["bytes_read"] > rewrite["bytes_written"] == table["before"]["bytes"] > 0
    assert rewrite["usd"] == "0.0001", "at least 10 MB are billed"
    assert done.data["summary"] == {"in_place": 3, "rewrite": 1, "rebuild": 0, "refused": 0}


def test_three_calls_find_what_differs_in_a_dataset_and_one_reads_it_again(call: Any, server: Any) -> None:
    before, jobs = len(server.requests), len(server.jobs())
    assert call(GAMES, REFUSED).code == 0
    sent = [
        path.rpartition("/v2/")[2]
        for method, path in server.requests[before:]
        if "/queries/" not in path and "/jobs/" not in path
    ]
    tables = f"projects/{PROJECT}/datasets/nba_raw/tables"
    assert sorted(sent) == sorted([tables, *[f"projects/{PROJECT}/jobs"] * 2, f"{tables}/games"])
    assert {job["statement"] for job in server.jobs()[jobs:]} == {"SELECT"}
    labels = {"tool": "nbactl", "service": "nbactl", "command": "bq_plan"}
    assert [job["labels"] for job in server.jobs()[jobs:]] == [labels] * 2


def test_the_exit_code_says_whether_something_differs_only_if_it_is_asked(call: Any) -> None:
    assert call(REFUSED, "--detailed-exitcode").code == 0
    assert call(GAMES, "--detailed-exitcode").code == 3
    assert call(INJURIES, "--detailed-exitcode").code == 3
    same = call(REFUSED)
    assert same.code == 0
    assert "Nothing to do: 1 table as declared." in same.err


@pytest.mark.usefixtures("low_gate")
def test_a_person_reads_what_is_changed_how_and_what_is_lost(call: Any) -> None:
    done = call(GAMES, BOXSCORES, INJURIES, "--drop-columns")
    assert "clustering season, legacy → game_id" in done.out
    assert "bq update --clustering_fields=game_id test-1:nba_raw.games" in done.out
    assert "lost: the values of legacy" in done.out
    assert "partitioning none → game_date (DAY)" in done.out
    assert "lost: row access policies" in done.out
    assert "27 more lines: use -o wide or -o json" in done.out
    assert "not a table but a view" in done.out
    assert "3 of 3 tables differ: 3 in place, 1 rewrite, 1 rebuild, 1 refused, about $0.00." in done.err
    assert "`source_player_id` STRING" in call(BOXSCORES, "-o", "wide").out


def test_the_plan_is_written_whole_or_not_at_all(call: Any, tmp_path: Path) -> None:
    done = call(GAMES, "--out", "plan.json")
    assert done.code == 0
    assert "The plan is in" in done.err
    kept = json.loads((tmp_path / "plan.json").read_text())
    assert kept["form"] == "nbactl/bq-plan/v1"
    assert (kept["project"], kept["location"]) == (PROJECT, LOCATION)
    assert kept["tables"][0]["before"].keys() >= {"etag", "schema_digest", "rows", "modified"}
    assert call(GAMES, "--out", "none/plan.json").code == 2
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["plan.json"]


def test_ddl_files_are_compared_instead_of_tables_yaml(call: Any, tmp_path: Path) -> None:
    (tmp_path / "t.sql").write_text("CREATE TABLE nba_raw.new (a INTEGER NOT NULL, at TIMESTAMP) PARTITION BY DATE(at)")
    [table] = call("--schema", "t.sql", "-o", "json").data["tables"]
    assert table["steps"][0]["statements"] == [
        "CREATE TABLE `nba_raw.new` (\n  `a` INT64 NOT NULL,\n  `at` TIMESTAMP\n)\nPARTITION BY DATE(`at`)"
    ]
    missing = call("nba_raw.nwe", "--schema", "t.sql")
    assert missing.code == 4
    assert "Did you mean 'nba_raw.new'?" in missing.err
    (tmp_path / "t.sql").write_text("CREATE TABLE nba_raw.new (a INT64 NOT NULL")
    broken = call("--schema", "t.sql")
    assert broken.code == 1
    assert "t.sql:1:" in broken.err
    (tmp_path / "t.sql").write_text("CREATE TABLE nba_rwa.new (a INT64)")
    elsewhere = call("--schema", "t.sql")
    assert elsewhere.code == 4
    assert "there is no dataset nba_rwa" in elsewhere.err
    assert "Did you mean 'nba_raw'?" in elsewhere.err


def test_bad_input_says_what_to_do(call: Any, server: Any) -> None:
    unknown = call("nba_raw.gams")
    assert (unknown.code, "Did you mean 'nba_raw.games'?" in unknown.err) == (4, True)
    far = call(GAMES, region="europe-west1")
    assert (far.code, f"--location {LOCATION}" in far.err) == (6, True)
    server.deny("bigquery.tables.list")
    try:
        denied = call(GAMES)
    finally:
        server.allow()
    assert (denied.code, "roles/bigquery" in denied.err) == (5, True)


def test_without_names_a_dataset_that_is_missing_has_missing_tables(call: Any) -> None:
    done = call("-o", "json")
    by_name = {table["table"]: table for table in done.data["tables"]}
    assert by_name["nba_orchestration.workflow_decisions"]["changes"][0]["kind"] == "missing_table"
    assert by_name["nba_orchestration.workflow_decisions"]["before"] is None
    assert len(by_name) + len(done.data["unchanged"]) == len(load_tables())
    assert call("nba_orchestration.workflow_decisions").code == 4


def test_on_local_the_same_is_compared_without_prices(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(state.parent)
    words = ["bq", "plan", "--state-dir", str(state), "-o", "json"]
    assert main([*words, GAMES, "nba_raw.player_boxscores"]) == 0
    found = json.loads(capsys.readouterr().out)["data"]
    assert found["unchanged"] == [GAMES]
    [missing] = found["tables"]
    assert missing["steps"][0]["usd"] is None
    assert (found["project"], found["prices_as_of"]) == (None, None)
