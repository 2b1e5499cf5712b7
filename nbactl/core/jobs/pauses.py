"""Who paused a job, and why: the scheduler itself keeps neither. Documents `job_pauses/{job}`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.jobs.model import PausedJob
from nbactl.ports.documents import Delete, Query, Set

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.ports.documents import DocumentStore, Reader

PAUSES: Final = "job_pauses"


def read_pauses(store: Reader) -> dict[str, PausedJob]:
    """Return the recorded pauses by the name of the job; some may be of jobs that run again."""
    return {document.id: pause_from(document.data) for document in store.query(Query(PAUSES))}


def record_pause(store: DocumentStore, name: str, pause: PausedJob) -> None:
    """Keep why a job is paused."""
    until = None if pause.until is None else pause.until.isoformat()
    data = {"reason": pause.reason, "until": until, "by": pause.by, "at": pause.at}
    store.commit([Set(f"{PAUSES}/{name}", data)])


def forget_pause(store: DocumentStore, name: str) -> None:
    """Forget a pause that is over."""
    store.commit([Delete(f"{PAUSES}/{name}")])


def pause_from(data: Mapping[str, Any]) -> PausedJob:
    """Return the pause of a document."""
    until = data.get("until")
    ends = None if until is None else date.fromisoformat(until)
    return PausedJob(str(data.get("reason", "")), ends, data.get("by"), data.get("at"))
