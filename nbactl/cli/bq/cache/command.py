"""How often the caches of queries answer, and why they do not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.errors import DataError, NotAuthorisedError, NotFoundError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.bootstrap import Container
    from nbactl.ports.warehouse import TableLayout
    from nbactl.warehouse.costs.cache import CacheReport
    from nbactl.warehouse.kinds import QueryKind


@frozen
class CacheStatus:
    """The hit rates, and the seconds that the gateway keeps a result of each kind."""

    report: CacheReport
    ttl: Mapping[QueryKind, float]


def show_cache(app: Container, since: float) -> CacheStatus:
    """Return the hit rates of the last `since` seconds.

    Raises PreconditionError on target local, NotFoundError if no query was counted, NotAuthorisedError without the
    right to list jobs.
    """
    from nbactl.bootstrap.runs import cache_ttl  # noqa: PLC0415 - help needs none of it
    from nbactl.ports.warehouse import TableLayout, TableSchema  # noqa: PLC0415 - as above
    from nbactl.warehouse.costs.cache import measure_cache  # noqa: PLC0415 - as above
    from nbactl.warehouse.kinds import KINDS  # noqa: PLC0415 - as above

    timeouts = app.config.timeouts

    def layout(name: str) -> TableLayout | None:
        try:
            return app.warehouse.layout(TableLayout(TableSchema(name, ())), timeout=timeouts["warehouse.query"])
        except (NotFoundError, NotAuthorisedError, DataError):
            return None  # it was dropped, may not be looked at, or is one of another project

    report = measure_cache(
        app.job_history,
        app.documents,
        layout,
        since=timedelta(seconds=since),
        now=app.clock.now(),
        timeout=timeouts["warehouse.job_history"],
    )
    if not any(rate.asked for rate in (*report.engine.values(), *report.own.values())):
        raise NotFoundError(
            f"no queries since {report.since:%Y-%m-%d %H:%M} UTC in {app.settings.dataset_location}",
            next_step="Give a longer --since, or the location of the datasets: --location NAME.",
        )
    ttl = cache_ttl(app, app.flags)
    return CacheStatus(report, {kind: ttl(kind) for kind in KINDS})
