"""What nbactl knows of each call of a service, kept in the document store before the call is sent.

So a process that is killed in the middle of a call leaves a trace of it, and the next one does not make the call again
while it may have been taken. A record counts until the task of its run is done in the ledger; after that it is history.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core.observe.masking import mask
from nbactl.errors import InProgressError
from nbactl.frozen import frozen
from nbactl.ports.documents import Set, Update

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from nbactl.adapters.cloudrun.requests import ServiceRequest
    from nbactl.core._support.clock import Clock
    from nbactl.ports.compute import TaskCall
    from nbactl.ports.documents import DocumentStore, FieldPath, Transaction

COLLECTION: Final = "service_calls"
CallState = Literal["sent", "done", "failed", "not_done"]


@frozen
class CallRecord:
    """A call. `sent`: it may have been taken and may be under way. `version` is when the record was changed last."""

    key: str
    run_id: str
    task: str
    state: CallState
    service: str
    url: str
    correlation_id: str
    sent_at: datetime
    rows: int | None = None
    execution_id: str | None = None
    version: datetime | None = None

    @property
    def path(self) -> str:
        """Where it is kept."""
        return f"{COLLECTION}/{self.key}"

    @property
    def facts(self) -> dict[str, Any]:
        """What the ledger keeps of it."""
        return {
            "service": self.service,
            "url": mask(self.url),
            "sent_at": self.sent_at.isoformat(timespec="seconds"),
            "correlation_id": self.correlation_id,
            **({} if self.execution_id is None else {"execution_id": mask(self.execution_id)}),
        }


class CallRecords:
    """The records. `is_done` says whether the ledger has the task of a run as done."""

    def __init__(self, documents: DocumentStore, clock: Clock, is_done: Callable[[str, str], bool]) -> None:
        self._documents = documents
        self._clock = clock
        self._is_done = is_done

    def find(self, request: ServiceRequest, call: TaskCall) -> tuple[CallRecord | None, datetime | None]:
        """Return what counts of an earlier call for the same thing, and the version of what is stored."""
        document = self._documents.get(f"{COLLECTION}/{request.key}")
        if document is None:
            return None, None
        data = document.data
        record = CallRecord(
            key=request.key,
            run_id=data["run_id"],
            task=data["task"],
            state=data["state"],
            service=data["service"],
            url=data["url"],
            correlation_id=data["correlation_id"],
            sent_at=data["sent_at"],
            rows=data["rows"],
            execution_id=data["execution_id"],
            version=document.update_time,
        )
        own = record.run_id == call.run_id
        counts = own or not (call.forced or self._is_done(record.run_id, record.task))
        return (record if counts else None), document.update_time

    def begin(self, request: ServiceRequest, call: TaskCall, expected: datetime | None) -> CallRecord:
        """Record that a call is sent now. Raises InProgressError if another process recorded one meanwhile."""
        record = CallRecord(
            key=request.key,
            run_id=call.run_id,
            task=call.task,
            state="sent",
            service=request.service,
            url=request.url + request.path,
            correlation_id=call.correlation_id,
            sent_at=self._clock.now(),
        )
        data = {
            "task": call.task,
            "game_date": call.game_date.isoformat(),
            "item": request.item or None,
            "run_id": call.run_id,
            "attempt": call.attempt,
            "target": "gcp",
            "state": record.state,
            "service": record.service,
            "url": mask(record.url),
            "correlation_id": record.correlation_id,
            "execution_id": None,
            "sent_at": record.sent_at,
            "ended_at": None,
            "rows": None,
        }

        def write(transaction: Transaction) -> None:
            found = transaction.get(record.path)
            if (None if found is None else found.update_time) != expected:
                raise InProgressError(
                    f"another process is calling {request.what}", next_step="Run the same command again: it follows it."
                )
            transaction.write(Set(record.path, data))

        self._documents.transaction(write)
        return record

    def update(
        self,
        record: CallRecord,
        state: CallState,
        *,
        rows: int | None = None,
        execution_id: str | None = None,
    ) -> CallRecord:
        """Record what became known of a call."""
        execution_id = execution_id or record.execution_id
        now = None if state == "sent" else self._clock.now()
        masked = None if execution_id is None else mask(execution_id)
        changes: dict[FieldPath, Any] = {"state": state, "rows": rows, "execution_id": masked, "ended_at": now}
        self._documents.commit([Update(record.path, changes)])
        return replace(record, state=state, rows=rows, execution_id=execution_id)
