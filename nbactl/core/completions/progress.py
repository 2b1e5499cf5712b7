"""How far a batch is: the one function that everybody asks (invariant 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.core.completions.documents import (
    COMPLETED_COUNT,
    COMPLETED_PLAYERS,
    FAILED_PLAYERS,
    TOTAL_PREDICTIONS,
    bad_field,
    batch_id_of,
    completion_path,
    count_of,
    flag_of,
    game_date_of,
    instant_of,
    players_of,
    shard_path,
    shards_of,
    text_of,
)

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.completions.mode import CompletionMode
    from nbactl.ports.documents import Document, Reader


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is. `failed` has those who failed and have not completed since."""

    batch_id: str
    game_date: GameDate
    expected: int
    completed: int
    failed: tuple[str, ...]
    predictions: int
    is_complete: bool
    start_time: datetime | None
    completion_time: datetime | None
    correlation_id: str | None

    @property
    def missing(self) -> int:
        """How many players have neither completed nor failed."""
        return max(0, self.expected - self.completed - len(self.failed))

    @property
    def is_due(self) -> bool:
        """Whether everybody has completed or failed; `is_complete` says whether that has been recorded."""
        return self.missing == 0

    @property
    def percent(self) -> float:
        """The completed among the expected, 0.0 to 100.0."""
        return min(100.0, 100.0 * self.completed / self.expected) if self.expected else 100.0


def read_progress(reader: Reader, document: Document, mode: CompletionMode) -> Progress:
    """Return the progress that a batch's document, and what it leads to, says.

    Costs one look-up a shard and a failed player at most, however many have completed; nothing that `mode` does not
    read is looked at. Raises DataError for what cannot be counted.
    """
    batch_id = batch_id_of(document)
    mode = mode.for_batch(document)
    shards = _shards(reader, document, batch_id)
    predictions = sum(count_of(each, TOTAL_PREDICTIONS) for each in (document, *shards))
    failed = players_of(document, FAILED_PLAYERS)
    if mode.read_subcollection:
        completed = sum(count_of(each, COMPLETED_COUNT) for each in (document, *shards))
        failed -= _completed_among(reader, batch_id, failed)
    else:
        players = players_of(document, COMPLETED_PLAYERS)
        completed = len(players)
        failed -= players
    is_complete = flag_of(document, "is_complete")
    return Progress(
        batch_id=batch_id,
        game_date=game_date_of(document),
        expected=count_of(document, "expected_players"),
        completed=completed,
        failed=tuple(sorted(failed)),
        predictions=predictions,
        is_complete=is_complete,
        start_time=instant_of(document, "start_time"),
        completion_time=instant_of(document, "completion_time") if is_complete else None,
        correlation_id=text_of(document, "correlation_id"),
    )


def _shards(reader: Reader, document: Document, batch_id: str) -> list[Document]:
    number = shards_of(document)
    if not number:
        return []
    found = reader.get_all([shard_path(batch_id, shard) for shard in range(number)])
    present = [each for each in found if each is not None]
    if len(present) < number:
        raise bad_field(document, "counter_shards", f"is {number}, but only {len(present)} of these documents exist")
    return present


def _completed_among(reader: Reader, batch_id: str, failed: frozenset[str]) -> frozenset[str]:
    """Return who of the failed has completed since."""
    if not failed:
        return failed
    players = sorted(failed)
    found = reader.get_all([completion_path(batch_id, player) for player in players])
    return frozenset(player for player, document in zip(players, found, strict=True) if document is not None)
