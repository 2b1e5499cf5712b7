"""What the phase document and the run history say of a call whose answer is not known."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.documents import document_path, read_phase
from nbactl.core.phases.history import PROCESSOR_RUNS, runs_of
from nbactl.errors import ConfigError, DataError, NotAuthorisedError, NotFoundError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from nbactl.adapters.cloudrun.requests import ServiceRequest
    from nbactl.core.phases.history import ProcessorRun
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import Warehouse

_log = logging.getLogger(__name__)
_DONE: Final = frozenset({"success", "succeeded", "partial", "completed", "complete"})
_FAILED: Final = frozenset({"failed", "failure", "error", "timeout", "timed_out"})
_RUNNING: Final = frozenset({"running", "started", "in_progress"})
_EMPTY: Final = "no_data"


@frozen
class Sighting:
    """What was seen of a call, and where."""

    state: Literal["done", "failed", "running"]
    where: str
    rows: int | None = None
    execution_id: str | None = None
    error: str | None = None


class Evidence:
    """Looks for traces of calls. `phase_of` returns the phase of a task that has a phase document, else None."""

    def __init__(
        self,
        documents: DocumentStore,
        warehouse: Callable[[], Warehouse],
        phase_of: Callable[[str], str | None],
        *,
        timeout: float,
    ) -> None:
        """`timeout` is how many seconds a query of the run history may take."""
        self._documents = documents
        self._warehouse = warehouse
        self._phase_of = phase_of
        self._timeout = timeout

    def look(self, request: ServiceRequest, day: date, since: datetime) -> tuple[Sighting | None, bool]:
        """Return what was seen since a time, and whether there was anywhere to look.

        Raises UnavailableError if a place cannot be read: then nothing is known.
        """
        since = since.replace(microsecond=0)  # some programs record whole seconds
        seen, looked = self._in_phase(request, day, since)
        if seen is not None:
            return seen, True
        try:
            runs = runs_of(self._warehouse(), request.known, GameDate(day), since, timeout=self._timeout)
        except (NotFoundError, NotAuthorisedError, ConfigError, DataError) as error:
            _log.info("the run history cannot be used: %s", error.message)
            return None, looked
        recent = [run for run in runs if (run.processed_at or run.started_at or since) >= since]
        ended = {run.run_id for run in recent if run.run_id and (run.status or "").lower() not in _RUNNING}
        # A run has a row for its start and one for its end.
        last = [run for run in recent if run.run_id not in ended or (run.status or "").lower() not in _RUNNING]
        return next(filter(None, map(_sighting, last)), None), True

    def _in_phase(self, request: ServiceRequest, day: date, since: datetime) -> tuple[Sighting | None, bool]:
        phase = self._phase_of(request.task)
        if phase is None:
            return None, False
        report = read_phase(self._documents, phase, GameDate(day), request.known).processors.get(request.task)
        if report is None or not report.done or report.completed_at is None or report.completed_at < since:
            return None, True
        where = document_path(phase, GameDate(day))
        return Sighting("done", where, report.records, report.execution_id), True


def _sighting(run: ProcessorRun) -> Sighting | None:
    status = (run.status or "").lower()
    if status in _DONE or status == _EMPTY:
        return Sighting("done", PROCESSOR_RUNS, 0 if status == _EMPTY else run.records, run.run_id)
    if status in _FAILED:
        return Sighting("failed", PROCESSOR_RUNS, None, run.run_id, run.errors)
    return Sighting("running", PROCESSOR_RUNS, None, run.run_id) if status in _RUNNING else None
