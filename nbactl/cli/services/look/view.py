"""Services as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled, copyable
from nbactl.core.observe.masking import MASK, is_secret_name
from nbactl.errors import CheckFailedError, NotAuthorisedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.services.look.command import ServicesDiff
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.deployments.desired import Difference
    from nbactl.deployments.history import DriftHistory
    from nbactl.deployments.probing import HealthReport, SmokeReport
    from nbactl.deployments.survey import ServiceProblem
    from nbactl.errors import NbactlError

_HEALTH: Final = {"pass": "green", "up": "green", "warn": "yellow", "fail": "red", "unknown": "yellow"}
_SMOKE: Final = {"works": "green", "broken": "red", "unknown": "yellow", "undeclared": "dim"}
_PENDING: Final = 3


def health_reports(reports: Sequence[HealthReport]) -> View:
    """Show what services say of themselves."""
    rows: list[list[Segment | None]] = [
        [
            report.service,
            Styled(report.state, _HEALTH[report.state]),
            "" if report.took is None else f"{report.took * 1000:.0f}ms",
            report.release,
            report.config_digest,
            report.detail,
        ]
        for report in sorted(reports, key=lambda report: report.service)
    ]
    bad = sorted((report for report in reports if not report.is_green), key=lambda report: report.service)
    data = [
        {
            "service": report.service,
            "state": report.state,
            "detail": report.detail,
            "took_seconds": report.took,
            "release": report.release,
            "config_digest": report.config_digest,
        }
        for report in sorted(reports, key=lambda report: report.service)
    ]
    columns = ["service", "health", "took", "release", "config", "detail"]

    def show(console: Console) -> None:
        if rows:
            console.table(columns, rows, optional=["release", "config", "took"])

    error = _worst(bad, "not healthy", f"nbactl services show {bad[0].service}") if bad else _nothing(reports)
    return View({"services": data}, show, items="services", exit_code=error.exit_code if error else 0, error=error)


def smoke_reports(reports: Sequence[SmokeReport]) -> View:
    """Show which services work."""
    ordered = sorted(reports, key=lambda report: report.service)
    rows: list[list[Segment | None]] = [
        [
            report.service,
            Styled(report.state if report.state != "undeclared" else "no smoke", _SMOKE[report.state]),
            report.route,
            "" if report.status is None else str(report.status),
            "" if report.health is None else report.health.state,
            report.detail,
        ]
        for report in ordered
    ]
    data = [
        {
            "service": report.service,
            "state": report.state,
            "route": report.route,
            "status": report.status,
            "expected": report.expected,
            "health": report.health and report.health.state,
            "detail": report.detail,
            "took_seconds": report.took,
        }
        for report in ordered
    ]
    bad = [report for report in ordered if report.state in ("broken", "unknown")]
    columns = ["service", "smoke", "route", "status", "health", "detail"]

    def show(console: Console) -> None:
        if rows:
            console.table(columns, rows, optional=["health", "status"])

    error = _worst(bad, "not working", f"nbactl logs first-error {bad[0].service}") if bad else _nothing(reports)
    if error is None and all(report.state == "undeclared" for report in reports):
        next_step = "Declare `smoke` of a service under `services` in workflows.yaml."
        error = CheckFailedError("no service was called: none of them declares a route", next_step=next_step)
    return View({"services": data}, show, items="services", exit_code=error.exit_code if error else 0, error=error)


def services_diff(found: ServicesDiff, *, detailed_exitcode: bool) -> View:
    """Show where services are not as declared."""
    problems = found.survey.problems
    compared = len(found.survey.services)

    def show(console: Console) -> None:
        for problem in problems:
            print_problem(console, problem)
        wrong = len({problem.service for problem in problems})
        if problems:
            console.note(f"{wrong} of {compared} declared services differ.")
        else:
            console.note(f"All {compared} declared services are as declared.")
        if found.survey.undeclared and not found.names:
            names = ", ".join(service.name for service in found.survey.undeclared)
            console.note(Styled(f"Not declared, so not compared: {names}.", "dim"))

    data = {
        "problems": problems,
        "differences": [difference_json(one.name, *pair) for one in found.survey.services for pair in one.differences],
        "compared": [one.name for one in found.survey.services],
        "undeclared": [service.name for service in found.survey.undeclared],
    }
    pending = detailed_exitcode and bool(problems)
    return View(data, show, items="problems", exit_code=_PENDING if pending else 0, warnings=found.survey.warnings)


def print_problem(console: Console, problem: ServiceProblem) -> None:
    """Print what is wrong, why, and what to do."""
    style = "bold red" if problem.grave else "bold yellow"
    console.print(Styled(problem.service, style), f": {problem.message}")
    if problem.cause:
        console.out.print_hanging("  ", text=problem.cause, indent=2)
    console.print("  ", Styled("next: ", "cyan"), copyable(problem.fix))


def _worst(bad: Sequence[HealthReport | SmokeReport], what: str, next_step: str) -> NbactlError:
    """Return the error for services that are not well; that of an identity if this is all that is wrong."""
    errors = [report.error for report in bad]
    if all(isinstance(error, NotAuthorisedError) for error in errors) and errors[0] is not None:
        return errors[0]
    message = f"1 service is {what}" if len(bad) == 1 else f"{len(bad)} services are {what}"
    return CheckFailedError(message, next_step=next_step)


def _nothing(asked: Sequence[object]) -> NbactlError | None:
    """Return the error of a command that asked nobody: an answer about nothing is not a success (invariant 24)."""
    if asked:
        return None
    return CheckFailedError("no service was asked", next_step="See what is deployed: nbactl services list")


def difference_json(service: str, difference: Difference, history: DriftHistory) -> dict[str, Any]:
    """Return a difference as JSON; values that look like secrets are masked."""
    masked = is_secret_name(difference.name)
    return {
        "service": service,
        "kind": difference.kind,
        "name": difference.name,
        "wanted": MASK if masked else difference.wanted,
        "found": MASK if masked and isinstance(difference.found, str) else difference.found,
        "obstacle": difference.obstacle,
        "since": None if history.since is None else history.since.at,
        "by": None if history.since is None else history.since.by,
        "returned": history.returned,
        "brought_by": dict(history.by),
        "mended_by": history.mended_by,
        "mended_with": history.mended_with,
    }
