"""What became of the players of a load: lost, done twice, and how long each took from its intended instant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nbactl.core._support.ids import decode_id
from nbactl.core.completions.batches import recorded_players
from nbactl.core.completions.documents import (
    COMPLETED_COUNT,
    FAILED_PLAYERS,
    batch_path,
    completions_of,
    count_of,
    players_of,
    required_batch,
    shard_path,
    shards_of,
)
from nbactl.frozen import frozen
from nbactl.ports.documents import Filter, Query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from nbactl.checks.load.report import Percentiles
    from nbactl.ports.documents import Document, Reader

_LEAST_PREDICTIONS = 10
"""Phase 6 starts with that many predictions, and 80 % of the players."""


@frozen
class BatchResult:
    """The state of a load's batch.

    `lost` are players who neither completed nor failed. `twice` is how far the counter is above the players on record.
    `triggers` is how often phase 6 was started. `ended` are the times of players' completions, or of the rows that
    their workers staged, where completions are recorded without times; `measured_to` says which.
    """

    expected: int
    done: int
    failed: tuple[str, ...]
    lost: tuple[str, ...]
    twice: int
    is_complete: bool
    is_merged: bool
    merged_players: int
    merged_rows: int
    triggers: int
    ended: Mapping[str, datetime]
    measured_to: str

    @property
    def starts_next_phase(self) -> bool:
        """Whether there is enough for phase 6 to start."""
        return self.merged_rows >= _LEAST_PREDICTIONS and self.merged_players * 5 >= self.expected * 4

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is expected of it."""
        return self.is_complete and self.is_merged and not self.lost and self.triggers >= self.starts_next_phase


def read_result(reader: Reader, batch_id: str, players: Sequence[str], trigger_topic: str | None) -> BatchResult:
    """Return the state of a batch. Players are on record in its array, in documents of their own, or both."""
    batch = required_batch(reader, batch_id)
    recorded = recorded_players(reader, batch)
    failed = players_of(batch, FAILED_PLAYERS) - recorded
    shards = [reader.get(shard_path(batch_id, number)) for number in range(shards_of(batch))]
    counter = sum(count_of(one, COMPLETED_COUNT) for one in (batch, *shards) if one is not None)
    measured_to, ended = _ended(reader, batch_id)
    return BatchResult(
        expected=len(players),
        done=len(recorded.intersection(players)),
        failed=tuple(sorted(failed)),
        lost=tuple(player for player in players if player not in recorded and player not in failed),
        twice=max(0, counter - len(recorded)),
        is_complete=batch.data.get("is_complete") is True,
        is_merged=batch.data.get("consolidated_at") is not None,
        merged_players=int(batch.data.get("merged_players") or 0),
        merged_rows=int(batch.data.get("merged_rows") or 0),
        triggers=0 if trigger_topic is None else _triggers(reader, trigger_topic, str(batch.data["game_date"])),
        ended=ended,
        measured_to=measured_to,
    )


def _triggers(reader: Reader, topic: str, day: str) -> int:
    """Return how many starts of a phase for a date are in the outbox, which keeps what was published."""
    found = reader.query(Query("outbox", (Filter("topic", "==", topic),)))
    return sum(_date_of(document) == day for document in found)


def _date_of(document: Document) -> Any:  # noqa: ANN401 - any JSON value
    data = json.loads(document.data["data"])
    return data.get("game_date") or data.get("target_date")


def _ended(reader: Reader, batch_id: str) -> tuple[str, dict[str, datetime]]:
    completions = list(reader.query(Query(completions_of(batch_id))))
    if completions:
        return "completion", {str(one.data["player_lookup"]): one.data["completed_at"] for one in completions}
    staged = reader.query(Query(f"{batch_path(batch_id)}/staged"))
    return "staged rows", {decode_id(document.id): document.create_time for document in staged}


@frozen
class BatchReport:
    """The outcome of a load. Times are in seconds, latencies from the intended instant to the end of a player.

    `sent` counts messages by kind; `unsent` those that could not be published. `poisoned` are those in the dead letter.
    """

    result: BatchResult
    sent: Mapping[str, int]
    unsent: int
    poisoned: int
    latency: Percentiles
    throughput: float
    duration: float
    restarts: int

    @property
    def problems(self) -> list[str]:
        """What must not be, in words."""
        result, found = self.result, list[str]()
        poison = self.sent.get("poison", 0)
        if result.lost:
            found.append(f"{len(result.lost)} of {result.expected} players are lost")
        if result.failed:
            found.append(f"{len(result.failed)} players failed")
        if result.twice:
            found.append(f"{result.twice} players were counted twice")
        if not result.is_complete:
            found.append("the batch is not complete")
        elif not result.is_merged:
            found.append("the batch is not merged")
        if result.triggers > 1 or (result.starts_next_phase and not result.triggers):
            found.append(f"phase 6 was started {result.triggers} times")
        if self.poisoned < poison:
            found.append(f"{poison - self.poisoned} of {poison} poisonous messages are not in the dead letter")
        if self.unsent:
            found.append(f"{self.unsent} messages could not be published")
        return found
