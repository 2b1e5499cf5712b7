"""Where the environment of deployed services differs from the store and flags.yaml, and which could not be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbactl.checks.flags import FlagFinding
from nbactl.config.flag_variables import variables_of
from nbactl.core.flags.moves import position_of
from nbactl.ports.services import ALL_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbactl.config.flag_variables import Variable
    from nbactl.config.flags import FlagsFile
    from nbactl.core.flags import Stored
    from nbactl.ports.services import DeployedService


@dataclass(frozen=True, slots=True)
class Comparison:
    """What deployed services are compared with. `gcloud` makes a command of a verb, a service and options."""

    file: FlagsFile
    stored: Stored
    declared: Sequence[str]
    gcloud: Callable[..., str]

    def findings(self, deployed: Sequence[DeployedService]) -> Iterator[FlagFinding]:
        """Yield what differs, service by service."""
        found = {each.name: each for each in deployed}
        for name in self.declared:
            if name in found:
                yield from self._compare(found[name])
            else:
                told = f"{name} is declared in workflows.yaml, and is not deployed"
                yield FlagFinding(None, "not_deployed", told, "Deploy it, or take it out of workflows.yaml.", name)
        for name, service in found.items():
            if name not in self.declared:
                yield from self._undeclared(service)

    def variables(self, service: DeployedService) -> list[Variable]:
        """Return every variable of a service that a flag reads."""
        return [] if service.unreadable else list(variables_of(service, self.file, self.stored))

    def _compare(self, service: DeployedService) -> Iterator[FlagFinding]:
        name = service.name
        if service.unreadable:
            fix = "Deploy it with a port at exactly one container."
            yield FlagFinding(None, "unreadable", f"{name} is not compared: {service.unreadable}", fix, name)
            return
        for each in self.variables(service):
            if each.standing not in ("unset", "in_line"):
                yield self._variable(each)
        if service.problem:
            told = f"the latest revision of {name} is not ready, so its variables are not in force: {service.problem}"
            yield FlagFinding(None, "not_ready", told, self.gcloud("describe", name), name)
        elif service.is_reconciling:
            told = f"{name} is being deployed right now; its variables are not in force yet"
            yield FlagFinding(None, "not_ready", told, "Look again in a minute.", name)
        elif service.latest_share < ALL_REQUESTS:
            told = (
                f"the latest revision of {name} gets {service.latest_share} % of its requests; those of "
                f"{', '.join(service.pinned_to) or 'older revisions'} are not compared"
            )
            yield FlagFinding(None, "traffic", told, self.gcloud("update-traffic", name, "--to-latest"), name)

    def _variable(self, each: Variable) -> FlagFinding:
        fix = f"nbactl flags sync {each.key} --service {each.service}"
        place = position_of(self.stored.states.get(each.key))
        if each.standing in ("secret", "unknown"):
            told = f"{each.name} of {each.service} is not compared: {each.why}"
            fix = f"nbactl flags rollback {each.key}" if each.standing == "unknown" else "Set flags as plain variables."
            return FlagFinding(each.key, "not_compared", told, fix, each.service)
        if each.name != self.file.flags[each.key].env:
            told = f"{each.name} is {each.value} on {each.service}: {each.why}"
            return FlagFinding(each.key, "parameter", told, fix, each.service)
        if each.standing == "invalid":
            told = f"{each.name} is ignored on {each.service}: {each.why}"
        elif not place.enabled:
            told = f"{each.key} is off, and {each.name}={each.value} on {each.service}: the kill switch wins over it"
        else:
            told = (
                f"{each.key} is {place.place} in the store, and {each.name}={each.value} on {each.service} wins there"
            )
        return FlagFinding(each.key, "environment", told, fix, each.service)

    def _undeclared(self, service: DeployedService) -> Iterator[FlagFinding]:
        for each in self.variables(service):
            if each.contradicts:
                told = f"{service.name} is not declared in workflows.yaml, and has {each.name}={each.value}: {each.why}"
                fix = f"If it is ours: nbactl flags sync {each.key} --service {service.name}"
                yield FlagFinding(each.key, "undeclared", told, fix, service.name)
