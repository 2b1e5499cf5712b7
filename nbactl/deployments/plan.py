"""What is to change on deployed services, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbactl.ports.services import ALL_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.deployments.records import EnvChange, Values
    from nbactl.errors import NbactlError
    from nbactl.ports.services import DeployedService

_WORST_FIRST: Final = (1, 2, 5, 4, 6, 7, 8, 3)
"""Exit codes: failures, then what may still succeed, then what is partly done."""
_PARTLY: Final = 3


@dataclass(frozen=True, slots=True)
class EnvPlan:
    """The new variables of one service, valid while it has the version that was seen."""

    service: str
    version: str
    before: Values
    after: Values


@dataclass(frozen=True, slots=True)
class EnvOutcome:
    """How the change of one service ended: the service as read back, or why it failed."""

    service: str
    deployed: DeployedService | None = None
    error: NbactlError | None = None


@dataclass(frozen=True, slots=True)
class RefusedVariable:
    """A variable that is left alone; `key` is the flag that reads it, if one does."""

    service: str
    variable: str
    key: str | None
    why: str


@dataclass(slots=True)
class EnvWork:
    """What to change. `reasons` explain plans by service and variable; `failed` are services that have no plan.

    `refused` are variables that would have to change and cannot, `left_alone` those of flags that were never set.
    """

    plans: list[EnvPlan] = field(default_factory=list)
    reasons: Mapping[tuple[str, str], str] = field(default_factory=dict)
    refused: list[RefusedVariable] = field(default_factory=list)
    left_alone: list[RefusedVariable] = field(default_factory=list)
    failed: list[EnvOutcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def variables(self) -> int:
        """How many variables change."""
        return sum(len(plan.after) for plan in self.plans)


@dataclass(frozen=True, slots=True)
class EnvResult:
    """What was done. `change` is None if nothing was to be done; its id is what undoes it."""

    work: EnvWork
    change: EnvChange | None
    outcomes: tuple[EnvOutcome, ...]
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[EnvOutcome, ...]:
        """The services that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)

    @property
    def pinned(self) -> tuple[DeployedService, ...]:
        """The changed services whose new revision does not get all requests."""
        changed = (outcome.deployed for outcome in self.outcomes)
        return tuple(service for service in changed if service is not None and service.latest_share < ALL_REQUESTS)

    @property
    def exit_code(self) -> int:
        """The worst exit code of the services; 3 if requests do not reach a change, or a variable was refused."""
        codes = {outcome.error.exit_code for outcome in self.outcomes if outcome.error is not None}
        if self.pinned or self.work.refused:
            codes.add(_PARTLY)
        return next((code for code in _WORST_FIRST if code in codes), 0)


def plan_for(service: DeployedService, wanted: Mapping[str, str | None]) -> EnvPlan | None:
    """Return the plan that gives a service the wanted variables, None if it has them. None removes a variable."""
    after = {name: value for name, value in wanted.items() if service.env.get(name) != value}
    if not after:
        return None
    return EnvPlan(service.name, service.version, {name: service.env.get(name) for name in after}, after)
