"""Where the environment of deployed services differs from the store and flags.yaml, and which could not be compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbactl.checks.flags import FlagFinding
from nbactl.config.flag_variables import variables_of
from nbactl.core.flags.moves import position_of
from nbactl.ports.services import ALL_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nbactl.config.flag_variables import FlagVariable
    from nbactl.config.flags import FlagsFile
    from nbactl.core.flags import Stored
    from nbactl.ports.services import DeployedService


@dataclass(frozen=True, slots=True)
class ServiceComparison:
    """What deployed services are compared with. `gcloud` returns the command for a verb, a service and options."""

    file: FlagsFile
    stored: Stored
    declared: Sequence[str]
    gcloud: Callable[..., str]
    adopted: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Parameters that were adopted as they are, by service and variable."""

    def findings(self, deployed: Sequence[DeployedService]) -> Iterator[FlagFinding]:
        """Yield what differs, service by service."""
        found = {service.name: service for service in deployed}
        for name in self.declared:
            if name in found:
                yield from self._compare(found[name])
            else:
                message = f"{name} is declared in workflows.yaml, and is not deployed"
                yield FlagFinding(None, "not_deployed", message, "Deploy it, or take it out of workflows.yaml.", name)
        for name, service in found.items():
            if name not in self.declared:
                yield from self._undeclared(service)

    def variables(self, service: DeployedService) -> list[FlagVariable]:
        """Return every variable of a service that a flag reads."""
        return (
            []
            if service.unreadable
            else list(variables_of(service, self.file, self.stored, self.adopted.get(service.name)))
        )

    def _compare(self, service: DeployedService) -> Iterator[FlagFinding]:
        name = service.name
        if service.unreadable:
            fix = "Deploy it with a port at exactly one container."
            yield FlagFinding(None, "unreadable", f"{name} is not compared: {service.unreadable}", fix, name)
            return
        for variable in self.variables(service):
            if variable.standing not in ("unset", "in_line", "no_opinion"):
                yield self._variable(variable)
        if service.problem:
            message = f"the latest revision of {name} is not ready, its variables are not in force: {service.problem}"
            yield FlagFinding(None, "not_ready", message, self.gcloud("describe", name), name)
        elif service.is_reconciling:
            message = f"{name} is being deployed right now; its variables are not in force yet"
            yield FlagFinding(None, "not_ready", message, "Check again in a minute.", name)
        elif service.latest_share < ALL_REQUESTS:
            message = (
                f"the latest revision of {name} gets {service.latest_share} % of its requests; those of "
                f"{', '.join(service.pinned_to) or 'older revisions'} are not compared"
            )
            yield FlagFinding(None, "traffic", message, self.gcloud("update-traffic", name, "--to-latest"), name)

    def _variable(self, found: FlagVariable) -> FlagFinding:
        fix = f"nbactl flags sync {found.key} --service {found.service}"
        place = position_of(self.stored.states.get(found.key))
        if found.standing in ("secret", "unknown"):
            message = f"{found.name} of {found.service} is not compared: {found.why}"
            fix = (
                f"nbactl flags rollback {found.key}" if found.standing == "unknown" else "Set flags as plain variables."
            )
            return FlagFinding(found.key, "not_compared", message, fix, found.service)
        if found.name != self.file.flags[found.key].env:
            message = f"{found.name} is {found.value} on {found.service}: {found.why}"
            return FlagFinding(found.key, "parameter", message, fix, found.service)
        if found.standing == "invalid":
            message = f"{found.name} is ignored on {found.service}: {found.why}"
        elif not place.enabled:
            message = (
                f"{found.key} is off, and {found.name}={found.value} on {found.service}: the kill switch wins over it"
            )
        else:
            where = f"{found.name}={found.value} on {found.service}"
            message = f"{found.key} is {place.place} in the store, and {where} wins there"
        return FlagFinding(found.key, "environment", message, fix, found.service)

    def _undeclared(self, service: DeployedService) -> Iterator[FlagFinding]:
        for found in self.variables(service):
            if found.contradicts:
                message = (
                    f"{service.name} is not declared in workflows.yaml, and has {found.name}={found.value}: {found.why}"
                )
                fix = f"If it is ours: nbactl flags sync {found.key} --service {service.name}"
                yield FlagFinding(found.key, "undeclared", message, fix, service.name)
