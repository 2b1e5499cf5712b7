"""Deployed services, built from the container: what is declared of them, where they are, how they are called."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from nbactl.core._support.names import did_you_mean
from nbactl.errors import NbactlError, NotAuthorisedError, NotFoundError, PreconditionError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbactl.bootstrap.container import Container
    from nbactl.config.deployed import DeployedSpec, SmokeSpec
    from nbactl.deployments.probing import Prober
    from nbactl.deployments.records import ChangeRecord
    from nbactl.deployments.survey import Survey
    from nbactl.ports.services import DeployedService


def declared_specs(app: Container) -> dict[str, DeployedSpec]:
    """Return what workflows.yaml declares of each service that it names; target local runs services of its own."""
    from nbactl.config.deployed import DeployedSpec

    if not app.target.HAS_DEPLOYED_SERVICES:
        return {}
    file = app.config.workflows
    return {name: file.services.get(name, DeployedSpec()) for name in file.declared_services}


def require_declared(app: Container, names: Sequence[str] = ()) -> None:
    """Raise PreconditionError on target local, where nothing is declared, and NotFoundError for an undeclared name."""
    if not app.target.HAS_DEPLOYED_SERVICES:
        raise PreconditionError(
            "on target local nothing is declared of services",
            cause="`services:` in workflows.yaml is about target gcp.",
            next_step="Give --target gcp, or see what runs here: nbactl services list",
        )
    declared = declared_specs(app)
    for name in names:
        if name not in declared:
            raise NotFoundError(
                f"{name} is not declared in workflows.yaml",
                cause="Only what is declared can be compared.",
                next_step=did_you_mean(name, declared),
            )


def smoke_of(app: Container, name: str) -> SmokeSpec | None:
    """Return the route that shows that a service works. Those of `nbactl up` test all their routes in `/ready`."""
    from nbactl.config.deployed import SmokeSpec

    if not app.target.HAS_DEPLOYED_SERVICES:
        return SmokeSpec(path="/ready", method="GET")
    spec = declared_specs(app).get(name)
    return None if spec is None else spec.smoke


def services_by_region(app: Container) -> Iterator[tuple[str, Sequence[DeployedService] | NbactlError]]:
    """Ask all regions at once, and yield the services of each, by name, as it answers; or why it does not."""
    from nbactl.deployments.parallel import at_once

    regions = app.target.service_regions(app)

    def ask(region: str) -> Sequence[DeployedService] | NbactlError:
        try:
            found = regions[region]().list()
        except (NotAuthorisedError, NotFoundError, UnavailableError) as error:
            return error
        return [replace(service, region=service.region or region) for service in found]

    return at_once(list(regions), ask)


def recorded_changes(app: Container, warn: Callable[[str], object]) -> list[ChangeRecord]:
    """Return the newest changes that nbactl made of services; none, with a warning, where the store does not answer."""
    from nbactl.core.calls.deadline import deadline_scope

    try:
        with deadline_scope(app.config.timeouts["documents.read"], app.clock):
            return list(app.service_change_log.newest())
    except NbactlError as error:
        warn(f"what nbactl changed is not known: {error.message}")
        return []


def survey_services(app: Container, names: Sequence[str] = ()) -> Survey:
    """Compare declared services, all of them or those of `names`, with what is deployed. Raises as the port does."""
    from nbactl.deployments.survey import survey

    declared, services = declared_specs(app), app.deployed_services
    warnings: list[str] = []
    changes = partial(recorded_changes, app, warnings.append)
    chosen = {name: spec for name, spec in declared.items() if not names or name in names}
    found = survey(chosen, app.config.timeouts, services.list(), services.revisions, changes)
    others = tuple(service for service in found.undeclared if service.name not in declared)
    return replace(found, undeclared=others, warnings=(*warnings, *found.warnings))


def wrong_services(app: Container) -> tuple[int, dict[str, str], list[str]]:
    """Return how many services are declared, what is wrong with which, and what could not be found out.

    That is what `services diff` and `services smoke` find. Raises as the port does.
    """
    from nbactl.deployments.parallel import at_once

    found, prober = survey_services(app), make_prober(app)
    said: dict[str, list[str]] = {}
    for problem in found.problems:
        said.setdefault(problem.service, []).append(problem.message)
    tested = [one.deployed for one in found.services if one.deployed is not None and smoke_of(app, one.name)]
    warnings = list(found.warnings)
    for service, report in at_once(tested, lambda service: prober.smoke(service, smoke_of(app, service.name))):
        if report.state == "broken":
            said.setdefault(service.name, []).append(f"{report.route} {report.detail}")
        elif report.state == "unknown":
            warnings.append(f"whether {service.name} works is not known: {report.detail}")
    return len(found.services), {name: "; ".join(sentences) for name, sentences in said.items()}, warnings


def make_prober(app: Container) -> Prober:
    """Return what calls services, on gcp with an identity token for each."""
    from nbactl.deployments.probing import Prober

    timeouts = app.config.timeouts
    prober = Prober(
        app.target.identity_token(app),
        clock=app.clock,
        health=timeouts["http.health"],
        smoke=timeouts["service.smoke"],
        new_id=lambda: app.ids.new("smoke"),
        direct=not app.target.HAS_DEPLOYED_SERVICES or bool(app.environ.get("CLOUD_RUN_EMULATOR_HOST")),
    )
    app.closing.callback(prober.close)
    return prober
