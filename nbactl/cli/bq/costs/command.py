"""What the jobs of the warehouse cost, and what a change of a table has saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.query.command import prices_of
from nbactl.core._support.names import closest
from nbactl.errors import NotFoundError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.warehouse.costs.gain import Gain
    from nbactl.warehouse.costs.report import CostReport, CostRequest
    from nbactl.warehouse.prices import Prices


@frozen
class PricedCosts:
    """Costs with the prices of their location."""

    report: CostReport
    prices: Prices
    project: str


@frozen
class PricedGain:
    """The gain of a change with the prices of its location."""

    gain: Gain
    prices: Prices
    project: str


def show_costs(app: Container, request: CostRequest) -> PricedCosts:
    """Sum up what the jobs of all users cost.

    Raises PreconditionError on target local, NotFoundError if there are no jobs, NotAuthorisedError without the right
    to list them.
    """
    from nbactl.warehouse.costs.report import measure_costs  # noqa: PLC0415 - help needs none of it

    history, timeout = app.job_history, app.config.timeouts["warehouse.job_history"]
    report = measure_costs(history, request, now=app.clock.now(), timeout=timeout)
    if report.total.jobs == report.own:
        jobs = "no jobs but those of `nbactl bq`" if report.own else "no jobs"
        raise NotFoundError(
            f"{jobs} since {report.since:%Y-%m-%d %H:%M} UTC in {app.settings.dataset_location}",
            next_step="Give a longer --since, or the location of the datasets: --location NAME.",
        )
    return PricedCosts(report, _prices(app), app.settings.project or "")


def show_gain(app: Container, table: str) -> PricedGain:
    """Compare what the queries of a table cost before and after its change.

    Raises NotFoundError for a table without a baseline, PreconditionError for a change that is not finished.
    """
    from nbactl.warehouse.costs.baseline import all_baselines, read_baseline  # noqa: PLC0415 - as above
    from nbactl.warehouse.costs.gain import measure_gain  # noqa: PLC0415 - as above

    history, timeout = app.job_history, app.config.timeouts["warehouse.job_history"]
    baseline = read_baseline(app.documents, table)
    if baseline is None:
        known = [found["table"] for found in all_baselines(app.documents)]
        close = closest(table, known)
        raise NotFoundError(
            f"{table} has no baseline",
            cause="`nbactl bq apply` captures one before it changes a table.",
            next_step=f"Did you mean '{close}'?" if close else None,
        )
    gain = measure_gain(history, baseline, now=app.clock.now(), timeout=timeout)
    return PricedGain(gain, _prices(app), app.settings.project or "")


def _prices(app: Container) -> Prices:
    prices = prices_of(app)
    assert prices is not None  # noqa: S101 - target local has no history of jobs
    return prices
