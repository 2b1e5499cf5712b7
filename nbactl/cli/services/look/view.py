"""Services as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.services.look.listing import failed, service_list
from nbactl.cli.services.look.words import ago, image_tag, instances, short_name, state_of, traffic_meaning
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled, copyable
from nbactl.cli.show.times import moment
from nbactl.core.observe.masking import MASK, is_secret_name
from nbactl.deployments.desired import UNREAD
from nbactl.deployments.survey import value_text
from nbactl.errors import CheckFailedError, NotAuthorisedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.cli.services.look.command import ServiceDetails, ServicesDiff
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.config.repository import CommitAge
    from nbactl.deployments.desired import Difference
    from nbactl.deployments.history import DriftHistory, Since
    from nbactl.deployments.probing import HealthReport, SmokeReport
    from nbactl.deployments.survey import ServiceProblem
    from nbactl.errors import NbactlError
    from nbactl.ports.services import Revision

__all__ = ["health_reports", "service_details", "service_list", "services_diff", "smoke_reports"]

_REVISIONS_SHOWN: Final = 5
_HEALTH: Final = {"pass": "green", "up": "green", "warn": "yellow", "fail": "red", "unknown": "yellow"}
_SMOKE: Final = {"works": "green", "broken": "red", "unknown": "yellow", "undeclared": "dim"}
_PENDING: Final = 3


def service_details(found: ServiceDetails) -> View:
    """Show all there is about a service."""
    service, now, settings = found.service, found.now, found.service.settings
    newest = found.revisions[0] if found.revisions else None
    deployed = None
    if service.deployed_at is not None:
        tool = f" with {service.deployed_with}" if service.deployed_with else ""
        by = f" by {service.deployed_by}" if service.deployed_by else ""
        deployed = f"{moment(service.deployed_at)} ({ago(now, service.deployed_at)}){by}{tool}"
    facts: dict[str, Any] = {
        "service": f"{service.name} ({service.region})" if service.region else service.name,
        "state": state_of(service),
        "address": service.url or None,
        "revision": service.latest_ready_revision,
        "traffic": traffic_meaning(service),
        "image": service.image or None,
        "commit": _commit_text(found.commit),
        "instances": _with_age(found, "min_instances", instances(settings)),
        "concurrency": _with_age(found, "concurrency", _number(settings.get("concurrency"))),
        "timeout": _with_age(found, "timeout", value_text("timeout", settings.get("timeout"))),
        "account": service.account,
        "deployed": deployed,
        "function": service.function and f"{service.function}; its next deployment resets what is changed here",
        "declared": "no: workflows.yaml does not name it" if found.declared is False else None,
    }

    def show(console: Console) -> None:
        for name, value in facts.items():
            if value is not None:
                console.print(Styled(f"{name:<13}", "dim"), value)
        console.print()
        _variables(console, found)
        console.print()
        _revisions(console, found)
        if found.surveyed.problems:
            console.print()
        for problem in found.surveyed.problems:
            _problem(console, problem)

    data = {
        "service": _service(found),
        "state": state_of(service),
        "declared": found.declared,
        "traffic_meaning": traffic_meaning(service),
        "image_tag": image_tag(service),
        "commit": found.commit,
        "env": {name: MASK if is_secret_name(name) else value for name, value in service.env.items()},
        "ages": [_since(kind, name, since) for (kind, name), since in found.ages.items()],
        "revisions": [_revision(revision) for revision in found.revisions],
        "differences": [_difference(service.name, *pair) for pair in found.surveyed.differences],
        "problems": list(found.surveyed.problems),
        "ready": newest.ready if newest else None,
    }
    return View(data, show, warnings=found.warnings, paged=True)


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
    bad = [report for report in reports if not report.is_green]
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

    error = _worst(bad, "not healthy", "nbactl services show SERVICE") if bad else _nothing(reports)
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
    bad = [report for report in reports if report.state in ("broken", "unknown")]
    columns = ["service", "smoke", "route", "status", "health", "detail"]

    def show(console: Console) -> None:
        if rows:
            console.table(columns, rows, optional=["health", "status"])

    error = _worst(bad, "not working", "nbactl services logs SERVICE") if bad else _nothing(reports)
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
            _problem(console, problem)
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
        "differences": [_difference(one.name, *pair) for one in found.survey.services for pair in one.differences],
        "compared": [one.name for one in found.survey.services],
        "undeclared": [service.name for service in found.survey.undeclared],
    }
    pending = detailed_exitcode and bool(problems)
    return View(data, show, items="problems", exit_code=_PENDING if pending else 0, warnings=found.survey.warnings)


def _problem(console: Console, problem: ServiceProblem) -> None:
    style = "bold red" if problem.grave else "bold yellow"
    console.print(Styled(problem.service, style), f": {problem.message}")
    if problem.cause:
        console.out.print_hanging("  ", text=problem.cause, indent=2)
    console.print("  ", Styled("next: ", "cyan"), copyable(problem.fix))


def _variables(console: Console, found: ServiceDetails) -> None:
    service = found.service
    if service.unreadable:
        console.note(f"The variables are not shown: {service.unreadable}")
        return
    names = [*service.env, *sorted(service.secrets)]
    if not names:
        console.note("It has no variables.")
        return
    rows: list[list[Segment | None]] = []
    for name in names:
        since = found.ages.get(("variable", name))
        value: Segment = Styled(UNREAD, "dim") if name in service.secrets else value_text(name, service.env[name])
        rows.append([name, value, _age(found, since), short_name(since.by) if since else None])
    console.table(["variable", "value", "set", "by"], rows, key=["variable", "value"])


def _revisions(console: Console, found: ServiceDetails) -> None:
    shares: dict[str | None, int] = {}
    for share in found.service.traffic:
        name = share.revision or found.service.latest_ready_revision
        shares[name] = shares.get(name, 0) + share.percent
    rows: list[list[Segment | None]] = [
        [
            revision.name,
            Styled("ready", "green") if revision.ready else Styled("not ready", "red"),
            f"{shares.get(revision.name, 0)} %",
            ago(found.now, revision.created_at),
            short_name(revision.deployed_by),
            revision.problem,
        ]
        for revision in found.revisions[:_REVISIONS_SHOWN]
    ]
    if rows:
        columns = ["revision", "state", "traffic", "created", "by", "problem"]
        console.table(columns, rows, optional=["problem", "by"])
        console.showing(len(rows), len(found.revisions), "revisions", more="-o json has all.")


def _with_age(found: ServiceDetails, name: str, text: str) -> str:
    since = found.ages.get(("setting", name))
    if since is None:
        return text
    by = f" by {short_name(since.by)}" if since.by else ""
    return f"{text} (set {_age(found, since)}{by})"


def _age(found: ServiceDetails, since: Since | None) -> str:
    """Return how old a value is; what the oldest revision has already is at least so old."""
    if since is None:
        return ""
    return f"{'at least ' if since.is_oldest else ''}{ago(found.now, since.at)}"


def _number(value: float | None) -> str:
    return "the platform's default" if value is None else f"{value:g}"


def _commit_text(commit: CommitAge | None) -> str | None:
    if commit is None:
        return None
    if commit.behind is None:
        return f"{commit.commit}: the repository does not have it"
    if commit.behind == 0:
        return f"{commit.commit}: HEAD of the repository"
    return f"{commit.commit}: {commit.behind} commit{'s' if commit.behind > 1 else ''} behind HEAD"


def _worst(bad: Sequence[HealthReport | SmokeReport], what: str, next_step: str) -> NbactlError:
    """Return the error for services that are not well; that of an identity if this is all that is wrong."""
    errors = [report.error for report in bad]
    if all(isinstance(error, NotAuthorisedError) for error in errors) and errors[0] is not None:
        return errors[0]
    return failed(len(bad), f"{'is' if len(bad) == 1 else 'are'} {what}", next_step)


def _nothing(asked: Sequence[object]) -> NbactlError | None:
    """Return the error of a command that asked nobody: an answer about nothing is not a success (invariant 24)."""
    if asked:
        return None
    return CheckFailedError("no service was asked", next_step="See what is deployed: nbactl services list")


def _service(found: ServiceDetails) -> dict[str, Any]:
    service = found.service
    return {
        "name": service.name,
        "region": service.region,
        "url": service.url,
        "revision": service.latest_ready_revision,
        "created_revision": service.latest_created_revision,
        "problem": service.problem,
        "traffic": list(service.traffic),
        "image": service.image,
        "settings": dict(service.settings),
        "labels": dict(service.labels),
        "secrets": sorted(service.secrets),
        "account": service.account,
        "deployed_at": service.deployed_at,
        "deployed_by": service.deployed_by,
        "deployed_with": service.deployed_with,
        "function": service.function,
    }


def _revision(revision: Revision) -> dict[str, Any]:
    return {
        "name": revision.name,
        "created_at": revision.created_at,
        "ready": revision.ready,
        "problem": revision.problem,
        "image": revision.image,
        "settings": dict(revision.settings),
        "deployed_by": revision.deployed_by,
    }


def _since(kind: str, name: str, since: Since) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "since": since.at,
        "by": since.by,
        "revision": since.revision,
        "at_least": since.is_oldest,
    }


def _difference(service: str, difference: Difference, history: DriftHistory) -> dict[str, Any]:
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
