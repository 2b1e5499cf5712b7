"""What hands game dates on from phase to phase, built from the container."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from nbactl.bootstrap.container import Container
    from nbactl.bootstrap.service import ServiceContainer
    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.flags.client import Flags
    from nbactl.core.phases.decision import CompletionDeadline
    from nbactl.core.phases.handoff import Successor
    from nbactl.core.phases.recording import PhaseRecorder
    from nbactl.ports.alerts import Alert

_WITH_DEADLINE: Final = "phase2"
_BATCHED: Final = "phase5"
_MINUTE: Final = 60.0
_PARAMETER: Final = "PHASE2_COMPLETION_TIMEOUT_MINUTES"
_MINUTES: Final = 30
"""The deadline where no parameter of the flag says another one."""
_MOST_MINUTES: Final = 1_440
_LOG = logging.getLogger(__name__)


def make_phase_recorder(app: Container, alert: Callable[[Alert], None]) -> PhaseRecorder:
    """Return what records completions and sweeps hand-offs; `alert` gets every fallback that was used."""
    from nbactl.core.phases.handoff import HandOffs
    from nbactl.core.phases.publishing import HandOffLimits
    from nbactl.core.phases.recording import PhaseRecorder

    timeouts = app.config.timeouts
    following = successors(app.config.workflows)
    recorded = {*following, *(successor.phase for successor in following.values())}
    expected = app.expectations
    hand_offs = HandOffs(
        app.documents,
        app.outbox,
        app.clock,
        {name: expectation for name, expectation in expected.items() if name in recorded},
        following,
        limits=HandOffLimits(
            pending=timeouts["handoff.pending"],
            confirm=timeouts["handoff.confirm"],
            overdue=timeouts["handoff.overdue"],
        ),
        deadline=partial(_deadline, app.flags),  # loaded now: within a transaction nothing else may be read
        alert=alert,
        hook=app.hook,
    )
    return PhaseRecorder(hand_offs, partial(phase_has_started, app))


def make_phase_sweep(app: ServiceContainer, recorder: PhaseRecorder) -> Callable[[], None]:
    """Return what sweeps hand-offs in the background of a service, and reports the documents that it cannot read."""

    def sweep() -> None:
        for path, error in recorder.sweep().failed.items():
            app.failures.report(error, "hand-off", path=path)

    return sweep


def successors(file: WorkflowsFile) -> dict[str, Successor]:
    """Return by phase the one that the orchestrator starts after it: one that needs it, and has a trigger topic."""
    from nbactl.core.phases.handoff import Successor

    return {
        need: Successor(name, phase.trigger_topic)
        for name, phase in file.phases.items()
        if phase.trigger_topic is not None
        for need in phase.needs
    }


def _deadline(flags: Flags, phase: str, day: GameDate) -> CompletionDeadline | None:
    if phase != _WITH_DEADLINE:
        return None
    from nbactl.core.phases.decision import CompletionDeadline

    minutes = flags.parameter(_PARAMETER, _MINUTES)
    if not 1 <= minutes <= _MOST_MINUTES:
        _LOG.warning("%s is %s, not 1 to %s: %s is used", _PARAMETER, minutes, _MOST_MINUTES, _MINUTES)
        minutes = _MINUTES
    return CompletionDeadline(minutes * _MINUTE, enforced=flags.on("phase2_completion_deadline", str(day)))


def phase_has_started(app: Container, phase: str, day: GameDate, since: datetime) -> bool:
    """Say whether anything shows that a phase began: a report, a run, a batch, or production's run history."""
    from nbactl.core.phases.documents import read_phase

    document = read_phase(app.documents, phase, day, ())
    reported = (document.last_update, *(report.completed_at for report in document.unknown))
    if any(at is not None and at >= since for at in reported):
        return True
    if any(run.name == phase and run.started_at >= since for run in app.ledger.heads(date=day)):
        return True
    if phase == _BATCHED and _has_batch(app, day, since):
        return True
    return app.settings.target == "gcp" and _has_run_in_production(app, phase, day, since)


def _has_batch(app: Container, day: GameDate, since: datetime) -> bool:
    from nbactl.core.completions.documents import BATCHES, UPDATED_AT
    from nbactl.core.phases.fields import as_time
    from nbactl.ports.documents import Filter, Query

    def changed(data: Mapping[str, Any]) -> bool:
        times = (as_time(data.get(field))[0] for field in ("created_at", UPDATED_AT))
        return any(at is not None and at >= since for at in times)

    batches = app.documents.query(Query(BATCHES, (Filter("game_date", "==", str(day)),)))
    return any(changed(batch.data) for batch in batches)


def _has_run_in_production(app: Container, phase: str, day: GameDate, since: datetime) -> bool:
    from nbactl.config.expected import expectations
    from nbactl.core.phases.history import runs_of
    from nbactl.errors import NotFoundError

    known = expectations(app.config.workflows, "gcp")[phase].known
    try:
        runs = runs_of(app.warehouse, known, day, since, timeout=app.config.timeouts["status.history"])
    except NotFoundError:
        return False
    return any(run.started_at is not None for run in runs)
