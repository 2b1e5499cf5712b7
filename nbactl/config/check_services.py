"""Checks of the services in workflows.yaml: placeholders of bodies, paths, and what is declared of each service."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from nbactl.config.deployed import DeployedSpec
from nbactl.config.problems import suggest
from nbactl.errors import DataError
from nbactl.ports.service_rules import check_changes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.deployed import SmokeSpec
    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.config.workflows import ServiceSpec, WorkflowsFile

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_ALWAYS: Final = ("game_date", "run_id", "correlation_id")
_BY_ITEM: Final = {"game": "game_id", "event": "event_id", "team": "team", "player": "player"}
"""The placeholder of each value of `for_each`."""


def check_services(file: ConfigFile[WorkflowsFile], timeouts: ConfigFile[TimeoutsFile] | None) -> Iterator[Problem]:
    """Yield the problems; references to timeouts.yaml are checked only if that could be read."""
    for name, task in file.model.tasks.items():
        if task.service is not None:
            yield from check_call(file, ("tasks", name, "service"), task.service)
    yield from _misspelt(file)
    for name, spec in file.model.services.items():
        yield from _declared(file, ("services", name), spec, timeouts)


def check_call(
    file: ConfigFile[WorkflowsFile], path: tuple[Any, ...], service: ServiceSpec, own: ServiceSpec | None = None
) -> Iterator[Problem]:
    """Yield what is wrong with a call; `own` is the task's own call where a use of the task has another one."""
    if own is None and not service.path.startswith("/"):
        yield file.positions.problem((*path, "path"), f"'{service.path}' is not a path: it must begin with /")
    used: set[str] = set()
    known = (*_ALWAYS, *_BY_ITEM.values())
    for inside, text in _texts(service.body, (*path, "body")):
        place = inside if own is None else path
        for name in _PLACEHOLDER.findall(text):
            used.add(name)
            if name not in known:
                yield file.unknown(place, name, known, "not a placeholder")
                continue
            needed = next((item for item, placeholder in _BY_ITEM.items() if placeholder == name), None)
            if needed is not None and service.for_each != needed:
                yield file.positions.problem(place, f"{{{name}}} is only known with `for_each: {needed}`")
    if service.for_each is not None and (placeholder := _BY_ITEM[service.for_each]) not in used:
        message = f"every call of `for_each: {service.for_each}` would be the same: the body lacks {{{placeholder}}}"
        yield file.positions.problem((*path, "for_each") if own is None else path, message)


def _misspelt(file: ConfigFile[WorkflowsFile]) -> Iterator[Problem]:
    """Yield services that nothing calls and of which only the region is declared, which says nothing: typos."""
    called = {task.service.name for task in file.model.tasks.values() if task.service is not None}
    called |= {phase.service for phase in file.model.phases.values()}
    for name in file.names("services"):
        spec = file.model.services.get(name, DeployedSpec())
        if name not in called and spec == DeployedSpec(region=spec.region):
            message = f"'{name}' is not the service of any task or phase"
            yield file.positions.problem(("services", name), message, suggest(name, sorted(called)), key=True)


def _declared(
    file: ConfigFile[WorkflowsFile],
    path: tuple[str, str],
    spec: DeployedSpec,
    timeouts: ConfigFile[TimeoutsFile] | None,
) -> Iterator[Problem]:
    """Yield what cannot be as it is declared of one service."""
    least, most = spec.min_instances, spec.max_instances
    if least is not None and most is not None and least > most:
        message = f"at least {least} instances and at most {most} cannot be"
        yield file.positions.problem((*path, "min_instances"), message)
    if timeouts is not None and spec.timeout is not None and spec.timeout not in (known := timeouts.names("timeouts")):
        where = f"not under timeouts in {timeouts.positions.file}"
        yield file.unknown((*path, "timeout"), spec.timeout, known, where)
    try:
        check_changes(spec.env)
    except DataError as error:
        yield file.positions.problem((*path, "env"), error.message)
    if spec.smoke is not None:
        yield from _smoke(file, (*path, "smoke"), spec.smoke)


def _smoke(file: ConfigFile[WorkflowsFile], path: tuple[str, ...], smoke: SmokeSpec) -> Iterator[Problem]:
    if not smoke.path.startswith("/"):
        yield file.positions.problem((*path, "path"), f"'{smoke.path}' is not a path: it must begin with /")
    if smoke.method == "GET" and (smoke.body or smoke.push):
        key = "body" if smoke.body else "push"
        yield file.positions.problem((*path, key), "a GET request has no body", "Write `method: POST`.")


def _texts(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:  # noqa: ANN401 - any YAML
    """Yield the texts within a value, each with its place."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, Sequence):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))
