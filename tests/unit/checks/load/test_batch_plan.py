"""What a load of a batch sends, and on which dates."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbactl.checks.load.batch_plan import Shares, load_players, pick_date, plan_messages, poison_body
from nbactl.errors import UsageError

SHARE = st.floats(0.0, 1.0)


@given(st.integers(1, 60), st.builds(Shares, SHARE, SHARE, SHARE), st.integers(0, 99))
def test_every_player_is_requested_once_and_the_shares_are_kept(count: int, shares: Shares, seed: int) -> None:
    players = load_players(count)
    plan = plan_messages(players, 30.0, shares, seed)
    kinds = Counter(message.kind for message in plan)
    assert sorted(str(one.player) for one in plan if one.kind == "request") == players
    assert kinds["duplicate"] == round(shares.duplicates * count)
    assert kinds["poison"] == round(shares.poison * count)
    again = [one.player for one in plan if one.kind == "duplicate"]
    assert len(set(again)) == len(again)
    assert set(again) <= set(players)
    assert [one.player for one in plan if one.kind == "poison"] == [None] * kinds["poison"]
    assert [one.at for one in plan] == sorted(one.at for one in plan)
    assert all(0.0 <= one.at <= 30.0 for one in plan)
    requests = sorted(one.at for one in plan if one.kind == "request")
    assert requests == pytest.approx([30.0 * number / count for number in range(count)])


def test_reordered_requests_are_sent_at_the_instants_of_others() -> None:
    players = load_players(200)

    def order(shares: Shares) -> list[str]:
        return [str(one.player) for one in plan_messages(players, 10.0, shares, 1)]

    assert order(Shares()) == players
    moved = sum(one != other for one, other in zip(order(Shares(reorder=0.5)), players, strict=True))
    assert moved == 100


def test_the_seed_decides() -> None:
    shares = Shares(0.3, 0.3, 0.3)
    first, again, other = (plan_messages(load_players(50), 10.0, shares, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_poison_is_of_several_kinds_and_none_is_a_request() -> None:
    kinds = [poison_body(number, "1970-07-01") for number in range(3)]
    with pytest.raises(json.JSONDecodeError):
        json.loads(kinds[0])
    assert "batch_id" not in json.loads(kinds[1])
    assert isinstance(json.loads(kinds[2]), list)


@given(st.integers(0, 10_000))
def test_a_date_of_a_load_is_a_summer_day_of_long_ago(seed: int) -> None:
    day = pick_date((), random.Random(seed))
    assert day.month in (7, 8)
    assert 1960 <= day.year <= 1989


def test_a_date_is_used_once() -> None:
    rng = random.Random(1)
    used = {
        date(year, 7, 1).replace(month=month, day=day).isoformat()
        for year in range(1960, 1990)
        for month in (7, 8)
        for day in range(1, 32)
    } - {"1975-08-31", "1960-07-01"}
    assert {pick_date(used, rng).isoformat() for _ in range(20)} == {"1975-08-31", "1960-07-01"}
    with pytest.raises(UsageError, match="all 1,860 dates for loads are used"):
        pick_date(used | {"1975-08-31", "1960-07-01"}, rng)


@pytest.mark.parametrize("name", ["duplicates", "reorder", "poison"])
@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_from_0_to_1(name: str, share: float) -> None:
    with pytest.raises(UsageError, match=f"--{name}"):
        Shares(**{name: share})
