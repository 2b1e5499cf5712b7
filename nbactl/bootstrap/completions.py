"""Completions of prediction batches and their migration, built from the container."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.bootstrap.container import Container
    from nbactl.core.calls.bulk import BulkWriter
    from nbactl.core.completions.reset import Resets
    from nbactl.core.completions.tracker import CompletionTracker
    from nbactl.migrations.completions.migration import CompletionsMigration
    from nbactl.ports.services import DeployedService


def make_completion_tracker(app: Container) -> CompletionTracker:
    """Return what records completions."""
    from nbactl.core.completions.tracker import CompletionTracker

    return CompletionTracker(
        app.documents,
        app.clock,
        mode=app.completion_mode,
        acting=app.config.timeouts["documents.write"],
        retry=app.config.timeouts.retry_policies["completions"].policy("completions"),
        rng=app.rng,
        hook=app.hook,
    )


def make_batch_resets(app: Container) -> Resets:
    """Return what resets batches, and undoes a reset."""
    from nbactl.core.completions.reset import Resets

    return Resets(
        app.documents,
        app.clock,
        mode=app.completion_mode,
        ids=app.ids,
        retry=app.config.timeouts.retry_policies["completions"].policy("completions"),
        rng=app.rng,
        notice=app.notice,
    )


def make_completions_migration(app: Container) -> CompletionsMigration:
    """Return the migration from the array to the subcollection."""
    from nbactl.core.lease.holder import process_identity
    from nbactl.migrations.completions.limits import limits_from
    from nbactl.migrations.completions.migration import CompletionsMigration

    return CompletionsMigration(
        app.documents,
        app.clock,
        app.leases,
        owner=lambda: process_identity(app.ids.new("migration")),
        project=app.settings.project or app.settings.target,
        limits=limits_from(app.config.timeouts),
        bulk_writer=partial(_bulk_writer, app),
        exports=app.settings.state_dir / "migrations",
        services=partial(_deployed_services, app),
        recorders=_recorders(app),
    )


def _deployed_services(app: Container) -> Sequence[DeployedService]:
    """Return the services that may work on the store; only those of an emulator work on the store of an emulator."""
    emulated = app.environ.get("FIRESTORE_EMULATOR_HOST") and not app.environ.get("CLOUD_RUN_EMULATOR_HOST")
    if not app.target.HAS_DEPLOYED_SERVICES or emulated:
        return ()
    return app.deployed_services.list()


def _recorders(app: Container) -> frozenset[str]:
    """Return the services that record completions, as workflows.yaml names them."""
    phase = app.config.workflows.phases.get("phase5")
    return frozenset() if phase is None else frozenset({phase.service})


def _bulk_writer(app: Container, rate: float | None) -> BulkWriter:
    """Return a writer of many documents, `rate` a second; without one as fast as the target allows."""
    from nbactl.core.calls.bulk import BulkWriter
    from nbactl.core.calls.rate_limit import FIRESTORE_RAMP, RateLimit, RateLimiter

    limit = FIRESTORE_RAMP if app.target.must_ramp_up(app) else None
    if rate is not None:
        limit = RateLimit.per_second(rate)
    return BulkWriter(
        app.documents,
        limiter=None if limit is None else RateLimiter(limit, app.clock),
        retry=app.policies["firestore"].settings.retry,
        clock=app.clock,
        rng=app.rng,
    )
