"""The grid as text, as JSON and as HTML."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

from nbactl.cli.expect.view import grid as view_of
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.core.season.idle import Idle
from nbactl.outputs.html import grid_html
from nbactl.outputs.model import Grid, Output, OutputState
from tests.kit.paths import ROOT
from tests.kit.shown import screen, terminal

NOW = datetime(2025, 1, 31, 17, tzinfo=UTC)
SETTINGS = load_settings({}, {}, ROOT)


def day(number: int) -> GameDate:
    return GameDate(date(2025, 1, number))


def output(number: int, state: str, name: str = "upcoming_player_game_context", **more: object) -> Output:
    made = Output(day(number), "phase3", name, OutputState(state), required=True)
    return replace(made, **more)  # type: ignore[arg-type]


def grid_of(*outputs: Output, idle: dict[GameDate, Idle] | None = None, **more: object) -> Grid:
    return replace(Grid(outputs, idle or {}, NOW), **more)  # type: ignore[arg-type]


ALL_STATES = grid_of(*(output(number, state) for number, state in enumerate(OutputState, 1)))


def test_every_state_is_a_word_of_its_own_and_in_the_legend() -> None:
    text = screen(view_of(ALL_STATES, SETTINGS).show)
    words = ["due", "ok", "none", "part", "stale", "MISS", "FAIL", "LATE"]
    assert next(line for line in text.splitlines() if line.startswith("  upcoming")).split()[1:] == words
    assert all(f"{word} = " in text for word in words)


def test_a_narrow_terminal_shows_the_newest_dates_and_says_how_many_there_are() -> None:
    many = grid_of(*(output(number, "COMPLETE") for number in range(1, 31)))
    text = terminal(view_of(many, SETTINGS).show)
    assert max(map(len, text.splitlines())) <= 80
    heads = text.splitlines()[1].split()
    assert 4 <= len(heads) < 30
    assert heads[-1] == "01-30"


def test_what_is_wrong_stands_below_with_its_reason_and_the_command_that_mends_it() -> None:
    found = grid_of(
        output(7, "PARTIAL", reason="16 of 18 teams"),
        output(8, "MISSING", reason="no row: the date has 6 games"),
        output(8, "MISSING", "player_game_summary", required=False),
        output(9, "LATE"),
    )
    shown = view_of(found, SETTINGS)
    text = screen(shown.show)
    assert "nbactl run phase3 --gaps --from 2025-01-07 --to 2025-01-09" in text
    assert "16 of 18 teams" in text
    assert "upcoming_player_game_context and 1 more" in text
    assert shown.exit_code == 1
    assert shown.error is not None
    assert shown.error.message == "1 MISSING, 1 LATE of 4 expected outputs"
    mends = [one["mend"] for one in shown.data["outputs"]]
    assert mends[0] == "nbactl run phase3 --gaps --date 2025-01-07"
    assert mends[3] == "nbactl status --date 2025-01-09"


def test_what_is_only_late_is_to_be_watched_and_not_mended() -> None:
    shown = view_of(grid_of(output(9, "LATE")), SETTINGS)
    assert shown.error is not None
    assert shown.error.next_step == "Watch: nbactl status --date 2025-01-09"


def test_optional_partial_and_stale_outputs_do_not_decide_the_exit_code() -> None:
    fine = grid_of(output(7, "PARTIAL"), output(8, "STALE"), output(8, "FAILED", required=False), output(9, "EXPECTED"))
    assert view_of(fine, SETTINGS).exit_code == 0
    assert fine.summary["STALE"] == 1
    assert [gap.state.value for gap in fine.gaps] == ["PARTIAL", "STALE", "FAILED"]


def test_inv_24_an_answer_about_nothing_is_no_success() -> None:
    assert view_of(grid_of(unknown=(day(1),)), SETTINGS).exit_code == 1
    assert view_of(grid_of(output(2, "COMPLETE"), unknown=(day(1),)), SETTINGS).exit_code == 3
    unchecked = grid_of(output(2, "COMPLETE"), unchecked=True, warnings=("rows were not counted: it is down",))
    assert view_of(unchecked, SETTINGS).exit_code == 3
    idle = view_of(grid_of(idle={day(1): Idle("no_games", "the schedule has no games")}), SETTINGS)
    assert idle.exit_code == 0
    assert "Nothing is expected on 2025-01-01: the schedule has no games" in screen(idle.show)


class Page(HTMLParser):
    """What a screen reader gets of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.scopes: list[str | None] = []
        self.cells: list[dict[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "th":
            self.scopes.append(dict(attributes).get("scope"))
        if tag == "td":
            self.cells.append(dict(attributes))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_table_of_a_page_has_headers_and_no_markup_of_the_data() -> None:
    found = grid_of(
        output(7, "FAILED", reason='<script>alert("1")</script>\x1b[31m'),
        output(8, "COMPLETE"),
        idle={day(9): Idle("no_games", "no games")},
    )
    html = grid_html(found)
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    assert page.scopes == ["col", "col", "col", "col", "rowgroup", "row"]
    assert [cell["class"] for cell in page.cells] == ["fail", "ok", "idle"]
    assert "<script" not in html
    assert "\x1b" not in html
    assert "<caption>" in html


def test_the_table_of_a_season_is_small_and_says_what_it_leaves_out() -> None:
    many = grid_of(*(output(number, "MISSING", f"task_{task}") for number in range(1, 31) for task in range(21)))
    html = grid_html(many)
    assert len(html) < 20_000
    assert "The newest 14 of 30 dates." in html
