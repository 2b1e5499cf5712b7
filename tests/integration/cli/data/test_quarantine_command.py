"""`nbactl quarantine` on target local."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.quarantine.command import QuarantineFilter, list_refused, show_refused
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import NotFoundError, UsageError
from tests.integration.cli.data.conftest import D1, D2, D3

if TYPE_CHECKING:
    from nbactl.bootstrap import Container

GAMES = "nba_raw.games"


def test_refused_records_are_listed_with_why_and_where_from(app: Container) -> None:
    found = list_refused(app, QuarantineFilter())
    assert [(one.game_date, one.reason, one.origin) for one in found.records] == [
        (D2, "unknown_team", "games.csv:9"),
        (D1, "bad_value", "games.csv:3"),
        (D1, "bad_value", "games.csv:4"),
    ]
    assert found.reasons == {(GAMES, "bad_value"): 2, (GAMES, "unknown_team"): 1}
    assert len({one.id for one in found.records}) == 3


@pytest.mark.parametrize(
    ("request_", "origins"),
    [
        (QuarantineFilter(reason="bad_value"), ["games.csv:3", "games.csv:4"]),
        (QuarantineFilter(first=GameDate(D2)), ["games.csv:9"]),
        (QuarantineFilter(last=GameDate(D1)), ["games.csv:3", "games.csv:4"]),
        (QuarantineFilter(table="nba_raw.games_quarantine", limit=1), ["games.csv:9"]),
        (QuarantineFilter(first=GameDate(D3), last=GameDate(D3)), []),
    ],
)
def test_they_are_filtered(request_: QuarantineFilter, origins: list[str], app: Container) -> None:
    assert [one.origin for one in list_refused(app, request_).records] == origins


def test_the_limit_leaves_the_counts_whole(call: Any) -> None:
    done = call("quarantine", "list", "--limit", "1")
    assert "bad_value           2" in done.out
    assert done.err == "Showing 1 of 3 refused records. --limit shows more.\n"
    data = call("quarantine", "list", "--limit", "1", "-o", "json").data
    assert (len(data["records"]), data["total"], data["reasons"][0]["records"]) == (1, 3, 2)
    assert (
        call("quarantine", "list", "-o", "csv").out.splitlines()[0] == "id,table,game_date,reason,message,origin,shape"
    )


def test_a_record_is_shown_as_it_came_with_its_control_characters_visible(app: Container, call: Any) -> None:
    (wanted,) = (one for one in list_refused(app, QuarantineFilter()).records if one.origin == "games.csv:3")
    assert show_refused(app, wanted.id, QuarantineFilter()) == (wanted,)
    assert show_refused(app, wanted.id[:6].upper(), QuarantineFilter()) == (wanted,)
    done = call("quarantine", "show", wanted.id)
    assert "origin     games.csv:3" in done.out
    assert r'"NAME": "Red \u001b[31m"' in done.out
    assert call("quarantine", "show", wanted.id, "-o", "json").data["records"][0]["payload"]["NAME"] == "Red \x1b[31m"


def test_what_is_not_there_is_said(app: Container, call: Any) -> None:
    with pytest.raises(NotFoundError, match="no refused record has the id zz"):
        show_refused(app, "zz", QuarantineFilter())
    with pytest.raises(UsageError, match="is the beginning of several ids"):
        show_refused(app, "", QuarantineFilter())
    with pytest.raises(NotFoundError, match=r"nba_raw\.gmaes has no quarantine") as table:
        list_refused(app, QuarantineFilter(table="nba_raw.gmaes"))
    assert table.value.next_step == "Did you mean 'nba_raw.games'?"
    assert call("quarantine", "list", "--reason", "bad_valu").code == 2
    assert call("quarantine", "list", "--date", "today", "--from", "today").code == 2


def test_inv_24_dates_that_were_never_collected_are_no_success(call: Any) -> None:
    done = call("quarantine", "list", "--date", "2030-01-01", "-o", "json")
    assert done.code == 4
    assert done.document["error"]["code"] == "not_found"
    assert call("quarantine", "list", "--date", "2024-10-25").err.startswith("No record matches in the quarantine of")
