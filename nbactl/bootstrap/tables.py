"""What applies plans to the tables of the warehouse, built from the container."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbactl.bootstrap.container import Container
    from nbactl.warehouse.apply.engine import TableChanges


def make_table_changes(app: Container, rate: float | None, max_bytes: int | None) -> TableChanges:
    """Return what applies plans, at `rate` bytes a second, each statement billed for at most `max_bytes`."""
    from nbactl.core.lease.holder import process_identity
    from nbactl.warehouse.apply.engine import Durations, TableChanges
    from nbactl.warehouse.apply.work import Limits

    timeouts = app.config.timeouts
    lease = timeouts.leases["run"]
    return TableChanges(
        app.warehouse,
        app.documents,
        app.leases,
        clock=app.clock,
        ids=app.ids,
        owner=lambda: process_identity(app.ids.new("apply")),
        project=app.settings.project or app.settings.target,
        durations=Durations(lease.ttl, lease.renew_every, timeouts["migration.poll"]),
        limits=Limits(timeouts["warehouse.query"], timeouts["warehouse.query_large"], rate, max_bytes),
    )
