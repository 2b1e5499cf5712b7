"""What is deployed, what it really has, and whether it works."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nbactl.bootstrap.deployed import (
    declared_specs,
    make_prober,
    recorded_changes,
    require_declared,
    services_by_region,
    smoke_of,
    survey_services,
)
from nbactl.config.deployed import DeployedSpec
from nbactl.config.repository import commit_age
from nbactl.deployments.desired import commit_of, desired_state, differences, tag_of
from nbactl.deployments.history import Past, ages
from nbactl.deployments.parallel import at_once
from nbactl.deployments.survey import examine
from nbactl.errors import NbactlError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.config.repository import CommitAge
    from nbactl.deployments.desired import Kind
    from nbactl.deployments.history import Since
    from nbactl.deployments.probing import HealthReport, SmokeReport
    from nbactl.deployments.survey import Survey, Surveyed
    from nbactl.ports.services import DeployedService, Revision


@frozen
class ListedService:
    """A service of a region. `drift` is how many declared values it does not have; None if it is not declared."""

    service: DeployedService
    drift: int | None


@frozen
class ListedRegion:
    """The services of a region by name; `error` says why they are not known."""

    region: str
    services: tuple[ListedService, ...]
    error: NbactlError | None = None


@frozen
class ServiceDetails:
    """All there is about a service. `revisions` are the newest first; `commit` is None where none is known.

    `declared` is None on target local, where nothing is declared.
    """

    service: DeployedService
    declared: bool | None
    surveyed: Surveyed
    revisions: Sequence[Revision]
    ages: Mapping[tuple[Kind, str], Since]
    commit: CommitAge | None
    now: datetime
    warnings: tuple[str, ...]


@frozen
class ServicesDiff:
    """The declared services against what is deployed."""

    survey: Survey
    names: tuple[str, ...]


def list_services(app: Container) -> Iterator[ListedRegion]:
    """Yield the services region by region, as the regions answer. One that does not answer is not the end."""
    specs, default = declared_specs(app), app.settings.region
    for region, found in services_by_region(app):
        if isinstance(found, NbactlError):
            yield ListedRegion(region, (), found)
            continue
        rows = []
        for service in found:
            spec = specs.get(service.name)
            if spec is not None and (spec.region or default) != region:
                spec = None
            drift = None if spec is None else len(differences(service, desired_state(spec, app.config.timeouts)))
            rows.append(ListedService(service, drift))
        yield ListedRegion(region, tuple(rows))


def show_service(app: Container, name: str) -> ServiceDetails:
    """Return all there is about a service. Raises NotFoundError with the name that was meant."""
    service = app.deployed_services.get(name)
    revisions = app.deployed_services.revisions(name)
    warnings: list[str] = []
    specs = declared_specs(app)
    past = Past(revisions, partial(recorded_changes, app, warnings.append))
    surveyed = examine(name, specs.get(name, DeployedSpec()), app.config.timeouts, service, past)
    found = ages(service, revisions)
    declared = name in specs if app.target.HAS_DEPLOYED_SERVICES else None
    return ServiceDetails(
        service, declared, surveyed, revisions, found, _commit(app, service), app.clock.now(), tuple(warnings)
    )


def services_health(app: Container, names: Sequence[str]) -> Iterator[HealthReport]:
    """Ask services for `/health`, several at once; yield each report as it comes.

    Without names those that are declared and deployed, on target local all. Raises NotFoundError.
    """
    for _, report in at_once(_chosen(app, names), make_prober(app).health):
        yield report


def smoke_services(app: Container, names: Sequence[str]) -> Iterator[SmokeReport]:
    """Call the route of services that shows that they work, several at once; yield each report as it comes.

    Without names as `services_health`. Raises NotFoundError.
    """
    prober = make_prober(app)
    services = _chosen(app, names)

    def smoke(service: DeployedService) -> SmokeReport:
        return prober.smoke(service, smoke_of(app, service.name))

    for _, report in at_once(services, smoke):
        yield report


def diff_services(app: Container, names: Sequence[str]) -> ServicesDiff:
    """Compare the declared services with what is deployed. Raises NotFoundError for a name that is not declared."""
    require_declared(app, names)
    return ServicesDiff(survey_services(app, names), tuple(names))


def _chosen(app: Container, names: Sequence[str]) -> list[DeployedService]:
    """Return the deployed services of these names; without names those that are declared, on target local all."""
    there = {service.name: service for service in app.deployed_services.list()}
    if names:
        # One that is not there is asked for: the error says in which region it is, or which one was meant.
        return [there.get(name) or app.deployed_services.get(name) for name in dict.fromkeys(names)]
    declared = declared_specs(app) or there
    return [service for name, service in there.items() if name in declared]


def _commit(app: Container, service: DeployedService) -> CommitAge | None:
    """Return how far the deployed commit is behind: that of its label, else its image's tag if git knows it."""
    folder = next(iter(app.config.files.values())).parent
    age = partial(commit_age, folder, limit=app.config.timeouts["doctor.git"])
    if label := commit_of(service):
        return age(label)
    tag = tag_of(service.image)
    found = age(tag) if tag and _may_be_commit(tag) else None
    return found if found is not None and found.behind is not None else None


def _may_be_commit(tag: str) -> bool:
    return len(tag) >= 7 and all(char in "0123456789abcdef" for char in tag)  # noqa: PLR2004 - git's short form
