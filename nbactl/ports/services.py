"""The services port: deployed services, the variables of their environment and where their requests go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Changes = dict[str, str | None]
"""Changes of variables: a text sets one, None removes it; all others stay as they are."""
ALL_REQUESTS: Final = 100


@frozen
class Traffic:
    """A share of a service's requests as it is in force. `revision` is None where it follows the latest ready one."""

    percent: int
    revision: str | None


@frozen
class DeployedService:
    """A service as it is deployed now.

    `env` has the plain variables of the container that takes its requests, in their order; `secrets` names those whose
    values come from a secret manager. Both are what the next revision gets, ready or not.
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
    unreadable: str | None = None
    """Why it is not known which container's variables are meant; `env` is empty then."""

    @property
    def latest_share(self) -> int:
        """The percentage of requests that the latest revision gets, if it is ready."""
        latest = {None, self.latest_ready_revision}
        return sum(share.percent for share in self.traffic if share.revision in latest)

    @property
    def pinned_to(self) -> list[str]:
        """The older revisions that get requests."""
        latest = {None, self.latest_ready_revision}
        return [share.revision or "" for share in self.traffic if share.percent and share.revision not in latest]


class DeployedServices(Protocol):
    """The verbs for deployed services. All raise NotAuthorisedError, and UnavailableError after their retries."""

    def list(self) -> Sequence[DeployedService]:
        """Return all services of the project and region, by name."""
        ...

    def get(self, name: str) -> DeployedService:
        """Return one service. Raises NotFoundError."""
        ...

    def merge_env(self, name: str, changes: Mapping[str, str | None], *, expected_version: str) -> DeployedService:
        """Merge variables into a service; return it as read back, once the new revision is ready.

        Everything else of the service stays untouched, where its requests go too: a new revision may get none
        (`latest_share`). If everything is as wanted already, nothing is sent. Raises

        - DataError, before anything is sent, for what no service takes (service_rules.py), for a variable that comes
          from a secret, and for a service whose container is not clear;
        - PreconditionError if someone changed it since `expected_version`, or changed it again right after;
        - DeployFailedError if the change was taken and its revision does not start: the old one keeps serving;
        - StillRunningError if the change is still under way when the time is over. It continues.
        """
        ...


@frozen
class Instances:
    """How many instances of a service may run; `most` is None where the platform decides."""

    least: int
    most: int | None


class ScalableServices(Protocol):
    """Scaling, for engines that can. Errors are those of `merge_env`."""

    def instances(self, name: str) -> Instances:
        """Return the limits of the latest revision. Raises NotFoundError."""
        ...

    def scale(self, name: str, instances: Instances, *, expected_version: str) -> DeployedService:
        """Set the limits; return the service as read back, once the new revision is ready."""
        ...


class RoutedServices(Protocol):
    """Traffic, for engines that can split it. Errors are those of `merge_env`."""

    def route(self, name: str, shares: Sequence[Traffic], *, expected_version: str) -> DeployedService:
        """Send requests to revisions; the percentages add up to 100. Return the service once they are in force.

        Raises NotFoundError for a revision that does not exist, PreconditionError for one that is not ready.
        """
        ...
