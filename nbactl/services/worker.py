"""The worker: predicts for one player at a time, and stages the rows until the coordinator merges the batch.

Its message is acknowledged after the rows are staged and the player is announced. Of a message that comes again the
rows are there, and only the announcement is made again. A failure that no repetition cures is recorded with its reason
and acknowledged; anything else is raised, so that the message comes again.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from nbactl.core._support.faults import reach
from nbactl.core._support.gamedate import GameDate
from nbactl.core.observe.events import Event, noop_hook
from nbactl.core.service.propagation import outgoing_attributes
from nbactl.core.service.service import Service
from nbactl.errors import AlreadyExistsError, DataError, NotFoundError, UsageError
from nbactl.pipeline.predict.model import parse_inputs, predict
from nbactl.pipeline.predict.writing import prediction_rows
from nbactl.services.batch_documents import (
    check_at,
    failure_write,
    kept_inputs,
    message_key,
    rejection_write,
    staged_path,
    staged_write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.core.completions.tracker import CompletionTracker
    from nbactl.core.observe.events import Hook
    from nbactl.core.service.push import PushMessage
    from nbactl.core.service.service import Parts
    from nbactl.pipeline.predict.model import PlayerInputs
    from nbactl.ports.bus import MessageBus
    from nbactl.ports.documents import DocumentStore

_LOG = logging.getLogger(__name__)


class PredictionWorker:
    """Works on prediction requests. `load_inputs` is asked for a player whose inputs did not come with the request."""

    def __init__(
        self,
        store: DocumentStore,
        tracker: CompletionTracker,
        bus: MessageBus,
        clock: Clock,
        *,
        ready_topic: str,
        load_inputs: Callable[[GameDate, Collection[str] | None], Mapping[str, PlayerInputs]],
        hook: Hook = noop_hook,
    ) -> None:
        self._store = store
        self._tracker = tracker
        self._bus = bus
        self._clock = clock
        self._ready_topic = ready_topic
        self._load_inputs = load_inputs
        self._hook = hook

    def work(self, data: Mapping[str, Any]) -> None:
        """Do what a request asks for. Raises DataError for one without batch or player."""
        batch_id, player = message_key(data)
        partial = data.get("partial") is True
        try:
            inputs = self._inputs(data, player, _date(data))
            rows = prediction_rows(inputs, predict(inputs, partial=partial), partial=partial)
        except DataError as error:
            self._fail(batch_id, player, data, error)
            return
        try:
            at = self._store.commit([staged_write(batch_id, player, rows)])
            count = len(rows)
        except AlreadyExistsError:
            staged = self._store.get(staged_path(batch_id, player))
            if staged is None:
                raise
            at, count = staged.update_time, int(staged.data["predictions"])
        reach("worker.staged")
        self._announce(data, batch_id, player, count, at)
        reach("worker.announced")
        self._hook(Event("predictions.staged", batch_id, {"rows": count}))

    def _inputs(self, data: Mapping[str, Any], player: str, day: GameDate) -> PlayerInputs:
        """Return the inputs of the request, or those it refers to, or else what a query of its own finds."""
        try:
            return self._sent(data, player, day)
        except DataError as error:
            _LOG.warning("%s on %s is predicted from a query of its own: %s", player, day, error.message)
            self._hook(Event("predictions.own_query", str(data.get("batch_id"))))
        found = self._load_inputs(day, (player,)).get(player)
        if found is None:
            raise DataError(f"{player} is not expected to play on {day}", cause="The feature store has no row.")
        return found

    def _sent(self, data: Mapping[str, Any], player: str, day: GameDate) -> PlayerInputs:
        sent, reference = data.get("historical_games_batch"), data.get("inputs_ref")
        if isinstance(reference, str):
            document = self._store.get(reference)
            sent = None if document is None else kept_inputs(document)
        if not isinstance(sent, dict):
            raise DataError("the request has no inputs")
        inputs = parse_inputs(sent)
        if (inputs.player_lookup, inputs.game_date) != (player, day.day):
            raise DataError(f"the inputs are of {inputs.player_lookup} on {inputs.game_date}")
        return inputs

    def _announce(self, data: Mapping[str, Any], batch_id: str, player: str, count: int, at: datetime) -> None:
        ready = {
            "player_lookup": player,
            "game_date": data.get("game_date"),
            "batch_id": batch_id,
            "correlation_id": data.get("correlation_id"),
            "predictions_generated": count,
            # Of the rows, so that an announcement that is made again is the same message.
            "timestamp": at.isoformat(),
        }
        self._bus.publish(self._ready_topic, json.dumps(ready).encode(), outgoing_attributes())

    def _fail(self, batch_id: str, player: str, data: Mapping[str, Any], error: DataError) -> None:
        """Record that a player has failed for good, and why; the last one of a batch lets the clock finish it."""
        _LOG.warning("no prediction for %s in %s: %s", player, batch_id, error.message)
        self._hook(Event("predictions.failed", batch_id, {"error": error.code}))
        self._store.commit([failure_write(batch_id, player, error)])
        reach("worker.failed")
        try:
            recorded = self._tracker.record_failure(batch_id, player)
            reach("worker.failure_recorded")
            if recorded.progress.is_complete:
                self._store.commit([check_at(batch_id, self._clock.now())])
        except NotFoundError as missing:
            self._store.commit([rejection_write("request", batch_id, player, data, missing.message)])


def make_worker(
    parts: Parts, worker: PredictionWorker, *, probe: Callable[[], object], name: str = "worker"
) -> Service:
    """Return the service. `probe` makes a prediction, and checks that its table can take it."""
    service = Service(name, parts)

    # Requests of one player may differ, in their inputs for example, and mean the same.
    @service.push("/predict", timeout="task.worker", key=_request_key, payload=lambda _: None, probe=probe)
    def predict_player(message: PushMessage) -> None:
        worker.work(message.json())

    return service


def _request_key(message: PushMessage) -> str:
    return "/".join(("predict", *message_key(message.json())))


def _date(data: Mapping[str, Any]) -> GameDate:
    value = data.get("game_date")
    try:
        return GameDate.iso(value if isinstance(value, str) else "")
    except UsageError as error:
        raise DataError(f"the game_date of the request is {value!r}, not a date of a game") from error
