"""What a load of a prediction batch sends, and when: requests, duplicates, and messages that nobody can work on."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal

from nbactl.errors import UsageError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Kind = Literal["request", "duplicate", "poison"]

_YEARS: Final = (1960, 1989)
_FIRST: Final = (7, 1)
_DAYS: Final = 62
"""July and August: the league plays no games then. Dates before 1960 have no partition of their own in BigQuery
(https://cloud.google.com/bigquery/docs/partitioned-tables)."""


@frozen
class Shares:
    """Which shares of the players, from 0 to 1, are also sent twice, at another's instant, or as poison."""

    duplicates: float = 0.0
    reorder: float = 0.0
    poison: float = 0.0

    def __post_init__(self) -> None:
        for name in ("duplicates", "reorder", "poison"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"--{name} is a share from 0 to 1, such as 0.1")


@frozen
class PlannedMessage:
    """A message and its intended instant, in seconds since the start. Poison has no player."""

    at: float
    kind: Kind
    player: str | None


def load_players(count: int) -> list[str]:
    """Return the names of synthetic players."""
    return [f"loadplayer{number:05}" for number in range(1, count + 1)]


def plan_messages(players: Sequence[str], duration: float, shares: Shares, seed: int) -> list[PlannedMessage]:
    """Return the messages by their instants: one request a player, spread evenly over `duration` seconds.

    A duplicate comes at any instant, also before its original. Reordered players swap their instants.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    instants = [duration * number / len(players) for number in range(len(players))]
    moved = sorted(rng.sample(range(len(players)), round(shares.reorder * len(players))))
    for left, right in zip(moved, [*moved[1:], *moved[:1]], strict=True):
        if left != moved[-1]:
            instants[left], instants[right] = instants[right], instants[left]
    planned = [PlannedMessage(at, "request", player) for at, player in zip(instants, players, strict=True)]
    again = rng.sample(list(players), round(shares.duplicates * len(players)))
    planned += [PlannedMessage(rng.uniform(0.0, duration), "duplicate", player) for player in again]
    number = round(shares.poison * len(players))
    planned += [PlannedMessage(rng.uniform(0.0, duration), "poison", None) for _ in range(number)]
    return sorted(planned, key=lambda one: one.at)


def poison_body(number: int, day: str) -> bytes:
    """Return the data of a message that no worker can work on, of several kinds in turn."""
    kinds = (
        b'{"player_lookup": "loadpoison", "game_date": ',
        json.dumps({"player_lookup": "loadpoison", "game_date": day}).encode(),
        json.dumps(["loadpoison", day]).encode(),
    )
    return kinds[number % len(kinds)]


def pick_date(taken: Collection[str], rng: random.Random) -> date:
    """Return a date on which no game was ever played, and that is not `taken`. Raises UsageError if all are."""
    every = [
        date(year, *_FIRST) + timedelta(days=number)
        for year in range(_YEARS[0], _YEARS[1] + 1)
        for number in range(_DAYS)
    ]
    free = [day for day in every if day.isoformat() not in taken]
    if not free:
        raise UsageError(
            f"all {len(every):,} dates for loads are used in this state directory",
            next_step="Choose another --state-dir.",
        )
    return rng.choice(free)
