"""What heals, built from the container."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.bootstrap.container import Container
    from nbactl.config.healing import HealingSpec
    from nbactl.core._support.gamedate import GameDate
    from nbactl.healing.healer import Healer
    from nbactl.healing.kinds.hand_offs import HandOffParts
    from nbactl.healing.kinds.outputs import Drawn
    from nbactl.healing.model import FaultKind
    from nbactl.ports.alerts import Alert
    from nbactl.schedule.controller import Controller
    from nbactl.workflows.model import RunReport, RunRequest


def make_healer(
    app: Container, *, alert: Callable[[Alert], None], execute: Callable[[RunRequest], RunReport], by: str
) -> Healer:
    """Return what heals the kinds that workflows.yaml declares; nothing is read yet.

    `alert` gets final stops and what repairs have to say; `execute` runs phases; `by` is who repairs. Raises
    ConfigError where nothing is declared.
    """
    from nbactl.bootstrap.audit import make_audit
    from nbactl.bootstrap.outputs import make_grids
    from nbactl.bootstrap.season import make_idle_dates
    from nbactl.config.healing import KINDS
    from nbactl.core.lease.holder import is_dead, process_identity
    from nbactl.healing.attempts import Attempts
    from nbactl.healing.healer import Healer
    from nbactl.healing.kinds.outputs import Drawn

    declared = _declared(app)
    drawn = Drawn(make_grids(app))
    makers = _makers(app, alert, execute, by, drawn)
    kinds = [makers[name](declared.kinds[name].after) for name in KINDS if name in declared.kinds]
    return Healer(
        kinds,
        declared.kinds,
        Attempts(
            app.documents,
            app.clock,
            owner=lambda: process_identity("heal"),
            is_dead=is_dead,
            claim_limit=app.config.timeouts["heal.claim"],
        ),
        audit=make_audit(app),
        idle=make_idle_dates(app),
        clock=app.clock,
        days=declared.days,
        alert=alert,
        unknown=drawn.unknown,
    )


def _declared(app: Container) -> HealingSpec:
    from nbactl.errors import ConfigError

    declared = app.config.workflows.healing
    if declared is None or not declared.kinds:
        raise ConfigError(
            "workflows.yaml declares nothing that is to be healed",
            cause="Its key `healing` is missing or empty.",
            next_step="Take it over from the file that `nbactl config init` writes.",
        )
    return declared


def _makers(
    app: Container, alert: Callable[[Alert], None], execute: Callable[[RunRequest], RunReport], by: str, drawn: Drawn
) -> Mapping[str, Callable[[float], FaultKind]]:
    """Return what makes each kind from its `after`."""
    from nbactl.core.alerts import channel_of
    from nbactl.healing.kinds.batches import BatchStalled, CompletionDrift
    from nbactl.healing.kinds.decisions import DecisionOrphan
    from nbactl.healing.kinds.hand_offs import HandOffPending, PhaseNotTriggered
    from nbactl.healing.kinds.leases import LeaseStale
    from nbactl.healing.kinds.outbox import OutboxPending
    from nbactl.healing.kinds.outputs import EndedAtLimit, OutputMissing, ZeroRows

    def reaches(topic: str) -> bool:
        channel = channel_of(topic)
        return channel is None or channel in app.alert_channels

    timeouts, workflows = app.config.timeouts, app.config.workflows
    limits = {name: timeout.limit for name, timeout in timeouts.timeouts.items()}
    hand_offs = _hand_offs(app, alert, execute)
    quiet, oldest = timeouts["batch.quiet"], timeouts["batch.limit"]
    return {
        "handoff_pending": partial(HandOffPending, hand_offs),
        "phase_not_triggered": partial(PhaseNotTriggered, hand_offs),
        "outbox_pending": partial(OutboxPending, app.documents, app.outbox, reaches),
        "lease_stale": partial(LeaseStale, app.documents, app.leases, app.clock, lambda: by),
        "batch_stalled": partial(BatchStalled, app.documents, app.batches, app.completions, alert, quiet, oldest),
        "completion_drift": partial(CompletionDrift, app.batches, app.completions_migration, lambda: by),
        "decision_orphan": partial(DecisionOrphan, _controller(app, alert, execute), app.clock),
        "output_missing": partial(OutputMissing, drawn, workflows, execute),
        "zero_rows": partial(ZeroRows, drawn, workflows, execute),
        "ended_at_limit": partial(EndedAtLimit, app.ledger, workflows, app.source.key, limits, execute),
    }


def _controller(
    app: Container, alert: Callable[[Alert], None], execute: Callable[[RunRequest], RunReport]
) -> Controller:
    """Return what runs the workflow of a decision."""
    from nbactl.bootstrap.schedule import make_controller

    return make_controller(app, lambda found, _channels: alert(found), execute)


def _hand_offs(
    app: Container, alert: Callable[[Alert], None], execute: Callable[[RunRequest], RunReport]
) -> HandOffParts:
    """Return what the kinds of hand-offs work with."""
    from nbactl.bootstrap.phases import make_phase_recorder, phase_has_started, successors
    from nbactl.core.outbox.messages import published_at
    from nbactl.healing.kinds.hand_offs import HandOffParts
    from nbactl.healing.kinds.outputs import ran
    from nbactl.workflows.model import RunRequest

    def run(phase: str, day: GameDate) -> str:
        return ran(execute(RunRequest((phase,), (day,), upstream="skip")))

    return HandOffParts(
        app.documents,
        app.production,
        app.expectations,
        successors(app.config.workflows),
        make_phase_recorder(app, alert),
        partial(phase_has_started, app),
        lambda key: published_at(app.documents, key) is not None,
        run,
        app.clock,
    )
