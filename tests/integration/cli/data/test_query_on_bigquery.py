"""`nbactl query`, `tables` and `quarantine` on target gcp, over the loopback BigQuery server."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.main import main
from nbactl.cli.query.command import QueryRequest, query
from nbactl.config.settings import load_settings
from nbactl.errors import CancelledError, PreconditionError
from nbactl.ports.warehouse import Rows
from nbactl.testing import bigquery_server
from nbactl.warehouse.tables import ensure_tables, load_tables
from tests.integration.cli.data.conftest import BAD, COLUMNS, D1, D2, D3, GAMES, REFUSED, Done, games
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.cli.ask import Question

TARGET = {"target": "gcp", "project": PROJECT, "region": LOCATION}
ALL = "SELECT game_id, home_points FROM nba_raw.games ORDER BY game_id"


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with (
        bigquery_server(project=PROJECT, location=LOCATION) as running,
        closing(bigquery_warehouse(running.address)) as warehouse,
    ):
        ensure_tables(warehouse, (GAMES, REFUSED))
        rows = [*games(D1, 12), *games(D2, 3), *games(D3, 1)]
        warehouse.replace_partitions(GAMES, (D1, D2, D3), Rows(COLUMNS, rows), timeout=30)
        columns = tuple(column.name for column in load_tables()[REFUSED].columns)
        warehouse.replace_partitions(REFUSED, (D1, D2), Rows(columns, BAD), timeout=30)
        yield running


def container(server: Any, folder: Path, **flags: str) -> Container:
    environ = {"BIGQUERY_EMULATOR_HOST": server.address}
    return Container(load_settings({**TARGET, **flags}, environ, folder), environ=environ, reads_only=True)


@pytest.fixture
def app(server: Any, tmp_path: Path) -> Iterator[Container]:
    with container(server, tmp_path) as made:
        yield made


@pytest.fixture
def call(server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.address)

    def run(*words: str) -> Done:
        code = main([*words, "--target", "gcp", "--project", PROJECT, "--region", LOCATION])
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def dear(server: Any) -> Iterator[None]:
    """Every query is billed for 100 GiB."""
    usual, server.limits.billed_minimum = server.limits.billed_minimum, 100 * 2**30
    yield
    server.limits.billed_minimum = usual


def test_a_cheap_query_is_one_job_and_says_what_it_read(app: Container, server: Any) -> None:
    before = len(server.jobs())
    found = query(app, QueryRequest(ALL, limit=2))
    assert len(server.jobs()) == before + 1
    assert server.jobs()[-1]["labels"] == {"tool": "nbactl", "service": "nbactl", "command": "python"}
    assert found.rows == [("g22-00", 100), ("g22-01", 101)]
    assert found.truncated
    assert found.types == ("STRING", "INT64")
    assert found.bytes_processed
    assert found.usd is not None
    assert query(app, QueryRequest(ALL, limit=2)).usd == 0, "the second time it comes from the cache"


@pytest.mark.usefixtures("dear")
def test_the_price_of_an_expensive_query_is_confirmed_before_it_runs(app: Container, server: Any) -> None:
    asked: list[Question] = []

    def refuse(question: Question) -> None:
        asked.append(question)
        raise CancelledError

    sql = "SELECT home_points + 7 FROM nba_raw.games"
    with pytest.raises(CancelledError):
        query(app, QueryRequest(sql), confirm=refuse)
    assert server.jobs()[-1]["error"], "BigQuery itself refused to bill it"
    assert asked[0].lines == ("It reads up to 107.4 GB, about $0.82 (prices of 2025-01-01).",)
    assert len(query(app, QueryRequest(sql), confirm=asked.append).rows) == 16
    assert len(asked) == 2
    assert server.jobs()[-1]["bytes_billed"] == 100 * 2**30


@pytest.mark.usefixtures("dear")
def test_no_more_is_billed_than_was_confirmed(app: Container, server: Any) -> None:
    def agree(_: Question) -> None:
        server.limits.billed_minimum = 200 * 2**30  # the table grows while the person thinks

    with pytest.raises(PreconditionError):
        query(app, QueryRequest("SELECT home_points + 12 FROM nba_raw.games"), confirm=agree)


@pytest.mark.usefixtures("dear")
def test_without_a_terminal_it_needs_yes(call: Any, server: Any) -> None:
    sql = "SELECT home_points + 8 FROM nba_raw.games"
    refused = call("query", sql)
    assert refused.code == 2
    assert "It reads up to 107.4 GB, about $0.82" in refused.err
    assert "Run this query on gcp (test-1)?" in refused.err
    assert not any(job["sql"] == sql and not job["error"] for job in server.jobs())
    agreed = call("query", sql, "--yes", "-o", "json")
    assert agreed.code == 0
    assert len(agreed.data["rows"]) == 16


@pytest.mark.usefixtures("dear")
def test_the_setting_says_what_is_expensive(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBACTL_QUERY_ASK_USD", "0.9")
    assert call("query", "SELECT home_points + 9 FROM nba_raw.games").code == 0


@pytest.mark.usefixtures("dear")
def test_a_query_that_nobody_confirms_has_a_limit_too(app: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "settings", replace(app.settings, query_max_usd=Decimal("0.8")))
    sql = "SELECT home_points + 13 FROM nba_raw.games"
    with pytest.raises(PreconditionError, match="bytes"):
        app.warehouse.query(sql, timeout=30)
    assert len(app.warehouse.query(sql, timeout=30, max_bytes=2**40).rows) == 16


@pytest.mark.usefixtures("dear")
def test_a_limit_of_bytes_is_never_exceeded(call: Any, app: Container) -> None:
    refused = call("query", "SELECT home_points + 10 FROM nba_raw.games", "--max-bytes", "10GB", "--yes", "-o", "json")
    assert refused.code == 6
    assert refused.document["error"]["code"] == "precondition"
    with pytest.raises(PreconditionError):
        query(app, QueryRequest("SELECT home_points + 11 FROM nba_raw.games", max_bytes=1000))


def test_a_dry_run_has_a_price_and_is_no_job(call: Any, server: Any) -> None:
    before = len(server.jobs())
    done = call("query", ALL, "--dry-run")
    assert len(server.jobs()) == before
    assert "It would read up to" in done.err
    assert "about $0.0001" in done.err
    assert call("query", ALL, "--dry-run", "-o", "json").data["usd"] == "0.0001"


@pytest.mark.parametrize("sql", ["DELETE FROM nba_raw.games WHERE TRUE", "SELECT 1; SELECT 2", "CALL a.b()"])
def test_anything_but_a_query_is_refused_before_it_is_sent(sql: str, call: Any, server: Any) -> None:
    before = len(server.requests)
    assert call("query", sql).code == 2
    assert len(server.requests) == before


def test_errors_point_at_the_place_as_on_local(call: Any) -> None:
    column = call("query", "SELECT gamedate FROM nba_raw.games")
    assert column.code == 4
    assert "there is no column gamedate" in column.err
    assert "Did you mean 'game_date'?" in column.err
    assert "SELECT gamedate FROM nba_raw.games\n                ^" in column.err
    table = call("query", "SELECT * FROM nba_raw.gams")
    assert table.code == 4
    assert "Did you mean 'nba_raw.games'?" in table.err
    syntax = call("query", "SELECT * FORM nba_raw.games")
    assert syntax.code == 1
    assert "SELECT * FORM nba_raw.games\n" in syntax.err


def test_every_type_is_exact(call: Any) -> None:
    sql = """SELECT NUMERIC '0.1' AS n, DATE '2024-01-15' AS d, TIMESTAMP '2024-01-15 19:30:00-05' AS t, b'hi' AS b,
    PARSE_JSON('{"a": [1.5, null]}') AS j, [1, 2] AS a, STRUCT(TRUE AS x) AS s, 9007199254740993 AS i, NULL AS z"""
    assert call("query", sql, "-o", "json").data["rows"] == [
        {
            "n": "0.1", "d": "2024-01-15", "t": "2024-01-16T00:30:00+00:00", "b": "aGk=", "j": {"a": [1.5, None]},
            "a": [1, 2], "s": {"x": True}, "i": "9007199254740993", "z": None,
        }
    ]  # fmt: skip


def test_parameters_have_their_types(call: Any) -> None:
    sql = "SELECT COUNT(*) AS n FROM nba_raw.games WHERE game_date = @day AND game_id IN UNNEST(@ids)"
    given = ("--param", "day:DATE=2024-10-22", "--param", "ids:ARRAY<STRING>=g22-00,g22-01")
    assert call("query", sql, *given, "-o", "csv").out == "n\n2\n"


def test_tables_and_quarantine_are_those_of_the_project(call: Any) -> None:
    listed = call("tables", "list", "-o", "json").data["tables"]
    assert [(one["table"], one["rows"], one["newest_partition"]) for one in listed] == [
        (GAMES, 16, "2024-10-25"), (REFUSED, 3, "2024-10-23"),
    ]  # fmt: skip
    assert listed[0]["bytes"]
    shown = call("tables", "show", GAMES, "--date", "2024-10-22", "--limit", "5", "-o", "json").data
    assert (len(shown["rows"]), shown["truncated"], shown["date"]) == (5, True, "2024-10-22")
    counted = call("tables", "counts", "--from", "2024-10-22", "--to", "2024-10-25", "-o", "csv").out
    assert counted == "table,date,rows\n" + "".join(
        f"{GAMES},2024-10-{day},{rows}\n" for day, rows in ((22, 12), (23, 3), (24, 0), (25, 1))
    )
    assert call("tables", "counts", "--from", "2030-01-01", "--to", "2030-01-02").code == 4
    refused = call("quarantine", "list", "-o", "json").data
    assert (refused["total"], refused["records"][0]["origin"]) == (3, "games.csv:9")
    assert refused["records"][1]["payload"] == {"NAME": "Red \x1b[31m", "PTS": "x"}
    assert call("quarantine", "list", "--date", "2030-01-01").code == 4


def test_a_table_without_a_date_is_read_for_its_newest_date_only(call: Any, server: Any) -> None:
    assert call("tables", "show", GAMES, "-o", "json").data["date"] == "2024-10-25"
    assert "WHERE `game_date` = @day" in server.jobs()[-1]["sql"]
