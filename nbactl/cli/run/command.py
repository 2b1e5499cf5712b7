"""Run phases, workflows, tasks, or all phases of a game date."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from nbactl.config.given import PLACE_OPTIONS, given_options
from nbactl.core._support.aio import Cancellation
from nbactl.core.alerts import TextChannel
from nbactl.core.observe.logging import RunLogHandler, logging_to
from nbactl.workflows.observers import RunAlerts, combined, ignore, log_event, report_failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.bootstrap import Container
    from nbactl.config.settings import Settings
    from nbactl.workflows.model import Observer, Outdated, RunPlan, RunReport, RunRequest


def plan(app: Container, request: RunRequest) -> list[RunPlan]:
    """Return the runs that `run` would execute now, in their order. Nothing is changed."""
    plans = app.planner.plan(request)
    if request.gaps is None:
        return plans
    from nbactl.outputs.gaps import only_gaps  # noqa: PLC0415 - only --gaps needs it

    return only_gaps(plans, request.gaps, app.planner.needs)


def run(
    app: Container,
    request: RunRequest,
    *,
    plans: list[RunPlan] | None = None,
    observer: Observer = ignore,
    announce: Callable[[str], None] | None = None,
    cancellation: Cancellation | None = None,
) -> RunReport:
    """Execute the runs of a request. Their logs, alerts and failure reports go where the configuration says.

    `plans` is what `plan` returned for the request, if it was called; nothing has begun before they are known.
    `observer` gets every change of state, in the order of the ledger; it must not block. `announce` gets the alerts of
    the channel `console`. `cancellation` stops the runs in an orderly way, from any thread.
    """
    alerts = app.alerts(None if announce is None else TextChannel(announce))
    observers = combined(
        log_event,
        observer,
        RunAlerts(app.config.workflows.alerts, alerts.send, app.config.workflows.workflows),
        report_failures(app.failures),
    )
    cancellation = cancellation or Cancellation()
    with logging_to(RunLogHandler(app.settings.state_dir / "logs")):
        report = app.runner.execute(request, observer=observers, cancellation=cancellation, plans=plans)
        if not cancellation.requested:
            app.row_buffer.flush_due(at_end=True)
    return report


def resume_command(request: RunRequest, settings: Settings, *, in_process: bool = False) -> str:
    """Return the command that resumes a request: the same one, with its dates spelled out.

    It has neither --force nor --no-wait.
    """
    words = ["nbactl", "run", *request.names]
    if len(request.dates) > 1:
        words += ["--from", str(request.dates[0]), "--to", str(request.dates[-1])]
    else:
        words += ["--date", str(request.dates[0])]
    words += [word for name in request.only for word in ("--only", name)]
    words += [word for name in request.skip for word in ("--skip", name)]
    given = {
        "--mode": request.mode,
        "--max-workers": request.max_workers,
        "--upstream": request.upstream if request.upstream != "auto" and request.gaps is None else None,
        "--stale-on": request.stale_on if request.stale_on != "both" else None,
        "--timeout": None if request.timeout is None else f"{request.timeout:g}s",
    }
    words += [word for flag, value in given.items() if value is not None for word in (flag, str(value))]
    words += ["--in-process"] if in_process else []
    words += ["--gaps"] if request.gaps is not None else []
    return shlex.join([*words, *given_options(settings, ("source", *PLACE_OPTIONS))])


def mend_command(outdated: Outdated, settings: Settings, *, in_process: bool = False) -> str:
    """Return the command that brings the dates up to date that a request made stale."""
    first, last = str(outdated.first), str(outdated.last)
    dates = ["--date", first] if first == last else ["--from", first, "--to", last]
    dates += ["--in-process"] if in_process else []
    return shlex.join(["nbactl", "run", outdated.name, *dates, *given_options(settings, ("source", *PLACE_OPTIONS))])
