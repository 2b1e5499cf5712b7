"""One service as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.services.look.view import difference_json, print_problem
from nbactl.cli.services.look.words import ago, image_tag, instances, short_name, state_of, traffic_meaning
from nbactl.cli.show.render import View
from nbactl.cli.show.text import Styled
from nbactl.cli.show.times import moment
from nbactl.core.observe.masking import MASK, is_secret_name
from nbactl.deployments.desired import UNREAD
from nbactl.deployments.survey import value_text

if TYPE_CHECKING:
    from nbactl.cli.services.look.command import ServiceDetails
    from nbactl.cli.show.console import Console
    from nbactl.cli.show.text import Segment
    from nbactl.config.repository import CommitAge
    from nbactl.deployments.history import Since
    from nbactl.ports.services import Revision

_REVISIONS_SHOWN: Final = 5


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
        "instances": _with_age(found, "min_instances", instances(service)),
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
            print_problem(console, problem)

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
        "differences": [difference_json(service.name, *pair) for pair in found.surveyed.differences],
        "problems": list(found.surveyed.problems),
        "ready": newest.ready if newest else None,
    }
    return View(data, show, warnings=found.warnings, paged=True)


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
