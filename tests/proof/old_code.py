"""The code that ran before the migration, as it was: the array alone, and nobody is asked whether they are new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.ports.documents import SERVER_TIME, ArrayUnion, Create, Increment, Update

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore

BATCHES = "prediction_batches"


class OldCode:
    """Records completions in the array. A message that is delivered twice is counted twice by it."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    def create_batch(self, batch_id: str, game_date: str, expected_players: int) -> None:
        self._store.commit([Create(f"{BATCHES}/{batch_id}", old_batch(batch_id, game_date, expected_players))])

    def record_completion(self, batch_id: str, player: str, predictions: int) -> None:
        path = f"{BATCHES}/{batch_id}"
        self._store.commit(
            [
                Update(
                    path,
                    {
                        "completed_players": ArrayUnion((player,)),
                        "completed_count": Increment(1),
                        "total_predictions": Increment(predictions),
                        ("predictions_by_player", player): predictions,
                    },
                )
            ]
        )
        batch = self._read(batch_id)
        if not batch["is_complete"] and self.completed(batch_id) >= batch["expected_players"]:
            self._store.commit([Update(path, {"is_complete": True, "completion_time": SERVER_TIME})])

    def completed(self, batch_id: str) -> int:
        """Return how many are done, as the old coordinator and its screens read it."""
        return len(self._read(batch_id).get("completed_players", []))

    def _read(self, batch_id: str) -> dict[str, Any]:
        document = self._store.get(f"{BATCHES}/{batch_id}")
        assert document is not None, batch_id
        return document.data


def old_batch(batch_id: str, game_date: str, expected_players: int) -> dict[str, Any]:
    """Return a batch as the old coordinator made it."""
    return {
        "batch_id": batch_id,
        "game_date": game_date,
        "expected_players": expected_players,
        "completed_players": [],
        "failed_players": [],
        "completed_count": 0,
        "total_predictions": 0,
        "predictions_by_player": {},
        "is_complete": False,
        "start_time": SERVER_TIME,
        "completion_time": None,
        "correlation_id": f"corr-{batch_id}",
    }
