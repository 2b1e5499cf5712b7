"""How near the tables of the warehouse are to BigQuery's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.schedule.tick import QuotaCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.bootstrap import Container
    from nbactl.ports.alerts import Alert
    from nbactl.warehouse.costs.quotas import QuotaReport


def show_quotas(app: Container) -> QuotaReport:
    """Count what the jobs of the last 24 hours used of the limits of each table.

    Raises PreconditionError on target local, NotAuthorisedError without the right to list jobs.
    """
    from nbactl.warehouse.costs.quotas import measure_quotas  # noqa: PLC0415 - help needs none of it

    timeout = app.config.timeouts["warehouse.job_history"]
    return measure_quotas(app.job_history, _partitioned(), now=app.clock.now(), timeout=timeout)


def check_quotas(app: Container, send: Callable[[Alert], None]) -> QuotaCheck | None:
    """Send alerts of tables near a limit, at most once an hour; None on local, or if it was done within the hour.

    A history that cannot be read is in the result: the rest of a tick goes on without it.
    """
    from nbactl.errors import NbactlError  # noqa: PLC0415 - as above

    if app.settings.target == "local":
        return None
    from nbactl.warehouse.costs.quota_alerts import alert_of_quotas  # noqa: PLC0415 - as above

    timeouts = app.config.timeouts
    try:
        near = alert_of_quotas(
            app.job_history,
            app.documents,
            send,
            _partitioned(),
            now=app.clock.now(),
            every=timeouts["quotas.check"],
            timeout=timeouts["warehouse.query"],
        )
    except NbactlError as error:
        return QuotaCheck((), error)
    return None if near is None else QuotaCheck(near)


def _partitioned() -> set[str]:
    from nbactl.warehouse.tables import load_tables  # noqa: PLC0415 - as above

    return {name for name, table in load_tables().items() if table.partition_by is not None}
