"""A set of dates gives what its dates give one after the other, to the bit: rows, versions, details and warnings."""

from __future__ import annotations

import os
from datetime import date
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.errors import DataError
from nbactl.pipeline import transform
from nbactl.pipeline.statements import table_sql
from nbactl.ports.compute import TaskOutcome, Work
from tests.kit.warehouse import TABLES, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RAW = ("raw.games", "raw.player_boxscores", "raw.injuries", "raw.odds")
COLLECTED = ("schedule", "player_boxscores", "injuries", "odds_player_props")
FIRST, LAST = date(2024, 10, 22), date(2024, 11, 1)
"""Early dates: few earlier ones are filled in."""
THOROUGH = os.environ.get("NBACTL_STRESS") == "1"
ROUNDS = 12 if THOROUGH else 1
pytestmark = pytest.mark.timeout(900 if THOROUGH else 120)
WRITTEN = (*(f"nba_{name}" for name in RAW), *TABLES)


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[tuple[Lab, Lab]]:
    opened = Lab(tmp_path / "sets"), Lab(tmp_path / "single")
    yield opened
    for lab in opened:
        lab.warehouse.close()


def in_sets(lab: Lab, days: Sequence[date], token: int) -> dict[tuple[str, date], Any]:
    found = {}
    for name in (*RAW, *TABLES):
        for day, outcome in zip(days, lab.run_set(name, days, token=token), strict=True):
            found[name, day] = outcome
    return found


def date_by_date(lab: Lab, days: Sequence[date], token: int) -> dict[tuple[str, date], Any]:
    return {(name, day): lab.run(name, day, token=token) for day in days for name in (*RAW, *TABLES)}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_set_of_dates_with_gaps_equals_its_dates_one_after_the_other(labs: tuple[Lab, Lab], seed: int) -> None:
    random = Random(seed)
    season = labs[0].source.game_dates(FIRST, LAST)
    first = random.sample(season, 2)
    # The second round does one of them again, and another around it for the first time.
    for token, chosen in ((1, first), (2, [random.choice(season), first[0]])):
        days = sorted(set(chosen))
        for lab in labs:
            for day in days:
                lab.collect(day, *COLLECTED)
        together, apart = in_sets(labs[0], days, token), date_by_date(labs[1], days, token)
        assert together == apart
        assert sum(outcome.rows for outcome in together.values()) > 300
    for table in WRITTEN:
        assert [labs[0].digest(table, day) for day in season] == [labs[1].digest(table, day) for day in season], table


def test_a_date_without_its_raw_file_fails_alone_in_phase_2(labs: tuple[Lab, Lab]) -> None:
    lab = labs[0]
    days = lab.source.game_dates(FIRST, LAST)[:4]
    for day in days[:3]:
        lab.collect(day, *COLLECTED)
    outcomes = lab.run_set("raw.games", days)
    assert [isinstance(outcome, TaskOutcome) for outcome in outcomes] == [True, True, True, False]
    assert lab.partition("nba_raw.games", days[3]) == []


def test_a_date_that_should_have_rows_fails_alone_in_phase_3(
    labs: tuple[Lab, Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = labs[0]
    days = lab.source.game_dates(FIRST, LAST)[:3]
    for day in days:
        lab.collect(day)
        lab.run("raw.games", day)
        lab.run("raw.player_boxscores", day)
    lost = f"SELECT * FROM ({{}}) WHERE game_date <> DATE '{days[1]}'"  # noqa: S608 - a statement of ours
    monkeypatch.setattr(transform, "table_sql", lambda table: lost.format(table_sql(table)))
    outcomes = lab.run_set("nba_analytics.player_game_summary", days)
    assert [isinstance(outcome, DataError) for outcome in outcomes] == [False, True, False]


@pytest.mark.parametrize(("source", "takes"), [("sample", True), ("nba_api", False)])
def test_a_server_is_asked_date_by_date(tmp_path: Path, source: str, takes: bool) -> None:
    settings = load_settings({"state_dir": str(tmp_path), "source": source}, {}, tmp_path)
    with Container(settings) as app:
        sets = app.runner.engine.sets
        assert sets is not None
        assert sets.takes_sets(Work("processor", "collect")) is takes
        assert sets.takes_sets(Work("processor", "raw.games"))
        assert not sets.takes_sets(Work("processor", "predictions.players"))
        assert not sets.takes_sets(Work("call", "package.module:function"))
