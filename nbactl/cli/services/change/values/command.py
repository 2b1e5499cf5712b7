"""Compare variables of services with workflows.yaml, set them by name, and apply what is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.bootstrap.deployed import declared_specs, require_declared
from nbactl.cli.ask import proceed
from nbactl.cli.services.change.command import ServicesChanged, change_services, declared_service, unsettled
from nbactl.core._support.names import did_you_mean
from nbactl.core.observe.masking import is_secret_name, mask
from nbactl.deployments.changes import no_report
from nbactl.deployments.combinations import check_services
from nbactl.deployments.desired import Difference, desired_state, differences, edit_for
from nbactl.deployments.plan import RefusedVariable, ServiceOutcome, ServicesWork, plan_for
from nbactl.errors import DataError, NotFoundError, PreconditionError, UsageError
from nbactl.ports.service_rules import check_changes
from nbactl.ports.services import ServiceEdit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.cli.services.change.command import Report
    from nbactl.deployments.desired import Desired
    from nbactl.ports.services import DeployedService


@dataclass(frozen=True, slots=True)
class EnvSetRequest:
    """Which variables of a service to set and to remove; all others stay as they are.

    `restore` is a revision: what it has and the service lacks is set, too.
    """

    service: str
    values: Mapping[str, str]
    remove: tuple[str, ...] = ()
    restore: str | None = None
    reason: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ApplyDeclaredRequest:
    """Which services to bring to what workflows.yaml declares; without names all that declare something."""

    services: tuple[str, ...] = ()
    reason: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ComparedVariables:
    """The variables of a service that are declared; `found` are those that are not as declared."""

    service: DeployedService
    declared: int
    found: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class EnvDiff:
    """The services that declare variables, and those that are not deployed."""

    services: tuple[ComparedVariables, ...]
    missing: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether anything is not as declared."""
        return bool(self.missing) or any(compared.found for compared in self.services)


def diff_variables(app: Container, names: Sequence[str] = ()) -> EnvDiff:
    """Compare the variables that workflows.yaml declares. Raises NotFoundError where it declares none."""
    require_declared(app, names)
    specs = {name: spec for name, spec in declared_specs(app).items() if spec.env}
    services, missing = _deployed(app, names, [name for name in specs if not names or name in names])
    if not services and not missing:
        raise NotFoundError(
            "nothing was compared: workflows.yaml declares no variables" + (f" of {', '.join(names)}" if names else ""),
            next_step="Declare some: services: {NAME: {env: {LOG_LEVEL: info}}}",
        )
    compared = []
    for service in services:
        found = differences(service, desired_state(specs[service.name], app.config.timeouts))
        variables = tuple(one for one in found if one.kind == "variable")
        compared.append(ComparedVariables(service, len(specs[service.name].env), variables))
    return EnvDiff(tuple(compared), tuple(missing))


def set_variables(
    app: Container, request: EnvSetRequest, *, confirm: Confirm = proceed, report: Report = no_report
) -> ServicesChanged:
    """Set and remove variables of a service by name."""
    changes = _checked(app, request)
    service = declared_service(app, request.service)
    if service.unreadable:
        raise DataError(service.unreadable, next_step="Deploy it with a port at exactly one container.")
    work = ServicesWork()
    for name in changes:
        if name in service.secrets:
            raise PreconditionError(
                f"{name} of {service.name} comes from a secret, and is not changed",
                cause="A value set here would replace it, and undoing that would need the secret's name and version.",
                next_step=_secret_step(app, service.name, "Remove it first", "--remove-secrets", name),
                details={"service": service.name, "variable": name},
            )
        if (value := service.env.get(name)) is not None and mask(value) != value:
            raise PreconditionError(
                f"the value of {name} of {service.name} looks like a secret, and is not changed",
                cause="Its present value would be kept with the change, so that it can be undone.",
                next_step=_secret_step(app, service.name, "Keep it in Secret Manager", "--update-secrets"),
                details={"service": service.name, "variable": name},
            )
    work.warnings += [f"{name} is not set on {service.name}" for name in request.remove if name not in service.env]
    if request.restore is not None:
        changes = {**_lost(app, service, request.restore, work), **changes}
    add_plan(work, service, ServiceEdit(changes))
    check_services([service], work.plans)
    return change_services(app, [service], work, request, confirm=confirm, report=report)


def _lost(app: Container, service: DeployedService, revision: str, work: ServicesWork) -> dict[str, str]:
    """Return the variables that a revision has and its service lacks; those that look like secrets are refused."""
    revisions = {one.name: one for one in app.deployed_services.revisions(service.name)}
    if revision not in revisions:
        raise NotFoundError(f"{service.name} has no revision {revision}", next_step=did_you_mean(revision, revisions))
    there, here = revisions[revision], service.env.keys() | service.secrets
    lost = {name: value for name, value in there.env.items() if name not in here}
    secret = [name for name, value in lost.items() if _looks_secret(name, value)]
    why = "It looks like a secret, and its value would be kept with the change."
    work.refused += [RefusedVariable(service.name, name, None, why) for name in secret]
    why = f"It comes from a secret in {revision}: give it again with --update-secrets."
    work.refused += [RefusedVariable(service.name, name, None, why) for name in sorted(there.secrets - here)]
    return {name: value for name, value in lost.items() if name not in secret}


def apply_declared(
    app: Container, request: ApplyDeclaredRequest, *, confirm: Confirm = proceed, report: Report = no_report
) -> ServicesChanged:
    """Give services the variables and settings that workflows.yaml declares of them."""
    require_declared(app)
    specs = declared_specs(app)
    declaring = [name for name, spec in specs.items() if _declares(desired_state(spec, app.config.timeouts))]
    services, missing = _deployed(app, request.services, [*(request.services or declaring)])
    if not services:
        raise NotFoundError(
            "nothing was looked at: no service that workflows.yaml declares is deployed",
            cause=f"It declares {', '.join(missing)}." if missing else "It declares nothing of its services.",
            next_step="Check --project and --region, or declare something: services: {NAME: {max_instances: 10}}",
        )
    work = ServicesWork()
    reasons: dict[tuple[str, str], str] = {}
    work.warnings += [f"{name} is declared in workflows.yaml, but is not deployed" for name in missing]
    for service in services:
        spec = specs.get(service.name)
        desired = None if spec is None else desired_state(spec, app.config.timeouts)
        if desired is None or not _declares(desired):
            work.warnings.append(f"workflows.yaml declares nothing of {service.name}: services.{service.name}")
            continue
        found = differences(service, desired)
        changing = [one for one in found if not _left_alone(work, service, one)]
        reasons |= {(service.name, one.name): "as workflows.yaml declares it" for one in changing}
        add_plan(work, service, edit_for(changing))
    work.reasons = reasons
    check_services(services, work.plans)
    return change_services(app, services, work, request, confirm=confirm, report=report)


def add_plan(work: ServicesWork, service: DeployedService, edit: ServiceEdit) -> None:
    """Add what a service lacks; one that has all of it and does not serve with it is a failure."""
    plan = plan_for(service, edit)
    if plan is not None:
        work.plans.append(plan)
    elif (outcome := unsettled(service)) is not None:
        work.failed.append(outcome)


def _left_alone(work: ServicesWork, service: DeployedService, found: Difference) -> bool:
    """Say whether a difference is not mended here; why is added to the work."""
    if found.kind == "image":
        work.warnings.append(f"the image of {service.name} is {found.found}, not {found.wanted}: {found.obstacle}")
        return True
    why = found.obstacle
    if why is None and found.kind == "variable" and _looks_secret(found.name, str(found.wanted), str(found.found)):
        why = "It looks like a secret, and its values would be kept with the change."
    if why is None:
        return False
    if found.kind == "variable":
        work.refused.append(RefusedVariable(service.name, found.name, None, why))
    else:
        work.failed.append(ServiceOutcome(service.name, error=DataError(why, details={"setting": found.name})))
    return True


def _checked(app: Container, request: EnvSetRequest) -> dict[str, str | None]:
    """Return the changes by name. Raises UsageError for what cannot be set on any service."""
    if both := sorted(request.values.keys() & set(request.remove)):
        raise UsageError(f"{', '.join(both)}: both set and removed", next_step="Choose one of them.")
    changes: dict[str, str | None] = {**request.values, **dict.fromkeys(request.remove)}
    if not changes and request.restore is None:
        raise UsageError("nothing is to be set", next_step="Give NAME=VALUE, --remove NAME or --from REVISION.")
    for name, value in changes.items():
        if _looks_secret(name, value):
            raise UsageError(
                f"{name} looks like a secret, and is not changed as a plain variable",
                cause="Anyone who can see the service could read it, and its value would be kept with the change.",
                next_step=_secret_step(app, request.service, "Keep it in Secret Manager", "--update-secrets"),
                details={"variable": name},
            )
    try:
        check_changes(changes)
    except DataError as error:
        raise UsageError(error.message, next_step="Leave it out, or correct it.", details=error.details) from error
    return changes


def _secret_step(app: Container, service: str, what: str, *options: str) -> str:
    """Return where a secret is changed."""
    if not app.target.HAS_DEPLOYED_SERVICES:
        return "Set it where `nbactl up` is started, and start that again."
    return f"{what}: {app.gcloud('update', service, *options)}"


def _declares(desired: Desired) -> bool:
    return bool(desired.settings or desired.env or desired.image_tag)


def _looks_secret(name: str, *values: str | None) -> bool:
    return is_secret_name(name) or any(value is not None and mask(value) != value for value in values)


def _deployed(app: Container, names: Sequence[str], wanted: Iterable[str]) -> tuple[list[DeployedService], list[str]]:
    """Return the services that are deployed, and the names of those that are not. One that is named must be there."""
    if names:
        checked = {name: declared_service(app, name) for name in dict.fromkeys(names)}
        return [service for name, service in checked.items() if name in set(wanted)], []
    chosen = list(wanted)
    if not chosen:
        return [], []
    deployed = {service.name: service for service in app.deployed_services.list()}
    return [deployed[name] for name in chosen if name in deployed], [name for name in chosen if name not in deployed]
