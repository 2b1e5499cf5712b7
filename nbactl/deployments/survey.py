"""All that is wrong with deployed services: what `services diff`, `doctor` and the alert rule `services` report."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.durations import format_duration
from nbactl.core.observe.masking import MASK, is_secret_name
from nbactl.deployments.desired import desired_state, differences
from nbactl.deployments.history import Past, drift_history, lost_variables
from nbactl.deployments.parallel import at_once
from nbactl.errors import NbactlError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.config.deployed import DeployedSpec
    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.deployments.desired import Difference
    from nbactl.deployments.history import DriftHistory, Loss, Value
    from nbactl.deployments.records import ChangeRecord
    from nbactl.ports.services import DeployedService, Revision

ProblemKind = Literal["missing", "not_ready", "no_traffic", "pinned", "lost", "setting", "variable", "image"]
_SHOWN: Final = 4


@frozen
class ServiceProblem:
    """Something wrong with a service. `fix` is what to do; what is not `grave` costs money or time, not work."""

    service: str
    kind: ProblemKind
    message: str
    cause: str | None
    fix: str
    grave: bool = True


@frozen
class Surveyed:
    """A service against its declaration. `deployed` is None if it is not there."""

    name: str
    deployed: DeployedService | None
    differences: tuple[tuple[Difference, DriftHistory], ...]
    problems: tuple[ServiceProblem, ...]


@frozen
class Survey:
    """What was found of the declared services; `undeclared` are deployed and not named in workflows.yaml."""

    services: tuple[Surveyed, ...]
    undeclared: tuple[DeployedService, ...]
    warnings: tuple[str, ...]

    @property
    def problems(self) -> list[ServiceProblem]:
        """All problems, service by service."""
        return [problem for one in self.services for problem in one.problems]


def survey(
    declared: Mapping[str, DeployedSpec],
    timeouts: TimeoutsFile,
    deployed: Sequence[DeployedService],
    revisions: Callable[[str], Sequence[Revision]],
    changes: Callable[[], Sequence[ChangeRecord]],
) -> Survey:
    """Compare the declared services with those that are deployed.

    The revisions of each are read, several at once; where that fails it is a warning, and the history is not known.
    `changes` returns those that nbactl made; it is called if there is something that they may explain.
    """
    there = {service.name: service for service in deployed}
    known = [name for name in declared if name in there]
    read: dict[str, Sequence[Revision]] = {}
    warnings: list[str] = []
    for name, found in at_once(known, partial(_revisions, revisions)):
        if isinstance(found, NbactlError):
            warnings.append(f"the history of {name} is not known: {found.message}")
        else:
            read[name] = found
    known_changes = cache(changes)
    surveyed = [
        examine(name, spec, timeouts, there.get(name), Past(read.get(name, ()), known_changes))
        for name, spec in declared.items()
    ]
    others = tuple(service for service in deployed if service.name not in declared)
    return Survey(tuple(surveyed), others, tuple(warnings))


def _revisions(revisions: Callable[[str], Sequence[Revision]], name: str) -> Sequence[Revision] | NbactlError:
    try:
        return revisions(name)
    except NbactlError as error:
        return error


def examine(
    name: str,
    spec: DeployedSpec,
    timeouts: TimeoutsFile,
    service: DeployedService | None,
    past: Past,
) -> Surveyed:
    """Compare one service with its declaration."""
    if service is None:
        where = f" in {spec.region}" if spec.region else ""
        fix = "Deploy it, or correct its name or region under `services` in workflows.yaml."
        problem = ServiceProblem(name, "missing", f"declared in workflows.yaml, and not deployed{where}", None, fix)
        return Surveyed(name, None, (), (problem,))
    found = [
        (difference, drift_history(service, difference, past))
        for difference in differences(service, desired_state(spec, timeouts))
    ]
    problems = state_problems(service)
    loss = lost_variables(service, past)
    if loss is not None:
        problems.append(_lost(service, loss))
    problems += [_different(service, difference, history) for difference, history in found]
    return Surveyed(name, service, tuple(found), tuple(problems))


def state_problems(service: DeployedService) -> list[ServiceProblem]:
    """Return what is wrong with a service whatever is declared: its newest revision does not start, or gets nothing."""
    name, found = service.name, []
    if service.problem is not None:
        fix = f"nbactl services logs {name}"
        found.append(ServiceProblem(name, "not_ready", "its newest revision is not ready", service.problem, fix))
    if service.follows_latest:
        return found
    to_latest = f"nbactl services traffic {name} --to-latest"
    if service.latest_share == 0:
        cause = f"All requests go to {', '.join(service.pinned_to) or 'no revision'}."
        message = "its newest revision gets 0 % of requests"
        found.append(ServiceProblem(name, "no_traffic", message, cause, to_latest))
    else:
        cause = f"Its requests are pinned to {', '.join(share.revision or '' for share in service.traffic)}."
        found.append(ServiceProblem(name, "pinned", "a new revision will get 0 %", cause, to_latest, grave=False))
    return found


def value_text(name: str, value: Value) -> str:
    """Return a value for people: seconds as a duration; one that looks like a secret is masked."""
    if value is None:
        return "not set"
    if isinstance(value, str):
        return MASK if is_secret_name(name) else value or "empty"
    return format_duration(value) if name == "timeout" else f"{value:g}"


def came_back(history: DriftHistory) -> str | None:
    """Say how often a difference came back, and who brought it."""
    if not history.returned:
        return None
    times = _times(history.returned)
    by = f"; brought by {', '.join(_often(*pair) for pair in history.by)}" if history.by else ""
    mended = f"; mended last by {history.mended_by} ({history.mended_with})" if history.mended_with else ""
    return f"It came back {times} after it was mended{by}{mended}."


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _often(who: str, times: int) -> str:
    return who if times == 1 else f"{who} {_times(times)}"


def _lost(service: DeployedService, loss: Loss) -> ServiceProblem:
    """Return the loss; a variable from a secret comes back with the revision that had it only."""
    name, before = service.name, loss.before
    more = f" and {len(loss.names) - _SHOWN} more" if len(loss.names) > _SHOWN else ""
    message = f"lost {len(loss.names)} variables: {', '.join(loss.names[:_SHOWN])}{more}"
    who = loss.revision.deployed_by or "somebody"
    cause = f"{who} deployed {loss.revision.name} without them; {before.name} had them."
    fix = f"nbactl services env set {name} --from {before.name}"
    if before.secrets.intersection(loss.names):
        fix = f"nbactl services rollback {name} --revision {before.name}"
    return ServiceProblem(name, "lost", message, cause, fix)


def _different(service: DeployedService, difference: Difference, history: DriftHistory) -> ServiceProblem:
    name = difference.name
    wanted, found = value_text(name, difference.wanted), value_text(name, difference.found)
    sentences = [came_back(history), difference.obstacle]
    if history.since is not None and not history.since.is_oldest:
        sentences.insert(0, f"So since {history.since.revision} by {history.since.by or 'somebody'}.")
    fix = f"nbactl services apply {service.name}" if difference.obstacle is None else "Deploy it as declared."
    return ServiceProblem(
        service.name,
        difference.kind,
        f"{name} is {found}, declared {wanted}",
        " ".join(filter(None, sentences)) or None,
        fix,
        grave=difference.kind == "variable",
    )
