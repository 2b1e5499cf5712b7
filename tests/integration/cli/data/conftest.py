"""A small warehouse of target local, and the command line in this process."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.main import main
from nbactl.config.settings import load_settings
from nbactl.ports.warehouse import Rows
from nbactl.warehouse.tables import ensure_tables, load_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

D1, D2, D3 = date(2024, 10, 22), date(2024, 10, 23), date(2024, 10, 25)
GAMES, REFUSED = "nba_raw.games", "nba_raw.games_quarantine"


def games(day: date, count: int) -> list[tuple[Any, ...]]:
    tip = datetime(2024, 10, 22, 23, 30, tzinfo=UTC)
    return [
        (f"g{day.day}-{number:02}", day, "2024-25", "BOS", "LAL", 100 + number, None, "final", tip, "sample")
        for number in range(count)
    ]


COLUMNS = ("game_id", "game_date", "season", "home_team_abbr", "away_team_abbr", "home_points", "away_points",
           "game_status", "tipoff_at", "source")  # fmt: skip
BAD = [
    (D1, "bad_value", "home_points is 'x'", "games.csv:3", "game_log", {"NAME": "Red \x1b[31m", "PTS": "x"}),
    (D1, "bad_value", "home_points is 'y'", "games.csv:4", "game_log", {"PTS": "y"}),
    (D2, "unknown_team", "there is no team XXX", "games.csv:9", "game_log", {"TEAM": "XXX"}),
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with 12 games on D1, 3 on D2, none the day after, 1 on D3, and three refused records."""
    folder = tmp_path_factory.mktemp("data") / "state"
    with Container(load_settings({"state_dir": str(folder)}, {}, folder)) as app:
        ensure_tables(app.warehouse, (GAMES, REFUSED, "nba_raw.injuries", "nba_raw.injuries_quarantine"))
        rows = [*games(D1, 12), *games(D2, 3), *games(D3, 1)]
        app.warehouse.replace_partitions(GAMES, (D1, D2, D3), Rows(COLUMNS, rows), timeout=30)
        columns = tuple(column.name for column in load_tables()[REFUSED].columns)
        app.warehouse.replace_partitions(REFUSED, (D1, D2), Rows(columns, BAD), timeout=30)
    return folder


@pytest.fixture
def app(state: Path) -> Iterator[Container]:
    with Container(load_settings({"state_dir": str(state)}, {}, state), reads_only=True) as made:
        yield made


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["data"]
        return found


@pytest.fixture
def call(state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(state.parent)

    def run(*words: str) -> Done:
        code = main([*words, "--state-dir", str(state)])
        return Done(code, *capsys.readouterr())

    return run
