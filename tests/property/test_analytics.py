"""What holds of the analytics whatever the box scores say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.budget import THOROUGH
from tests.kit.mini_season import COMING, GAMES, OPENING, OVERTIME, SECOND, TEAMS, TRADE, Game, Line, put
from tests.kit.warehouse import FROM_BEFORE, PHASE3, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFENSE, _, SUMMARY, _, _ = PHASE3
FROM_OVERTIME_ON = [OVERTIME, TRADE, COMING]
LATER = [game for game in GAMES if game.day >= OVERTIME]
EARLIER = [game for game in GAMES if game.day < OVERTIME]
few = settings(max_examples=8 if THOROUGH else 2)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    attempts = draw(st.integers(0, 40))
    threes = draw(st.integers(0, attempts))
    three_made = draw(st.integers(0, threes))
    made = three_made + draw(st.integers(0, attempts - threes))
    free = draw(st.integers(0, 20))
    return Line(
        minutes=draw(st.sampled_from([0.0, 0.5, 12.25, 31.0, 48.0, 58.0])),
        fg=(made, attempts),
        three=(three_made, threes),
        ft=(draw(st.integers(0, free)), free),
        offensive_rebounds=draw(st.integers(0, 9)),
        turnovers=draw(st.integers(0, 9)),
    )


names = st.sampled_from([f"{team.lower()}{number}" for team in TEAMS for number in range(1, 6)])


@st.composite
def other_course(draw: st.DrawFn, game: Game) -> Game:
    """The same game on the schedule with another score, other box scores, other players, or none at all."""
    return replace(
        game,
        score=draw(st.none() | st.tuples(st.integers(60, 180), st.integers(60, 180))),
        lines=tuple(draw(st.dictionaries(names, lines(), max_size=6)).items()),
        missing=tuple(draw(st.sets(names, max_size=6))),
        swapped=tuple(draw(st.dictionaries(names, st.sampled_from(["newcomer", "stranger"]), max_size=1)).items()),
    )


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("property"))
    put(lab, [*GAMES])
    yield lab
    lab.warehouse.close()


def digests(lab: Lab) -> dict[str, str]:
    lab.compute(OVERTIME, FROM_BEFORE)
    return {table: lab.digest(table, OVERTIME) for table in FROM_BEFORE}


@pytest.fixture(scope="module")
def usual(lab: Lab) -> dict[str, str]:
    """The digests of the season as it was."""
    put(lab, [*GAMES])
    return digests(lab)


@few
@given(st.tuples(*(other_course(game) for game in LATER)))
def test_contexts_and_features_know_nothing_of_the_date_and_later(
    lab: Lab, usual: dict[str, str], courses: tuple[Game, ...]
) -> None:
    put(lab, [*EARLIER, *courses])
    assert digests(lab) == usual


def test_contexts_and_features_change_with_the_past(lab: Lab, usual: dict[str, str]) -> None:
    changed = [replace(game, score=(90, 120), missing=("cat2",)) if game.day == SECOND else game for game in GAMES]
    put(lab, changed)
    after = digests(lab)
    assert [table for table in FROM_BEFORE if after[table] == usual[table]] == []


@few
@given(st.sets(names, max_size=10))
def test_team_points_are_the_score_even_if_players_are_missing(lab: Lab, missing: set[str]) -> None:
    put(lab, [replace(game, missing=tuple(missing)) if game.day == OPENING else game for game in GAMES])
    lab.compute(OPENING, (OFFENSE, SUMMARY))
    scores = {"ANT": 112, "BEE": 100, "CAT": 80, "DOG": 100}
    rows = lab.partition(OFFENSE, OPENING)
    assert {row["team_abbr"]: row["points"] for row in rows} == scores
    for row in rows:
        there = 5 - sum(name.startswith(row["team_abbr"].lower()) for name in missing)
        assert row["minutes_coverage"] == pytest.approx(there / 5)
        assert row["box_complete"] is (there == 5)
        assert (row["fg_attempted"] is None) is (there < 5)
    usages = lab.partition(SUMMARY, OPENING)
    complete = {row["team_abbr"] for row in rows if row["box_complete"]}
    assert all((row["usage_rate"] is not None) is (row["team_abbr"] in complete) for row in usages)


@few
@given(st.lists(lines().filter(lambda line: line.minutes > 0), min_size=5, max_size=5))
def test_usage_weighted_by_minutes_is_a_fifth(lab: Lab, box: list[Line]) -> None:
    box = [replace(line, minutes=48.0 + shift) for line, shift in zip(box, (-8, -4, 0, 0, 12), strict=True)]
    points = sum(line.points for line in box)
    game = Game(OPENING, "ANT", "BEE", (points, 100), lines=tuple((f"ant{n}", line) for n, line in enumerate(box, 1)))
    put(lab, [game])
    lab.compute(OPENING, (SUMMARY,))
    rows = [row for row in lab.partition(SUMMARY, OPENING) if row["team_abbr"] == "ANT"]
    weighted = [(row["usage_rate"], row["minutes"]) for row in rows if row["usage_rate"] is not None]
    if weighted:
        total = sum(minutes for _, minutes in weighted)
        assert sum(usage * minutes for usage, minutes in weighted) / total == pytest.approx(20)
    for row in rows:
        assert row["efg_pct"] is None or 0 <= row["efg_pct"] <= 1.5
        assert (row["ts_pct"] is None) is (row["fg_attempted"] == row["ft_attempted"] == 0)
