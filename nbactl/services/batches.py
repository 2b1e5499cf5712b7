"""Prediction batches from their start to their end: who is done, when a batch is closed, and its one merge.

The clock works by one field of the batch, `_next_check_at`: whatever was interrupted is found by it. A batch keeps it
until a check after the merge found nothing that came later.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core._support.durations import format_duration
from nbactl.core._support.faults import reach
from nbactl.core._support.ids import decode_id
from nbactl.core.completions.documents import (
    BATCHES,
    RESET_AT,
    UPDATED_AT,
    batch_path,
    game_date_of,
    instant_of,
    is_count,
    required_batch,
)
from nbactl.core.phases.messages import PhaseTrigger
from nbactl.errors import DataError, LeaseHeldError, NotFoundError, PreconditionError, unforeseen
from nbactl.frozen import frozen
from nbactl.ports.alerts import Alert
from nbactl.ports.documents import DELETE_FIELD, Filter, Increment, Order, Query, Update
from nbactl.services.batch_documents import (
    CHECK_FAILURES,
    CONSOLIDATED_AT,
    NEXT_CHECK,
    PUBLISHED_AT,
    STARTED_BY,
    batch_id_of,
    check_at,
    expected_players,
    message_key,
    rejection_write,
    staged_players,
)
from nbactl.services.batch_merge import clean_batches, later_attempt, merge_batch
from nbactl.services.batch_start import Started, request_players, start_batch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.completions.batches import Progress
    from nbactl.errors import NbactlError
    from nbactl.ports.alerts import Severity
    from nbactl.ports.documents import Document, FieldPath
    from nbactl.services.batch_start import BatchParts

Action = Literal["waits", "resumed", "merged", "merged late", "finished", "superseded", "failed"]

_ENOUGH: Final = 95.0
"""Percent of the players with which a batch that is quiet is closed (production's rule)."""
_SHOWN: Final = 20
_REMEMBERED: Final = 7
_MOST_DOUBLINGS: Final = 10
_LOG = logging.getLogger(__name__)


@frozen
class Checked:
    """What a check of a batch came to."""

    batch_id: str
    action: Action
    error: NbactlError | None = None


class BatchCoordinator:
    """Starts batches, records who is done, and closes and merges them. Every call may be made again, by any process."""

    def __init__(self, parts: BatchParts) -> None:
        self._parts = parts
        self._store = parts.store
        self._limits = parts.limits
        self._expected: dict[str, frozenset[str]] = {}
        """Who is expected in the batches that were asked for last; that never changes."""

    def start(self, trigger: PhaseTrigger) -> Started:
        """Start the batch of a trigger's date and attempt, once.

        If a start by hand has taken its number, it gets the next one that is free. Raises InProgressError while another
        start of it is in progress.
        """
        day, key = trigger.game_date, trigger.key
        batch = self._store.get(batch_path(batch_id_of(day, trigger.attempt)))
        if not trigger.partial:  # a trigger of production never says so
            trigger = replace(trigger, partial=self._parts.is_partial(day))
        if batch is not None and batch.data.get(STARTED_BY, key) != key:
            taken = self._attempts(day)
            own = (attempt for attempt, one in taken.items() if one.data.get(STARTED_BY) == key)
            trigger = replace(trigger, attempt=next(own, max(taken) + 1))
        return start_batch(self._parts, trigger, key)

    def start_date(self, game_date: GameDate, *, force: bool) -> Started:
        """Start the last batch of a date that nbactl knows, as `start` does.

        With `force`, and if that batch was reset, it is a new attempt.
        """
        attempts = self._attempts(game_date)
        last = max(attempts, default=0)
        batch = attempts.get(last)
        trigger = PhaseTrigger("phase5", game_date, last or 1, partial=self._parts.is_partial(game_date))
        if batch is None:
            return start_batch(self._parts, trigger, trigger.key)
        was_reset = batch.data.get(RESET_AT) is not None
        if not force and not was_reset:
            return start_batch(self._parts, trigger, str(batch.data.get(STARTED_BY, trigger.key)))
        new = batch_id_of(game_date, last + 1)
        if was_reset:  # what it has staged is not to end it any more
            given_up: dict[FieldPath, Any] = {"superseded_by": new, NEXT_CHECK: DELETE_FIELD}
            self._store.commit([Update(batch.path, given_up)])
        return start_batch(self._parts, replace(trigger, attempt=last + 1), f"start/{new}")

    def _attempts(self, game_date: GameDate) -> dict[int, Document]:
        """Return the batches of a date that nbactl has started, by the number of the attempt."""
        found = self._store.query(Query(BATCHES, (Filter("game_date", "==", str(game_date)),)))
        return {attempt: batch for batch in found if isinstance(attempt := batch.data.get("attempt"), int)}

    def ready(self, data: Mapping[str, Any]) -> None:
        """Record the completion in a worker's message. Raises DataError for a message without batch or player.

        A message of an unknown batch or player is kept in `rejected_messages`: it can never be recorded. When this
        returns, the completion is durable, and what follows from it is done or left to the clock.
        """
        batch_id, player, predictions = parse_ready(data)
        try:
            self._refuse_strangers(batch_id, player)
            recorded = self._parts.tracker.record_completion(batch_id, player, predictions)
        except NotFoundError as error:
            _LOG.error("the completion of %s in %s is not recorded: %s", player, batch_id, error.message)
            self._store.commit([rejection_write("ready", batch_id, player, data, error.message)])
            return
        if not recorded.progress.is_complete:
            return
        batch = required_batch(self._store, batch_id)
        if batch.data.get(CONSOLIDATED_AT) is None:
            self._check_safely(batch_id)
            return
        # Its rows may have come after the merge. The batch is written in any case: a check that is being made may have
        # looked before they came, and must not be the last one.
        due, soon = instant_of(batch, NEXT_CHECK), self._in(self._limits.late)
        self._store.commit([check_at(batch_id, soon if due is None else min(due, soon))])

    def _refuse_strangers(self, batch_id: str, player: str) -> None:
        """Raise NotFoundError for a player who is not expected: nobody may count in the place of another."""
        expected = self._expected.get(batch_id)
        if expected is None:
            expected = frozenset(expected_players(self._store, batch_id))
            if expected:
                self._expected = {batch_id: expected, **dict(list(self._expected.items())[:_REMEMBERED])}
        if expected and player not in expected:  # a batch of old programs has no list
            raise NotFoundError(f"the batch {batch_id} does not expect the player {player}")

    def sweep(self) -> list[Checked]:
        """Check the batches whose time has come. One that fails is tried again after a pause that doubles."""
        due = Query(BATCHES, (Filter(NEXT_CHECK, "<=", self._parts.clock.now()),), (Order(NEXT_CHECK),))
        return [self._check_safely(decode_id(batch.id)) for batch in list(self._store.query(due))]

    def clean(self) -> int:
        """Delete the staged rows and inputs of batches that were merged long ago; returns how many batches."""
        return clean_batches(self._parts)

    def consolidate(self, batch_id: str) -> Checked:
        """Merge what is staged in a batch that is complete, and announce the end of the phase's task, once.

        What was staged after the merge is merged later. Raises NotFoundError, and what keeps it from being durable.
        """
        day = game_date_of(required_batch(self._store, batch_id))
        try:
            # Of the date: of two attempts the later one is to be merged last.
            with self._parts.holding(f"batch/{day}/merge"):
                return Checked(batch_id, merge_batch(self._parts, batch_id))
        except LeaseHeldError:
            return Checked(batch_id, "waits")  # its holder or the clock finishes it

    def _check_safely(self, batch_id: str) -> Checked:
        """Check a batch; one that fails is left to the clock."""
        try:
            return self._check(batch_id)
        except Exception as error:  # noqa: BLE001 - one that nobody foresaw holds up no other batch either
            failure = unforeseen(error)
            self._postpone(batch_id, failure)
            return Checked(batch_id, "failed", failure)

    def _check(self, batch_id: str) -> Checked:
        batch = required_batch(self._store, batch_id)
        if batch.data.get(CONSOLIDATED_AT) is not None:
            return self.consolidate(batch_id)
        progress = self._parts.tracker.progress(batch_id)
        if not progress.is_complete and progress.is_due:
            progress = self._parts.tracker.complete(batch_id).progress
        if not progress.is_complete and later_attempt(self._store, batch) is None:
            reason = self._why_closed(batch, progress)
            if reason is None:
                return self._wait(batch, progress)
            self._close(progress, reason)
        return self.consolidate(batch_id)

    def _why_closed(self, batch: Document, progress: Progress) -> str | None:
        """Return why a batch is closed although players are missing, None if it is not."""
        now = self._parts.clock.now()
        if now >= self._limit_of(batch):
            return f"{format_duration(self._limits.limit)} after its start"
        quiet = now - (instant_of(batch, UPDATED_AT) or batch.create_time)
        if progress.percent >= _ENOUGH and quiet >= timedelta(seconds=self._limits.quiet):
            return f"{format_duration(self._limits.quiet)} without an update"
        return None

    def _wait(self, batch: Document, progress: Progress) -> Checked:
        """Have the clock look again when the batch may be closed; an interrupted start resumes."""
        action: Action = "waits"
        if batch.data.get(PUBLISHED_AT) is None:
            with suppress(LeaseHeldError), self._parts.holding(f"batch/{progress.batch_id}/start"):
                request_players(self._parts, batch, progress.game_date)
                action = "resumed"
        now, quiet = self._parts.clock.now(), timedelta(seconds=self._limits.quiet)
        at = (instant_of(batch, UPDATED_AT) or now) + quiet
        at = min(self._limit_of(batch), at if at > now else now + quiet)
        with suppress(PreconditionError):  # it has changed: the next sweep looks again
            self._store.commit([Update(batch.path, {NEXT_CHECK: at}, if_updated_at=batch.update_time)])
        return Checked(progress.batch_id, action)

    def _close(self, progress: Progress, reason: str) -> None:
        """Close a batch without its missing players. The alert comes first: it may come twice, but is never missing."""
        batch_id, done = progress.batch_id, staged_players(self._store, progress.batch_id)
        absent = [player for player in expected_players(self._store, batch_id) if player not in done]
        missing = [player for player in absent if player not in progress.failed]
        share = f"{progress.completed} of {progress.expected} players ({progress.percent:.0f}%)"
        self._alert(
            f"batch_closed/{batch_id}",
            "warning" if progress.percent >= _ENOUGH else "critical",
            f"the batch {batch_id} was closed with {share}, {reason}",
            {"missing": _some(missing), "failed": _some(progress.failed), "game_date": str(progress.game_date)},
            f"Look at it: nbactl batches show {batch_id}",
        )
        reach("coordinator.alerted")
        self._parts.tracker.complete(batch_id, {"stall_completed": True, "stall_reason": f"{share}, {reason}"})
        reach("coordinator.closed")

    def _postpone(self, batch_id: str, error: NbactlError) -> None:
        """Have the clock try a batch again that failed, each time later, and say so."""
        _LOG.warning("%s could not be checked: %s", batch_id, error, exc_info=error)
        batch = self._store.get(batch_path(batch_id))
        if batch is None:
            raise error
        failures = batch.data.get(CHECK_FAILURES)
        doublings = min(failures, _MOST_DOUBLINGS) if isinstance(failures, int) else 0
        pause = min(self._limits.late * 2**doublings, self._limits.quiet)
        at = self._in(pause)
        if batch.data.get("is_complete") is not True:  # nor may a failure keep it from being closed in time
            at = min(at, max(self._limit_of(batch), self._in(self._limits.late)))
        fields: dict[FieldPath, Any] = {
            NEXT_CHECK: at, CHECK_FAILURES: Increment(1), "last_check_error": f"{error.code}: {error}",
        }  # fmt: skip
        self._store.commit([Update(batch.path, fields)])
        self._alert(
            f"batch_check/{batch_id}",
            "warning" if error.retryable else "critical",
            f"the batch {batch_id} could not be finished: {error.message}",
            {"tried again": at.isoformat(timespec="seconds")},
            error.next_step,
        )

    def _limit_of(self, batch: Document) -> datetime:
        """Return when a batch is closed whatever its share."""
        return (instant_of(batch, "start_time") or batch.create_time) + timedelta(seconds=self._limits.limit)

    def _alert(
        self, key: str, severity: Severity, title: str, fields: Mapping[str, str], next_step: str | None
    ) -> None:
        self._parts.alert(Alert(key, severity, title, fields=fields, next_step=next_step))

    def _in(self, seconds: float) -> datetime:
        return self._parts.clock.now() + timedelta(seconds=seconds)


def parse_ready(data: Mapping[str, Any]) -> tuple[str, str, int]:
    """Return batch, player and number of predictions of a ready message. Raises DataError."""
    count = data.get("predictions_generated", 0)
    if not is_count(count):
        raise DataError(f"the predictions_generated of the message is {count!r}, not a whole number from 0 up")
    return (*message_key(data), count)


def _some(players: Sequence[str]) -> str:
    more = len(players) - _SHOWN
    return (", ".join(players[:_SHOWN]) + (f" and {more} more" if more > 0 else "")) or "none"
