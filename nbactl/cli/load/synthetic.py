"""Synthetic players of a load: past games by a seed, in the form in which the coordinator sends them."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from nbactl.pipeline.predict.model import STATS, PastGame, PlayerInputs, inputs_data

_GAMES = 20


def synthetic_inputs(player: str, day: date, seed: int) -> dict[str, Any]:
    """Return `historical_games_batch` of a request."""
    rng = random.Random(f"{seed}/{player}")  # noqa: S311 - no secret
    games = tuple(
        PastGame(
            day - timedelta(days=2 * number),
            minutes=round(rng.uniform(8.0, 40.0), 1),
            points=rng.randint(0, 35),
            rebounds=rng.randint(0, 15),
            assists=rng.randint(0, 12),
        )
        for number in range(1, _GAMES + 1)
    )
    factors: dict[str, float] = {stat: round(rng.uniform(0.9, 1.1), 3) for stat in STATS}
    return inputs_data(PlayerInputs(player, f"load{day:%Y%m%d}", day, "AAA", "BBB", 1, factors, games))
