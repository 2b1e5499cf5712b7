"""The report: the numbers of a time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.bootstrap.reporting import make_report_sources
from nbactl.bootstrap.runs import follow_last_source

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.reporting.report import Report


def report(app: Container, seconds: float) -> Report:
    """Return the report of the last `seconds`.

    Raises NotFoundError if nothing happened and nothing was expected, UnavailableError without the document store.
    """
    from nbactl.reporting.report import make_report  # noqa: PLC0415 - help needs none of it

    follow_last_source(app)
    return make_report(make_report_sources(app), timedelta(seconds=seconds), app.clock.now())
