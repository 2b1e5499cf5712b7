"""Sends what is due: each time once, whatever is killed or started again.

An attempt is recorded before it is sent. A message is recorded together with it, so that it is published once. A
request whose process died before the answer was recorded is sent again, with the same X-CloudScheduler-ScheduleTime, as
Cloud Scheduler does: https://cloud.google.com/scheduler/docs/overview.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.localjobs.jobs import DEFAULT_DEADLINE
from nbactl.adapters.localjobs.records import JOBS, read_job
from nbactl.core._support.faults import reach
from nbactl.core.jobs.cron import next_run
from nbactl.errors import DataError, NbactlError, NotFoundError, TimedOutError
from nbactl.frozen import frozen
from nbactl.ports.documents import Query, Update
from nbactl.ports.jobs import HttpTarget, TopicTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Create, DocumentStore, Transaction
    from nbactl.ports.jobs import JobSpec

_FIRST_PAUSE: Final = 5.0
"""Seconds before the first repetition of an attempt; doubled for each one, as Cloud Scheduler does by default."""


@frozen
class Delivery:
    """How requests and messages are sent. `request` raises an NbactlError for an answer that is none of success.

    `message` returns the write that publishes a message under a key. Raises DataError for what no message can be.
    """

    request: Callable[[HttpTarget, Mapping[str, str], float], None]
    message: Callable[[str, TopicTarget], Create]


@frozen
class _Attempt:
    spec: JobSpec
    due_at: datetime


class LocalJobRunner:
    """Sends the jobs of a store. Several may run on one store: they share the jobs."""

    def __init__(
        self,
        documents: DocumentStore,
        clock: Clock,
        delivery: Delivery,
        *,
        owner: str,
        is_dead: Callable[[str], bool],
    ) -> None:
        self._documents = documents
        self._clock = clock
        self._delivery = delivery
        self._owner = owner
        self._is_dead = is_dead

    def run_due(self) -> list[threading.Thread]:
        """Begin what is due, requests each in a thread of its own; returns these threads."""
        begun = []
        for document in self._documents.query(Query(JOBS)):
            if not self._is_due(document.data):
                continue
            attempt = self._documents.transaction(partial(self._claim, document.path))
            if attempt is not None:
                reach("localjobs.claimed")
                thread = threading.Thread(target=self._send, args=(attempt,), name="nbactl-job", daemon=True)
                thread.start()
                begun.append(thread)
        return begun

    def _is_due(self, data: Mapping[str, Any]) -> bool:
        attempt, now = data.get("attempt"), self._clock.now()
        if attempt is not None:
            return bool(self._is_dead(attempt["owner"]) or attempt["until"] <= now)
        due_at = data.get("next_run_at") if data["state"] == "enabled" else None
        return data.get("forced_at") is not None or (due_at is not None and due_at <= now)

    def _claim(self, path: str, transaction: Transaction) -> _Attempt | None:
        """Take an attempt. A message is announced in the same transaction, and is done with it."""
        document = transaction.get(path)
        if document is None or not self._is_due(document.data):
            return None
        data, now = document.data, self._clock.now()
        spec = read_job(data).spec
        left = data.get("attempt")
        due_at = left["due_at"] if left is not None else data.get("forced_at") or data["next_run_at"]
        fields: dict[Any, Any] = {"forced_at": None}
        if left is None and data.get("forced_at") is None:
            # What was missed meanwhile is not made up for: the next one is after now.
            fields["next_run_at"] = next_run(spec.schedule, spec.timezone, now)
        if isinstance(spec.target, TopicTarget):
            ended: dict[Any, Any] = {"last_attempt_at": now, "last_error": None, "timed_out": False, "attempt": None}
            writes = []
            try:
                write = self._delivery.message(f"job/{spec.name}/{due_at.isoformat()}", spec.target)
                writes = [] if transaction.get(write.path) is not None else [write]
            except DataError as error:
                ended["last_error"] = error.message
            transaction.write(Update(path, {**fields, **ended}), *writes)
            return None
        until = now + timedelta(seconds=(spec.attempt_deadline or DEFAULT_DEADLINE) * (spec.retries + 2))
        fields["attempt"] = {"due_at": due_at, "owner": self._owner, "until": until}
        transaction.write(Update(path, fields))
        return _Attempt(spec, due_at)

    def _send(self, attempt: _Attempt) -> None:
        spec, target = attempt.spec, attempt.spec.target
        headers = {"X-CloudScheduler": "true", "X-CloudScheduler-ScheduleTime": attempt.due_at.isoformat()}
        error: NbactlError | None = None
        began = self._clock.now()
        for number in range(spec.retries + 1):
            if number:
                self._clock.sleep(_FIRST_PAUSE * 2 ** (number - 1))
            began, error = self._clock.now(), None
            try:
                if isinstance(target, HttpTarget):
                    self._delivery.request(target, headers, spec.attempt_deadline or DEFAULT_DEADLINE)
                break
            except NbactlError as failed:
                error = failed
        reach("localjobs.sent")
        ended: dict[Any, Any] = {
            "attempt": None,
            "last_attempt_at": began,
            "last_error": None if error is None else error.message,
            "timed_out": isinstance(error, TimedOutError),
        }
        try:
            self._documents.commit([Update(f"{JOBS}/{spec.name}", ended)])
        except NotFoundError:
            return  # it was deleted meanwhile
