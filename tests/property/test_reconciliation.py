"""Whatever comes in, every record is accounted for: a row, quarantined, or set aside for a stated reason."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from nbactl.pipeline.boxscores import COLUMNS, boxscores_of
from nbactl.pipeline.games import games_of
from nbactl.pipeline.lookup import Lookups
from nbactl.pipeline.sources.base import RawRecord
from tests.kit.records import DAY, bdl_payload, game_payload, log_payload

if TYPE_CHECKING:
    from nbactl.pipeline.quarantine import Normalised

JUNK = st.one_of(
    st.none(),
    st.sampled_from(
        ["", "0", "-1", "7", "34:12", "34:99", "PT5M", "x", "ATL", "BOS vs. NYK", "ATL @ SAS", "2024-01-16"]
    ),
    st.integers(-5, 90),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "first_name", "abbreviation"]), st.text(max_size=3), max_size=2),
)


@st.composite
def spoilt(draw: st.DrawFn, payload: dict[str, Any]) -> dict[str, Any]:
    for key in draw(st.lists(st.sampled_from(sorted(payload)), max_size=3, unique=True)):
        if draw(st.booleans()):
            payload = {**payload, key: draw(JUNK)}
        else:
            payload = {name: value for name, value in payload.items() if name != key}
    return payload


@st.composite
def player_records(draw: st.DrawFn) -> RawRecord:
    shape = draw(st.sampled_from(["player_game_log", "nbac", "bdl", "sample", "never_seen"]))
    name = draw(st.sampled_from(["Trae Young", "Tráe Young", "Clint Capela"]))
    if shape == "bdl":
        payload = bdl_payload()
        payload["row"] = draw(spoilt(payload["row"]))
        payload["game"] = draw(spoilt(payload["game"]))
    else:
        payload = draw(spoilt(log_payload(PLAYER_NAME=name, MIN=draw(st.sampled_from(["0", "20", "35"])))))
    return RawRecord("player_boxscores", DAY, shape, "f:1", payload)


@st.composite
def game_records(draw: st.DrawFn) -> RawRecord:
    shape = draw(st.sampled_from(["game", "bdl", "player_game_log", "sample", "never_seen"]))
    if shape == "bdl":
        payload: dict[str, Any] = {"game": draw(spoilt(bdl_payload()["game"]))}
    else:
        payload = draw(spoilt(game_payload() if shape == "game" else log_payload()))
    return RawRecord("schedule", DAY, shape, "f:1", payload)


def _accounted_for(outcome: Normalised) -> bool:
    return outcome.records == len(outcome.rows) + len(outcome.quarantined) + outcome.set_aside.total()


@given(schedule=st.lists(game_records(), max_size=6), players=st.lists(player_records(), max_size=8))
def test_every_record_is_accounted_for(schedule: list[RawRecord], players: list[RawRecord]) -> None:
    of_day = games_of(DAY, schedule, "path")
    outcome = boxscores_of(DAY, players, of_day.games, Lookups())
    assert of_day.outcome.records == len(schedule)
    assert outcome.records == len(players)
    assert _accounted_for(of_day.outcome)
    assert _accounted_for(outcome)
    lookups = [row[COLUMNS.index("player_lookup")] for row in outcome.rows]
    assert len(lookups) == len(set(lookups))
    assert all(bad.row() for bad in (*of_day.outcome.quarantined, *outcome.quarantined))


PEOPLE = st.lists(
    st.tuples(st.sampled_from(["Chris Smith", "Chrís Smith", "Bo Cruz"]), st.sampled_from(["1", "2", "3"])),
    min_size=1,
    max_size=12,
)


@given(people=PEOPLE, split=st.integers(0, 12))
def test_names_are_given_the_same_way_in_one_go_and_date_by_date(people: list[tuple[str, str]], split: int) -> None:
    calls = [
        (name, "ATL" if number == "1" else "BOS", f"nba:{name[:2]}{number}", DAY + timedelta(days=place))
        for place, (name, number) in enumerate(people)
    ]
    at_once = Lookups()
    expected = [at_once.assign(*call) for call in calls]
    first = Lookups()
    got = [first.assign(*call) for call in calls[:split]]
    memory = {
        (lookup, name, team, source_id): day for lookup, (name, team, source_id, day) in zip(got, calls, strict=False)
    }
    second = Lookups()
    second.remember((*key, day) for key, day in memory.items())
    got += [second.assign(*call) for call in calls[split:]]
    assert got == expected
    people_of_lookup = {(lookup, call[2]) for lookup, call in zip(expected, calls, strict=True)}
    assert len({lookup for lookup, _ in people_of_lookup}) == len(people_of_lookup)
