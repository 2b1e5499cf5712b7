"""What BigQuery's adapter decides by the text alone, before anything is sent."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from nbactl.adapters.bigquery import sqltext
from nbactl.adapters.bigquery.catalog import nearest_table
from nbactl.adapters.bigquery.values import job_labels, json_lines, query_parameters
from nbactl.errors import DataError

if TYPE_CHECKING:
    from nbactl.ports.warehouse import ColumnType

TABLES = ["nba_raw.games", "nba_raw.odds", "nba_analytics.player_game_summary"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        " -- a comment; with a semicolon\nselect 1;",
        "(SELECT 1) UNION ALL SELECT 2",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "FROM nba_raw.games |> SELECT game_id",
        "SELECT ';' AS a, \"it's; fine\" AS b, `c;d` FROM t /* ; */",
        "SELECT '''a;\nb''', r'\\', 'it\\'s;'",
    ],
)
def test_a_query_is_let_through(sql: str) -> None:
    sqltext.check_query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "DELETE FROM t WHERE TRUE",
        "/* SELECT */ DROP TABLE t",
        "SELECT 1; -- more\nDROP TABLE t",
        "DECLARE x INT64",
        "EXPORT DATA OPTIONS(uri='gs://b/*') AS SELECT 1",
        "FROM t |> EXPORT DATA OPTIONS(uri='x')",
        "CALL p()",
    ],
)
def test_what_is_not_one_query_is_refused(sql: str) -> None:
    with pytest.raises(DataError):
        sqltext.check_query(sql)


def test_labels_are_made_what_bigquery_takes() -> None:
    assert job_labels({"Run": "Run-1:A b", "1st": "é", "x" * 70: "y" * 70}) == {
        "run": "run-1_a_b",
        "l1st": "_",
        "x" * 63: "y" * 63,
    }
    assert len(job_labels({f"k{n}": "v" for n in range(100)})) == 64


def test_rows_become_json_lines_that_a_load_job_reads_as_they_are() -> None:
    eastern = datetime(2024, 1, 15, 22, 30, tzinfo=ZoneInfo("America/New_York"))
    row = (date(2024, 1, 15), math.nan, -math.inf, Decimal("1E+20"), eastern, '{"a": null}', None, 2**60, "\x00é")
    names = ("day", "odd", "less", "exact", "at", "document", "nothing", "whole", "text")
    kinds: tuple[ColumnType, ...] = (
        "DATE",
        "FLOAT64",
        "FLOAT64",
        "NUMERIC",
        "TIMESTAMP",
        "JSON",
        "STRING",
        "INT64",
        "STRING",
    )
    types: dict[str, ColumnType] = dict(zip(names, kinds, strict=True))
    (line,) = json_lines(names, [row], types).splitlines()
    assert json.loads(line) == {
        "day": "2024-01-15",
        "odd": "NaN",
        "less": "-Infinity",
        "exact": "100000000000000000000",
        "at": "2024-01-16T03:30:00+00:00",
        "document": '{"a": null}',
        "nothing": None,
        "whole": 2**60,
        "text": "\x00é",
    }


def test_parameters_have_the_types_of_their_values() -> None:
    at = datetime(2024, 1, 15, 3, tzinfo=UTC)
    given = {"a": 1, "b": [date(2024, 1, 15)], "c": at, "d": None, "e": [], "f": [1, 2.5], "g": Decimal("1.5")}
    sent = [parameter.to_api_repr() for parameter in query_parameters(given)]
    kinds = [one["parameterType"].get("arrayType", one["parameterType"])["type"] for one in sent]
    assert kinds == ["INT64", "DATE", "TIMESTAMP", "INT64", "INT64", "FLOAT64", "NUMERIC"]


@pytest.mark.parametrize("value", [[1, "a"], [1, None], [[1]], datetime(2024, 1, 15)])  # noqa: DTZ001
def test_a_parameter_that_bigquery_does_not_take_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="@x"):
        query_parameters({"x": value})


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("nba_raw.gamez", "Did you mean 'nba_raw.games'?"),
        ("other.player_game_sumary", "Did you mean 'nba_analytics.player_game_summary'?"),
        ("nba_rw", "Did you mean 'nba_raw'?"),
        ("elsewhere", "To see the tables that are there: nbactl tables list"),
        ("nothing.like_it", "`nbactl run` creates declared tables when it needs them."),
    ],
)
def test_the_nearest_table_is_named(wanted: str, hint: str) -> None:
    assert nearest_table(wanted, TABLES) == hint
