"""The start of a prediction batch: one history query, the batch's documents, and one request a player.

Starting again is harmless: a batch is created once, its players are fixed then, and requests go out from where the last
start was interrupted. A request that goes out twice is worked on once.
"""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core._support.faults import reach
from nbactl.core.completions.documents import UPDATED_AT, batch_path, required_batch
from nbactl.core.lease.heartbeat import Heartbeat
from nbactl.core.observe.context import current
from nbactl.core.phases.messages import Completion, completion_data
from nbactl.core.phases.modes import mode_of
from nbactl.core.service.propagation import outgoing_attributes
from nbactl.errors import AlreadyExistsError, InProgressError, LeaseHeldError, NbactlError, StaleFenceError
from nbactl.frozen import frozen
from nbactl.pipeline.predict.model import inputs_data
from nbactl.ports.alerts import Alert
from nbactl.ports.bus import OutgoingMessage
from nbactl.ports.documents import SERVER_TIME, Update
from nbactl.services.batch_documents import (
    PUBLISHED,
    PUBLISHED_AT,
    STARTED_BY,
    TASK,
    batch_id_of,
    done_key,
    expected_players,
    inputs_path,
    inputs_write,
    player_lists,
    start_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.completions.tracker import CompletionTracker
    from nbactl.core.lease.leases import Leases
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.core.phases.messages import CompletionStatus, PhaseTrigger
    from nbactl.pipeline.predict.model import PlayerInputs
    from nbactl.ports.bus import MessageBus
    from nbactl.ports.documents import Create, Document, DocumentStore, FieldPath

Outcome = Literal["started", "resumed", "running", "finished", "no_games", "no_players"]

DATASET: Final = "nba_predictions"
MOST_INLINE: Final = 4_096
"""Bytes of inputs that travel in a message; larger ones are kept and named in it."""
_CHUNK: Final = 250
"""Requests between two checkpoints: some 1 MB, below a request's limit of 10 MB on both buses."""
_LOG = logging.getLogger(__name__)


@frozen
class BatchLimits:
    """Times in seconds.

    A batch of which almost all players are done is closed when it was `quiet`, any batch at its `limit` after the
    start. `late` is how long after a merge rows that came later are looked for, `keep` how long staged rows are kept.
    """

    quiet: float
    limit: float
    late: float
    keep: float
    lease: float
    renew_every: float


@frozen
class BatchParts:
    """What batches are coordinated with.

    `load_inputs` gives the inputs of all players of a date, or of those named; `merge` writes rows of a batch to the
    warehouse, and returns how many rows of it are there then. `owner` returns a new name for each lease.
    `shards` is how many counter shards a batch of so many players gets; `is_partial` says whether the phase before led
    on with part of its data.
    """

    store: DocumentStore
    tracker: CompletionTracker
    bus: MessageBus
    outbox: Outbox
    leases: Leases
    clock: Clock
    limits: BatchLimits
    owner: Callable[[], str]
    alert: Callable[[Alert], None]
    has_games: Callable[[GameDate], bool]
    load_inputs: Callable[[GameDate, Collection[str] | None], Mapping[str, PlayerInputs]]
    merge: Callable[[GameDate, Sequence[Mapping[str, Any]], str], int]
    request_topic: str
    done_topic: str
    shards: Callable[[int], int] = lambda _: 0
    is_partial: Callable[[GameDate], bool] = lambda _: False

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Hold a lease. Raises LeaseHeldError.

        It saves double work only: whatever is done under it may be done twice, so nothing checks it at the end.
        """
        lease = self.leases.acquire(name, self.owner(), self.limits.lease)
        every = self.limits.renew_every
        beat = Heartbeat(
            self.leases, lease, ttl=self.limits.lease, renew_every=every, poll_every=every, clock=self.clock,
            cancel_requested=lambda: False, on_cancel=lambda: None, on_lost=_LOG.warning,
        )  # fmt: skip
        try:
            with beat:
                yield
        finally:
            with suppress(StaleFenceError):
                self.leases.release(lease)

    def announcement(
        self,
        key: str,
        batch_id: str,
        game_date: GameDate,
        *,
        status: CompletionStatus,
        rows: int = 0,
        correlation_id: str | None,
        done: int = 0,
        expected: int = 0,
    ) -> Create:
        """Return the write that announces the end of the phase's task; `done` and `expected` are players."""
        completion = Completion(
            TASK,
            "phase5",
            game_date,
            status,
            rows=rows,
            output_table=TASK,
            output_dataset=DATASET,
            execution_id=batch_id,
            correlation_id=correlation_id or current().correlation_id or batch_id,
            at=self.clock.now(),
        )
        data = completion_data(completion)
        data["metadata"] |= {"batch_id": batch_id, "players_done": done, "players_expected": expected}
        return self.outbox.message(key, self.done_topic, data)

    def publish_soon(self, key: str) -> None:
        """Publish what is in the outbox; what the bus does not take now is left to the outbox's sweep."""
        try:
            self.outbox.drive(key)
        except NbactlError as error:
            _LOG.warning("%s waits in the outbox: %s", key, error)


@frozen
class Started:
    """What a start came to. Without games or players there is no batch."""

    batch_id: str
    outcome: Outcome
    players: int = 0


def start_batch(parts: BatchParts, trigger: PhaseTrigger, key: str) -> Started:
    """Start the batch of a date and attempt, go on with its start, or leave it as it is. `key` is what starts it.

    Raises InProgressError while another start of it is in progress, and if another key has taken its number meanwhile.
    """
    batch_id = batch_id_of(trigger.game_date, trigger.attempt)
    try:
        with parts.holding(f"batch/{batch_id}/start"):
            return _start(parts, trigger, key, batch_id)
    except LeaseHeldError as held:
        raise InProgressError(
            f"the batch {batch_id} is being started", cause=held.cause, details=held.details
        ) from held


def _start(parts: BatchParts, trigger: PhaseTrigger, key: str, batch_id: str) -> Started:
    batch = parts.store.get(batch_path(batch_id))
    inputs: Mapping[str, PlayerInputs] | None = None
    if batch is None:
        inputs = parts.load_inputs(trigger.game_date, None)
        if not inputs:
            return _without_players(parts, trigger, batch_id)
        _create(parts, trigger, key, batch_id, sorted(inputs))
        reach("coordinator.created")
        batch = required_batch(parts.store, batch_id)
    if batch.data.get(STARTED_BY, key) != key:
        raise InProgressError(f"the batch {batch_id} was started for something else meanwhile")
    expected = int(batch.data["expected_players"])
    if batch.data.get(PUBLISHED_AT) is not None:
        finished = batch.data.get("is_complete") is True
        return Started(batch_id, "finished" if finished else "running", expected)
    request_players(parts, batch, trigger.game_date, inputs)
    _LOG.info("%s: %s players requested", batch_id, expected)
    return Started(batch_id, "resumed" if inputs is None else "started", expected)


def request_players(
    parts: BatchParts, batch: Document, game_date: GameDate, inputs: Mapping[str, PlayerInputs] | None = None
) -> None:
    """Publish the requests of a batch from the last checkpoint on. Without `inputs` they are loaded."""
    batch_id = str(batch.data["batch_id"])
    players = expected_players(parts.store, batch_id)
    first = int(batch.data.get(PUBLISHED) or 0)
    if inputs is None:
        inputs = parts.load_inputs(game_date, players[first:])
    common = {
        "game_date": str(game_date),
        "batch_id": batch_id,
        "correlation_id": batch.data.get("correlation_id"),
        # Of the batch, so that a request that goes out again is the same message.
        "timestamp": batch.create_time.isoformat(),
        "prediction_run_mode": batch.data.get("prediction_run_mode"),
        "partial": batch.data.get("partial") is True,
    }
    for start in range(first, len(players), _CHUNK):
        chunk = players[start : start + _CHUNK]
        _publish(parts, batch_id, [({**common, "player_lookup": player}, inputs.get(player)) for player in chunk])
        reach("coordinator.published")
        done = start + len(chunk)
        fields: dict[FieldPath, Any] = {PUBLISHED: done, UPDATED_AT: SERVER_TIME}
        if done == len(players):
            fields[PUBLISHED_AT] = SERVER_TIME
        parts.store.commit([Update(batch.path, fields)])
        reach("coordinator.checkpointed")


def _publish(parts: BatchParts, batch_id: str, requests: Sequence[tuple[dict[str, Any], PlayerInputs | None]]) -> None:
    """Publish requests with their inputs, which are kept first where they are too large for a message."""
    kept, messages, attributes = [], list[OutgoingMessage](), outgoing_attributes()
    for request, inputs in requests:
        if inputs is not None:
            data = inputs_data(inputs)
            if len(json.dumps(data)) <= MOST_INLINE:
                request["historical_games_batch"] = data
            else:
                request["inputs_ref"] = inputs_path(batch_id, request["player_lookup"])
                kept.append(inputs_write(request["inputs_ref"], data))
        messages.append(OutgoingMessage(json.dumps(request).encode(), attributes))
    for result in parts.store.batch_write(kept) if kept else ():
        if result.error is not None:
            raise result.error
    parts.bus.publish_many(parts.request_topic, messages)


def _create(parts: BatchParts, trigger: PhaseTrigger, key: str, batch_id: str, players: list[str]) -> None:
    now = parts.clock.now()
    fields = start_fields(
        trigger,
        key,
        mode=trigger.mode or mode_of(trigger.game_date, now),
        instance=parts.owner(),
        next_check=now + timedelta(seconds=parts.limits.quiet),
    )
    # Another start that was faster may have found other players: its list holds.
    with suppress(AlreadyExistsError):
        parts.tracker.create_batch(
            batch_id,
            trigger.game_date,
            len(players),
            trigger.correlation_id or current().correlation_id or batch_id,
            counter_shards=parts.shards(len(players)),
            fields=fields,
            beside=player_lists(batch_id, players),
        )


def _without_players(parts: BatchParts, trigger: PhaseTrigger, batch_id: str) -> Started:
    """Announce that there is nothing to predict; on a date with games that is a failure, and alerted."""
    day, games = trigger.game_date, parts.has_games(trigger.game_date)
    status: CompletionStatus = "failed" if games else "no_data"
    if games:
        parts.alert(
            Alert(
                f"batch_without_players/{day}",
                "critical",
                f"no predictions for {day}: there are games, but no players",
                text="The feature store of the date has no rows, so that the batch was not started.",
                fields={"game_date": str(day), "batch": batch_id},
                next_step=f"Look at phase 4: nbactl status --date {day}",
            )
        )
    key = f"{done_key(day, batch_id)}/{status}"
    announcement = parts.announcement(key, batch_id, day, status=status, correlation_id=trigger.correlation_id)
    with suppress(AlreadyExistsError):
        parts.store.commit([announcement])
    parts.publish_soon(key)
    return Started(batch_id, "no_players" if games else "no_games")
