"""`nbactl bq lint` as it is called: on files, and on the views and scheduled queries of a project."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.checks.code.rules import RULES
from nbactl.checks.sql.tables import INGESTION
from nbactl.cli.bq.lint.command import partition_of
from nbactl.cli.main import main
from nbactl.ports.warehouse import Column, Rows, TableLayout, TableSchema
from nbactl.testing import bigquery_server
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Lint = Callable[..., tuple[int, Any, str]]

DECISIONS = "nba_orchestration.workflow_decisions"
FAULT = f"SELECT workflow_name\nFROM {DECISIONS}\nWHERE workflow_name = 'a'"


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with (
        bigquery_server(project=PROJECT, location=LOCATION) as running,
        closing(bigquery_warehouse(running.address)) as warehouse,
    ):
        columns = (Column("game_date", "DATE"), Column("workflow_name", "STRING"))
        warehouse.create_table(TableSchema(DECISIONS, columns, "game_date"))
        days = [date(2026, 1, 1) + timedelta(days=number) for number in range(3)]
        warehouse.load(DECISIONS, Rows(("game_date", "workflow_name"), [(day, "a") for day in days]), timeout=30)
        warehouse.apply_ddl(
            [
                f"CREATE VIEW nba_orchestration.names AS SELECT game_date, workflow_name FROM {DECISIONS}",
                f"CREATE VIEW nba_orchestration.counts AS SELECT workflow_name, COUNT(*) n FROM {DECISIONS} GROUP BY 1",
                "CREATE TABLE nba_orchestration.extra (day DATE, a INT64) PARTITION BY day",
            ],
            timeout=30,
        )
        warehouse.query(FAULT, timeout=30, labels={"data_source_id": "scheduled_query"})
        warehouse.query(FAULT.replace("'a'", "'a' OR TRUE"), timeout=30)
        yield running


@pytest.fixture
def lint(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lint:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "sql").mkdir()

    def run(*words: str) -> tuple[int, Any, str]:
        code = main(["bq", "lint", *words])
        out, err = capsys.readouterr()
        return code, json.loads(out)["data"] if "json" in words else out, err

    return run


@pytest.fixture
def on_gcp(server: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.address)
    return ("--target", "gcp", "--project", PROJECT, "--region", LOCATION)


def test_findings_are_a_failure_and_name_their_table(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / "sql" / "a.sql").write_text(FAULT)
    (tmp_path / "sql" / "b.sql").write_text("SELECT {{ x }}")
    code, data, _ = lint("sql", "-o", "json")
    assert code == 1
    [finding] = data["findings"]
    expected = {"path": "sql/a.sql", "line": 2, "rule": "partition-filter-missing", "table": DECISIONS}
    assert {key: finding[key] for key in expected} == expected
    assert data["unparsed"] == [{"path": "sql/b.sql", "line": 1, "message": "a Jinja template; render it first"}]
    code, out, err = lint("sql")
    assert (code, out.splitlines()[0].startswith("sql/a.sql:2:6: partition-filter-missing")) == (1, True)
    assert "not looked at: sql/b.sql:1" in err


def test_what_is_clean_is_no_failure_and_nothing_to_look_at_is_one(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / "sql" / "a.sql").write_text(FAULT + " AND game_date = @day")
    assert lint("sql")[0] == 0
    (tmp_path / "empty").mkdir()
    assert lint("empty")[0] == 4
    assert lint("nowhere")[0] == 4
    (tmp_path / "sql" / "a.sql").write_text("SELECT {{ x }}")
    code, _, err = lint("sql")
    assert (code, "nothing was looked at" in err) == (1, True)


def test_options_of_check_code_hold_here_too(lint: Lint, tmp_path: Path) -> None:
    file = tmp_path / "sql" / "a.sql"
    file.write_text(FAULT.replace("= 'a'", "== 'a'"))
    assert lint("sql", "--rule", "cross-join")[0] == 0
    code, _, err = lint("sql", "--rule", "bare-except")
    assert (code, "Run: nbactl check code." in err) == (2, True)
    assert lint("sql", "--exclude", "sql/a.sql", "--rule", "cross-join")[0] == 0
    code, out, _ = lint("sql", "--format", "github")
    assert (code, len(out.splitlines())) == (1, 2)
    code, out, _ = lint("sql", "--format", "sarif")
    assert {result["ruleId"] for result in json.loads(out)["runs"][0]["results"]} <= set(RULES)
    known = ("sql", "--baseline", "known.json")
    assert lint(*known, "--update-baseline")[0] == 0
    assert lint(*known)[0] == 0
    assert lint("sql", "--fix", "--rule", "not-bigquery")[0] == 0
    assert file.read_text() == FAULT


def test_ddl_says_which_tables_there_are(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / "ddl.sql").write_text("CREATE TABLE d.t (day DATE, a INT64) PARTITION BY day")
    (tmp_path / "sql" / "a.sql").write_text("SELECT a FROM d.t")
    assert lint("sql")[0] == 0
    assert lint("sql", "--schema", "ddl.sql")[0] == 1
    assert lint("sql", "--schema", "sql")[0] == 2


@pytest.mark.parametrize("option", ["--live", "--estimate"])
def test_what_needs_bigquery_is_refused_on_local(lint: Lint, option: str) -> None:
    assert lint("sql", option)[0] == 6


def test_views_and_scheduled_queries_of_a_project_are_looked_at(lint: Lint, on_gcp: tuple[str, ...]) -> None:
    code, data, _ = lint("--live", *on_gcp, "-o", "json")
    assert code == 1
    found = {(each["path"], each["rule"]) for each in data["findings"]}
    assert ("views/nba_orchestration.counts", "partition-filter-missing") in found
    assert not any("names" in path for path, _ in found), "its queries can filter"
    [scheduled] = [path for path, _ in found if path.startswith("scheduled/")]
    assert (data["files"], data["unparsed"]) == (3, [])
    assert scheduled
    size = next(each["message"] for each in data["findings"] if "counts" in each["path"])
    assert f"{DECISIONS} (" in size


def test_tables_of_the_project_are_known_and_views_are_followed(
    lint: Lint, tmp_path: Path, on_gcp: tuple[str, ...]
) -> None:
    (tmp_path / "sql" / "a.sql").write_text(
        "SELECT a FROM nba_orchestration.extra;\nSELECT workflow_name FROM nba_orchestration.names;\n"
        "SELECT workflow_name FROM nba_orchestration.names WHERE game_date = @day;\n"
    )
    _, data, _ = lint("sql", "--live", *on_gcp, "-o", "json")
    ours = [(each["line"], each["table"]) for each in data["findings"] if each["path"] == "sql/a.sql"]
    assert ours == [(1, "nba_orchestration.extra"), (2, DECISIONS)]


@pytest.mark.parametrize(
    ("otherwise", "columns"), [("ranges of N", ("n",)), ("time of ingestion (DAY)", INGESTION), ("", ())]
)
def test_a_table_may_be_partitioned_by_ranges_or_by_ingestion(otherwise: str, columns: tuple[str, ...]) -> None:
    layout = TableLayout(TableSchema("d.t", (Column("N", "INT64"),)), partitioned_otherwise=otherwise)
    assert partition_of(layout) == columns


def test_an_estimate_has_bytes_and_price(lint: Lint, tmp_path: Path, on_gcp: tuple[str, ...]) -> None:
    (tmp_path / "sql" / "a.sql").write_text(f"{FAULT};\nSELECT nothing\nFROM {DECISIONS}")
    code, data, _ = lint("sql", "--estimate", *on_gcp, "-o", "json")
    first, second = data["findings"]
    assert (code, first["bytes_processed"] > 0, first["usd"] > 0) == (1, True, True)
    assert (second["bytes_processed"], second["usd"]) == (None, None), "BigQuery refuses it"
    assert "about $" in lint("sql", "--estimate", *on_gcp)[1]
