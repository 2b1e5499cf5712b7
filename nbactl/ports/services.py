"""The services port: deployed services, their environment and how their traffic is split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Traffic:
    """A share of a service's requests. `revision` is None where it follows the latest ready one."""

    percent: int
    revision: str | None
    is_serving: bool = True
    """False for a share that is asked for and not in force yet."""


@dataclass(frozen=True, slots=True)
class DeployedService:
    """A service as it is deployed now.

    `env` has the plain variables of its container; `secrets` names those whose values come from a secret manager.
    """

    name: str
    url: str
    env: Mapping[str, str]
    secrets: frozenset[str]
    latest_ready_revision: str | None
    latest_created_revision: str | None
    traffic: Sequence[Traffic]
    version: str
    """Changes with every change of the service (an etag)."""
    is_reconciling: bool = False
    problem: str | None = None
    """Why the latest revision is not ready, None if it is."""


@dataclass(frozen=True, slots=True)
class EnvChange:
    """What becomes of variables: a text sets one, None removes it; every other one stays as it is."""

    changes: Mapping[str, str | None] = field(default_factory=dict)


class DeployedServices(Protocol):
    """The verbs for deployed services."""

    def list(self) -> Sequence[DeployedService]:
        """Return all services of the project and region, by name."""
        ...

    def get(self, name: str) -> DeployedService:
        """Return one service. Raises NotFoundError."""
        ...

    def merge_env(self, name: str, change: EnvChange, *, expected_version: str) -> DeployedService:
        """Merge variables into a service's container and return it as read back, once the new revision is ready.

        Everything else of the service stays untouched. Raises PreconditionError if somebody changed it since
        `expected_version`, TimedOutError if the change is still under way when the time is over, and DataError if a
        variable is one that comes from a secret.
        """
        ...
