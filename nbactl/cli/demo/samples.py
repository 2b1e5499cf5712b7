"""Sample batches in the shapes that production has: arrays, counters, and everything that is wrong with them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import EASTERN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

LIVE: Final = "demo-live"
"""The batch that is not complete yet."""
_NIGHTS: Final = 6
_PLAYERS: Final = 150
_LIVE_PLAYERS: Final = 450
_LIVE_COMPLETED: Final = 60


def player(number: int) -> str:
    """Return the id of a player; the first has the number 1."""
    return f"player{number:03d}"


def predictions(number: int) -> int:
    """Return how many predictions a player gets."""
    return 1 + number % 5


def sample_batches(now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the documents of the sample batches, as the code before the migration wrote them."""
    for night in range(1, _NIGHTS + 1):
        yield _batch(f"demo-night-{night}", now - timedelta(days=night + 3), _PLAYERS)
    yield _batch("demo-counter-drift", now - timedelta(days=3), _PLAYERS) | {"completed_count": _PLAYERS - 3}
    old = _batch("demo-old-fields", now - timedelta(days=400), _PLAYERS)
    for missing in ("completed_count", "total_predictions", "predictions_by_player"):
        del old[missing]
    yield old
    damaged = _batch("demo-unreadable", now - timedelta(days=2), _PLAYERS)
    damaged["completed_players"] += [None, "", player(1)]
    yield damaged | {"completed_count": "150 players"}
    yield _batch(LIVE, now, _LIVE_PLAYERS, completed=_LIVE_COMPLETED)


def _batch(name: str, start: datetime, expected: int, *, completed: int | None = None) -> dict[str, Any]:
    is_complete = completed is None
    numbers = range(1, (expected if completed is None else completed) + 1)
    end = start + timedelta(minutes=20)
    return {
        "batch_id": name,
        "game_date": start.astimezone(EASTERN).date().isoformat(),
        "expected_players": expected,
        "completed_players": [player(number) for number in numbers],
        "failed_players": [],
        "completed_count": len(numbers),
        "total_predictions": sum(predictions(number) for number in numbers),
        "predictions_by_player": {player(number): predictions(number) for number in numbers},
        "is_complete": is_complete,
        "start_time": start,
        "completion_time": end if is_complete else None,
        "correlation_id": f"{name}-run",
        "created_at": start,
        "updated_at": end if is_complete else start,
        "dataset_prefix": "",
    }
