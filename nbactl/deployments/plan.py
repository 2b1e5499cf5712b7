"""What is to change on deployed services, and how it ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from nbactl.ports.services import ALL_REQUESTS, ServiceEdit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.deployments.records import ChangeRecord, Shares
    from nbactl.errors import NbactlError
    from nbactl.ports.services import DeployedService, SettingName, Settings, Traffic

_WORST_FIRST: Final = (1, 2, 5, 4, 6, 7, 8, 3)
"""Exit codes: failures, then what may still succeed, then what is partly done."""
_PARTLY: Final = 3


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """The change of one service, valid while it has the version that was seen.

    `before` undoes `after`: it names the same variables and settings with what they had.
    """

    seen: DeployedService
    before: ServiceEdit
    after: ServiceEdit
    through: tuple[Shares, ...] = ()

    @property
    def service(self) -> str:
        """The name of the service."""
        return self.seen.name

    @property
    def makes_revision(self) -> bool:
        """Whether the service gets a new revision: not for traffic, and not for settings of the service as a whole."""
        return bool(self.after.env or self.after.settings.keys() - self.seen.service_wide - self.after.service_wide)


@dataclass(frozen=True, slots=True)
class ServiceOutcome:
    """How the change of one service ended: the service as read back, or why it failed."""

    service: str
    deployed: DeployedService | None = None
    error: NbactlError | None = None
    makes_revision: bool = True


@dataclass(frozen=True, slots=True)
class RefusedVariable:
    """A variable that is left alone; `key` is the flag that reads it, if one does."""

    service: str
    variable: str
    key: str | None
    why: str


@dataclass(slots=True)
class ServicesWork:
    """What to change. `reasons` explain plans by service and variable; `failed` are services that have no plan.

    `refused` are variables that would have to change and cannot, `left_alone` those of flags that were never set.
    """

    plans: list[ServicePlan] = field(default_factory=list)
    reasons: Mapping[tuple[str, str], str] = field(default_factory=dict)
    refused: list[RefusedVariable] = field(default_factory=list)
    left_alone: list[RefusedVariable] = field(default_factory=list)
    failed: list[ServiceOutcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def variables(self) -> int:
        """How many variables change."""
        return sum(len(plan.after.env) for plan in self.plans)


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What was done. `change` is None if nothing was to be done; its id is what undoes it."""

    work: ServicesWork
    change: ChangeRecord | None
    outcomes: tuple[ServiceOutcome, ...]
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[ServiceOutcome, ...]:
        """The services that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)

    @property
    def pinned(self) -> tuple[DeployedService, ...]:
        """The changed services whose new revision does not get all requests."""
        changed = (outcome.deployed for outcome in self.outcomes if outcome.makes_revision)
        return tuple(service for service in changed if service is not None and service.latest_share < ALL_REQUESTS)

    @property
    def exit_code(self) -> int:
        """The worst exit code of the services; 3 if requests do not reach a change, or a variable was refused."""
        codes = {outcome.error.exit_code for outcome in self.outcomes if outcome.error is not None}
        if self.pinned or self.work.refused:
            codes.add(_PARTLY)
        return next((code for code in _WORST_FIRST if code in codes), 0)


def plan_for(service: DeployedService, wanted: ServiceEdit, through: Sequence[Shares] = ()) -> ServicePlan | None:
    """Return the plan that gives a service what is wanted, None if it has it.

    A variable or setting that it has already is left out; None removes one. `through` are the steps on the way.
    """
    env = {name: value for name, value in wanted.env.items() if service.env.get(name) != value}
    settings: Settings = {name: value for name, value in wanted.settings.items() if not _has(service, name, value)}
    traffic = None if wanted.traffic is None or same_shares(service.traffic, wanted.traffic) else tuple(wanted.traffic)
    if not env and not settings and traffic is None:
        return None
    before = ServiceEdit(
        env={name: service.env.get(name) for name in env},
        settings={name: service.settings.get(name) for name in settings},
        traffic=None if traffic is None else tuple(service.traffic),
        env_order=tuple(service.env_order) if env else (),
        service_wide=service.service_wide & settings.keys(),
    )
    after = ServiceEdit(env, settings, traffic, wanted.env_order, wanted.service_wide)
    return ServicePlan(service, before, after, tuple(through))


def lacks(service: DeployedService, edit: ServiceEdit) -> bool:
    """Say whether a service lacks something of an edit. A setting that was removed has what the platform gives it."""
    given: Settings = {name: value for name, value in edit.settings.items() if value is not None}
    return plan_for(service, replace(edit, settings=given)) is not None


def _has(service: DeployedService, name: SettingName, value: float | None) -> bool:
    """Say whether a setting has a value; Cloud Run does not tell 0 minimum instances from none set."""
    found = service.settings.get(name)
    return found == value or (name == "min_instances" and not found and not value)


def same_shares(one: Sequence[Traffic], other: Sequence[Traffic]) -> bool:
    """Say whether requests go to the same places by the same tags, however the shares are written."""
    return _meaning(one) == _meaning(other)


def _meaning(shares: Sequence[Traffic]) -> tuple[Counter[str | None], dict[str, str | None]]:
    percent: Counter[str | None] = Counter()
    for share in shares:
        percent[share.revision] += share.percent
    return +percent, {share.tag: share.revision for share in shares if share.tag}
