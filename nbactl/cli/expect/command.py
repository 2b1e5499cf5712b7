"""The grid of what should be there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap.jobs import has_scheduler, read_jobs, started_by
from nbactl.bootstrap.outputs import make_grids
from nbactl.bootstrap.runs import follow_last_source
from nbactl.cli.dates import dates_to_check
from nbactl.config.given import PLACE_OPTIONS, given_options
from nbactl.errors import NbactlError
from nbactl.frozen import frozen
from nbactl.outputs.model import GAPS, OutputState
from nbactl.workflows.units import DAILY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.bootstrap import Container
    from nbactl.config.settings import Settings
    from nbactl.outputs.model import Grid, Output


def read_grid(app: Container, day: str | None = None, first: str | None = None, last: str | None = None) -> Grid:
    """Return the grid of a date, of a range, or of last night and today. Raises UsageError.

    Without a chosen source it is the one that the newest run used. Of files that end before last night it is their
    newest date.
    """
    follow_last_source(app)
    days = dates_to_check(app, day, first, last)
    return make_grids(app).draw(days[0], days[-1])


def mend_command(outputs: Sequence[Output], settings: Settings) -> str:
    """Return the command that mends outputs, or that shows what is still working on them."""
    days = sorted({output.game_date for output in outputs})
    place = given_options(settings, ("source", *PLACE_OPTIONS))
    if all(output.state is OutputState.LATE for output in outputs):
        return shlex.join(["nbactl", "status", "--date", str(days[0]), *place])
    span = ["--date", str(days[0])] if len(days) == 1 else ["--from", str(days[0]), "--to", str(days[-1])]
    phases = {output.phase for output in outputs}
    return shlex.join(["nbactl", "run", DAILY if len(phases) > 1 else outputs[0].phase, "--gaps", *span, *place])


@frozen
class HeldUp:
    """A scheduled job that does not run as it should, and the outputs that nothing makes without it."""

    job: str
    what: str
    outputs: tuple[str, ...]
    mend: str | None


def held_up(app: Container, grid: Grid) -> list[HeldUp]:
    """Return the jobs because of which outputs are missing, failed or late; none if nothing is, or it is not known."""
    wrong = {output.name for output in grid.wrong}
    if not wrong or (app.settings.target == "gcp" and not has_scheduler(app)):
        return []
    try:
        statuses = read_jobs(app)
    except NbactlError as error:
        app.notice(f"whether scheduled jobs are the reason is not known: {error.message}")
        return []
    found = []
    for status in statuses:
        stopped = [finding for finding in status.findings if finding.kind in _STOPPED]
        outputs = sorted(wrong & started_by(app, status))
        if outputs and (stopped or status.is_paused):
            mend = shlex.join(["nbactl", *stopped[0].mend, *given_options(app.settings)]) if stopped else None
            what = (
                stopped[0].text if stopped else f"paused: {status.pause.reason if status.pause else 'no reason given'}"
            )
            found.append(HeldUp(status.name, what, tuple(outputs), mend))
    return found


_STOPPED: Final = ("missing", "token", "audience", "dead", "paused", "disabled", "failing", "deadline")
"""Findings with which a job does not do its work."""


def to_mend(grid: Grid) -> dict[str, list[Output]]:
    """Return by phase what is not as it should be, required or not."""
    phases = sorted({output.phase for output in grid.outputs})
    found: dict[str, list[Output]] = {}
    for output in grid.outputs:
        if output.state in (*GAPS, OutputState.LATE):
            found.setdefault(output.phase, []).append(output)
    return {phase: found[phase] for phase in phases if phase in found}
