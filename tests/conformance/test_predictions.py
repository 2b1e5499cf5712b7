"""Predictions on every warehouse: their inputs in one query, one MERGE for a batch, grades that lose nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.errors import ContentionError, DataError, NotFoundError
from nbactl.pipeline.predict.grading import ACCURACY, Grades, grade
from nbactl.pipeline.predict.history import load_inputs
from nbactl.pipeline.predict.model import PastGame
from nbactl.pipeline.predict.writing import TABLE, check_predictions_table, merge_predictions
from nbactl.ports.warehouse import Column, TableSchema
from nbactl.testing import faults
from nbactl.warehouse.tables import load_tables
from tests.kit.mini_season import COMING, GAMES, HOT, OPENING, OVERTIME, TRADE, USUAL, Game, Line, put
from tests.kit.warehouse import TIMEOUT, Lab

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.ports.warehouse import Warehouse

FEATURES = "nba_precompute.ml_feature_store"
EXPECTED = {"ant1": ("ANT", "DOG", 2), "dog1": ("DOG", "ANT", 0), "new1": ("DOG", "ANT", None)}
"""Players of the coming date: team, opponent, rest days. new1 has never played."""
GAME = "20231108-ANT-DOG"


@pytest.fixture
def lab(warehouse: Warehouse, tmp_path: Path) -> Lab:
    lab = Lab(tmp_path)
    lab.warehouse.close()
    lab.warehouse = warehouse  # type: ignore[assignment]
    lab.resources.ensure_tables(TABLE)
    return lab


@pytest.fixture
def season(lab: Lab) -> Lab:
    put(lab, GAMES)
    lab.replace(FEATURES, [COMING], [features(player) for player in EXPECTED])
    return lab


def features(player: str) -> dict[str, Any]:
    team, opponent, rest = EXPECTED[player]
    return {
        "game_date": COMING,
        "game_id": GAME,
        "season": "2023-24",
        "player_lookup": player,
        "team_abbr": team,
        "opponent_team_abbr": opponent,
        "feature_version": "v1",
        "home_game": int(team == "DOG"),
        "rest_days": rest,
    }


def row(player: str, stat: str = "points", value: float = 20.0, day: date = COMING, **other: Any) -> dict[str, Any]:
    return {
        "game_date": day.isoformat(),
        "game_id": GAME,
        "player_lookup": player,
        "stat": stat,
        "system_id": "weighted_recent",
        "predicted_value": value,
        "low": value - 5,
        "high": value + 5,
        "confidence": 0.5,
        "is_partial": False,
        **other,
    }


def merge(lab: Lab, batch: str, *rows: dict[str, Any], day: date = COMING) -> int:
    return merge_predictions(lab.warehouse, day, rows, batch_id=batch, timeout=TIMEOUT)


def values(lab: Lab, day: date = COMING) -> dict[str, tuple[float, str]]:
    return {
        f"{one['player_lookup']} {one['stat']}": (one["predicted_value"], one["batch_id"])
        for one in lab.partition(TABLE, day)
    }


def staging(lab: Lab) -> list[str]:
    return [name for name in lab.warehouse.list_tables("nba_predictions") if "staging" in name]


def usual_against(team: str, stat: str) -> float:
    """Return by hand how much a team allows, from the games of the season that are over."""
    lines = [
        (one["player_lookup"], one["minutes"], one[stat], one["opponent_team_abbr"])
        for game in GAMES
        if game.season == "2023-24" and game.season_type == "regular" and game.score
        for one in game.player_rows()
    ]
    minutes, done = Counter[str](), Counter[str]()
    for player, played, result, _ in lines:
        minutes[player] += played
        done[player] += result
    against = [(played * done[player] / minutes[player], result) for player, played, result, to in lines if to == team]
    ratio = sum(result for _, result in against) / sum(usual for usual, _ in against)
    return float(1 + (ratio - 1) * len(against) / (len(against) + 100))


def test_the_inputs_are_those_worked_out_by_hand_and_one_query(season: Lab) -> None:
    found = load_inputs(season.resources, COMING)
    assert found.keys() == EXPECTED.keys()
    ant1 = found["ant1"]
    assert (ant1.game_id, ant1.team_abbr, ant1.opponent_team_abbr, ant1.rest_days) == (GAME, "ANT", "DOG", 2)
    # The overtime, the opening, last season; not the preseason.
    assert ant1.games == (
        PastGame(OVERTIME, 53.0, USUAL.points, 6, 4),
        PastGame(OPENING, 48.0, HOT.points, 6, 4),
        PastGame(date(2023, 4, 1), 48.0, HOT.points, 6, 4),
    )
    for stat, factor in ant1.opponent_factors.items():
        assert factor == pytest.approx(usual_against("DOG", stat), abs=1e-4), stat
    assert ant1.opponent_factors["points"] != 1.0
    assert (found["new1"].games, found["new1"].rest_days) == ((), None)
    assert load_inputs(season.resources, COMING, ["dog1", "nobody"]) == {"dog1": found["dog1"]}
    assert load_inputs(season.resources, COMING, []) == {}
    assert load_inputs(season.resources, COMING + timedelta(days=1)) == {}


def test_a_batch_replaces_what_it_has_and_nothing_else(lab: Lab) -> None:
    assert merge(lab, "batch_2023-11-08_1", row("ant1"), row("ant1", "rebounds", 6.0), row("dog1")) == 3
    first = lab.partition(TABLE, COMING)
    version = lab.warehouse.versions([TABLE], COMING, COMING, timeout=TIMEOUT)
    assert merge(lab, "batch_2023-11-08_1", row("ant1"), row("ant1", "rebounds", 6.0), row("dog1")) == 3
    assert sorted(map(repr, lab.partition(TABLE, COMING))) == sorted(map(repr, first)), "not even the time"
    assert lab.warehouse.versions([TABLE], COMING, COMING, timeout=TIMEOUT) == version
    assert merge(lab, "batch_2023-11-08_2", row("ant1", value=22.0, game_id="moved"), row("cat1")) == 2
    assert values(lab) == {
        "ant1 points": (22.0, "batch_2023-11-08_2"),
        "ant1 rebounds": (6.0, "batch_2023-11-08_1"),
        "cat1 points": (20.0, "batch_2023-11-08_2"),
        "dog1 points": (20.0, "batch_2023-11-08_1"),
    }
    assert lab.row(TABLE, COMING, player_lookup="ant1", stat="points")["game_id"] == "moved"
    # Late rows of a batch join it; other dates are others.
    assert merge(lab, "batch_2023-11-08_2", row("dog5")) == 3
    assert merge(lab, "batch_2023-11-08_2", row("ant1", day=TRADE), day=TRADE) == 1
    assert merge(lab, "batch_2023-11-08_2") == 3
    assert len(values(lab)) == 5
    assert staging(lab) == []


def test_writes_at_the_same_time_do_not_mix(lab: Lab) -> None:
    inner: list[int] = []

    def another(batch: str, *rows: dict[str, Any]) -> None:
        faults.disarm("predictions.staged")
        inner.append(merge(lab, batch, *rows))

    faults.arm("predictions.staged", lambda: another("batch_1", row("dog1", value=9.0)))
    assert merge(lab, "batch_11", row("ant1")) == 1
    # Another write of the same batch takes its staging table away: it fails, and may be repeated.
    faults.arm("predictions.staged", lambda: another("batch_11", row("cat1")))
    with pytest.raises(ContentionError, match="another process wrote the predictions of batch_11") as lost:
        merge(lab, "batch_11", row("bee1"))
    assert lost.value.retryable
    assert merge(lab, "batch_11", row("bee1")) == 3
    assert inner == [1, 2]
    assert values(lab)["dog1 points"] == (9.0, "batch_1")
    assert staging(lab) == []


def test_what_a_failed_write_left_is_cleared_by_the_next(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed() -> None:
        monkeypatch.setattr(lab.warehouse, "list_tables", lambda *_: [])  # so that nothing is dropped, as after a kill
        raise KeyboardInterrupt

    faults.arm("predictions.staged", killed)
    with pytest.raises(KeyboardInterrupt):
        merge(lab, "batch_1", row("ant1"))
    faults.disarm("predictions.staged")
    monkeypatch.undo()
    (left,) = staging(lab)
    assert values(lab) == {}
    merge(lab, "batch_2", row("ant1"))
    assert staging(lab) == [left], "it may be in use by another batch"
    merge(lab, "batch_1", row("ant1"))
    assert staging(lab) == []


REFUSED = (
    ([row("ant1", day=TRADE)], "a prediction is for 2023-11-07, its batch b for 2023-11-08"),
    ([row("ant1"), row("ant1", value=3.0)], "batch b has two predictions of ant1 points weighted_recent"),
    ([{"game_date": "2023-11-08"}], "a prediction has no game_id"),
    ([row("ant1", low=None)], "low"),
    ([row("ant1", value=20.0, confidence="high")], "confidence"),
)


def test_rows_that_do_not_fit_are_refused_whole(lab: Lab) -> None:
    for rows, said in REFUSED:
        with pytest.raises(DataError, match=said):
            merge(lab, "b", *rows)
        assert (values(lab), staging(lab)) == ({}, [])


def test_a_table_that_lacks_columns_is_found_before_the_night(warehouse: Warehouse) -> None:
    declared = load_tables()[TABLE]
    with pytest.raises(NotFoundError):
        check_predictions_table(warehouse, declared)
    lacking = tuple(
        Column("high", "STRING") if column.name == "high" else column
        for column in declared.columns
        if column.name != "is_partial"
    )
    warehouse.create_table(TableSchema(TABLE, lacking, partition_by="game_date"))
    with pytest.raises(DataError, match="cannot take predictions: high, is_partial"):
        check_predictions_table(warehouse, declared)


def test_predictions_are_graded_against_what_happened(lab: Lab) -> None:
    check_predictions_table(lab.warehouse, load_tables()[TABLE])
    stats = {"points": 25.0, "rebounds": 6.25, "assists": 3.5}
    rows = [row(player, stat, value) for player in ("ant1", "dog1", "ant5") for stat, value in stats.items()]
    merge(lab, "b", *rows, row("bee1", game_id="20231108-CAT-BEE"))
    after = COMING + timedelta(days=1)
    assert grade(lab.resources, after) == Grades(COMING, 10, 0, 0, 4), "no game is over"
    put(lab, played(HOT))
    assert grade(lab.resources, after) == Grades(COMING, 10, 6, 1, 1), "ant5 did not play, bee1 still may"
    graded = lab.row(ACCURACY, COMING, player_lookup="ant1", stat="points")
    found = {name: graded[name] for name in ("actual_value", "absolute_error", "signed_error", "in_interval", "low")}
    assert found == {"actual_value": 32, "absolute_error": 7.0, "signed_error": 7.0, "in_interval": False, "low": 20.0}
    below = lab.row(ACCURACY, COMING, player_lookup="dog1", stat="rebounds")
    assert (below["actual_value"], below["absolute_error"], below["signed_error"]) == (6, 0.25, -0.25)
    assert below["in_interval"] is True
    # Grading again changes what was corrected, and no more; what the source has lost stays graded.
    before = {repr(one) for one in lab.partition(ACCURACY, COMING)}
    put(lab, played(USUAL))
    grade(lab.resources, after)
    assert lab.row(ACCURACY, COMING, player_lookup="ant1", stat="points")["actual_value"] == 20
    assert len(before & {repr(one) for one in lab.partition(ACCURACY, COMING)}) == 5
    put(lab, [replace(game, status="postponed") for game in GAMES if game.day == COMING])
    lab.replace("nba_raw.player_boxscores", [COMING], [])
    assert grade(lab.resources, after) == Grades(COMING, 10, 6, 4, 0)


def played(line: Line) -> list[Game]:
    """Return the games of the coming date; one is over, in which ant1 and dog1 had this line and ant5 sat out."""
    return [
        replace(game, score=(102, 100), lines=(("ant1", line), ("dog1", USUAL)), missing=("ant5",))
        if game.game_id == GAME
        else game
        for game in GAMES
        if game.day == COMING
    ]
