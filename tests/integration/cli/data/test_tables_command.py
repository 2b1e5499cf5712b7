"""`nbactl tables` on target local."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.tables.command import ShowRequest, count_rows, list_tables, show_table
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import NotFoundError, UsageError
from tests.integration.cli.data.conftest import D1, D2, D3

if TYPE_CHECKING:
    from nbactl.bootstrap import Container

GAMES = "nba_raw.games"


def test_tables_are_listed_with_what_they_hold(app: Container) -> None:
    found = list_tables(app, "nba_raw")
    by_name = {one.info.schema.name: one for one in found.tables}
    assert (by_name[GAMES].info.rows, by_name[GAMES].newest, by_name[GAMES].declared) == (16, D3, True)
    assert (by_name["nba_raw.injuries"].info.rows, by_name["nba_raw.injuries"].newest) == (0, None)
    assert "nba_raw.odds" in found.missing
    assert not any(name.startswith("nba_precompute.") for name in found.missing)
    assert any(name.startswith("nba_precompute.") for name in list_tables(app).missing)


def test_an_unknown_dataset_is_refused(call: Any) -> None:
    done = call("tables", "list", "--dataset", "nba_raww")
    assert done.code == 4
    assert "Did you mean 'nba_raw'?" in done.err


def test_the_list_in_every_form(call: Any) -> None:
    done = call("tables", "list", "--dataset", "nba_raw")
    assert "nba_raw.games                  16  2024-10-25" in done.out
    assert "do not exist yet" in done.err
    listed = call("tables", "list", "-o", "json").data
    assert listed["tables"][0].keys() >= {"table", "rows", "bytes", "modified", "newest_partition"}
    assert call("tables", "list", "-o", "csv").out.startswith(
        "table,rows,bytes,newest_partition,modified\nnba_raw.games,16,,2024-10-25,"
    )


def test_a_table_is_shown_with_the_rows_of_its_newest_date(app: Container) -> None:
    found = show_table(app, ShowRequest(GAMES))
    assert (found.date, len(found.rows.rows), found.rows.truncated) == (D3, 1, False)
    older = show_table(app, ShowRequest(GAMES, GameDate(D1), limit=5))
    assert (older.date, len(older.rows.rows), older.rows.truncated) == (D1, 5, True)


def test_a_table_in_every_form(call: Any) -> None:
    text = call("tables", "show", GAMES, "--date", "2024-10-22", "--limit", "2")
    assert "partitioned by  game_date" in text.out
    assert "home_points     INT64" in text.out
    assert text.err.endswith("The first 2 rows of 2024-10-22; there are more. --limit N shows more.\n")
    data = call("tables", "show", GAMES, "--limit", "2", "-o", "json").data
    assert (data["row_count"], data["date"], data["truncated"]) == (16, "2024-10-25", False)
    assert data["schema"][0]["description"]
    assert data["rows"][0]["game_id"] == "g25-00"
    assert call("tables", "show", GAMES, "-o", "csv").out.count("\n") == 2


def test_what_is_not_there_is_said(app: Container) -> None:
    with pytest.raises(NotFoundError) as absent:
        show_table(app, ShowRequest(GAMES, GameDate(date(2024, 10, 24))))
    assert absent.value.next_step == "Its newest date is 2024-10-25."
    with pytest.raises(NotFoundError) as misspelt:
        show_table(app, ShowRequest("nba_raw.gams"))
    assert misspelt.value.next_step == "Did you mean 'nba_raw.games'?"
    with pytest.raises(NotFoundError, match=r"nba_raw\.odds does not exist yet"):
        show_table(app, ShowRequest("nba_raw.odds"))


def test_rows_are_counted_for_every_date_of_the_range(app: Container) -> None:
    found = count_rows(app, GameDate(D1), GameDate(D3))
    assert found.counts[GAMES] == {D1: 12, D2: 3, D2 + timedelta(1): 0, D3: 1}
    assert set(found.counts["nba_raw.injuries"].values()) == {0}
    assert "nba_raw.games_quarantine" not in found.counts
    assert "nba_raw.odds" in found.missing


def test_the_last_seven_dates_are_counted_by_default(app: Container) -> None:
    found = count_rows(app, None, None)
    assert (found.first.day, found.last.day) == (D3 - timedelta(6), D3)
    assert count_rows(app, GameDate(D2), None).last.day == D3


def test_inv_24_a_range_outside_of_the_data_is_no_success(call: Any, app: Container) -> None:
    done = call("tables", "counts", "--from", "2030-01-01", "--to", "2030-01-03", "-o", "json")
    assert done.code == 4
    assert done.document["error"]["next"] == "The newest date is 2024-10-25."
    assert call("tables", "counts", "--from", "2030-01-01").code == 4
    assert call("tables", "counts", "--from", "2024-10-23", "--to", "2024-10-22").code == 2
    with pytest.raises(UsageError, match="too many"):
        count_rows(app, GameDate(date(2020, 1, 1)), GameDate(D3))


def test_the_grid_says_zero_where_a_date_has_no_rows(call: Any) -> None:
    text = call("tables", "counts", "--from", "2024-10-22", "--to", "2024-10-25")
    assert text.out.splitlines() == [
        "TABLE             10-22  10-23  10-24  10-25",
        "nba_raw.games        12      3      0      1",
        "nba_raw.injuries      0      0      0      0",
    ]
    lines = call("tables", "counts", "--from", "2024-10-24", "--to", "2024-10-25", "-o", "csv").out
    assert lines.startswith("table,date,rows\nnba_raw.games,2024-10-24,0\nnba_raw.games,2024-10-25,1\n")
