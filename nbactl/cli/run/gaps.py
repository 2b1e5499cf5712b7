"""`nbactl run --gaps`: the request for what the grid lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.bootstrap.outputs import make_grids
from nbactl.errors import DataError
from nbactl.outputs.gaps import check_gaps_request, fill_gaps

if TYPE_CHECKING:
    from nbactl.bootstrap import Container
    from nbactl.workflows.model import RunRequest


def with_gaps(app: Container, request: RunRequest) -> RunRequest | None:
    """Return the request for what the grid of its dates lacks, from the first such date on; None if nothing lacks.

    Raises UsageError for options that contradict it, and for names of which the grid says nothing.
    """
    check_gaps_request(request, app.config.workflows)
    grid = make_grids(app).draw(request.dates[0], request.dates[-1])
    for warning in grid.warnings:
        app.notice(warning)
    if not grid.outputs and not grid.idle:
        raise DataError(
            "nothing is known of these dates",
            cause="Neither the schedule nor any run covers them.",
            next_step="Choose another --date, or give a --source that has it.",
        )
    return fill_gaps(request, grid, app.config.workflows)
