"""What the target decides: `local.py` and `gcp.py` are modules of this shape, and no other module asks which it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbactl.bootstrap.container import Container
    from nbactl.config.settings import Settings
    from nbactl.core.retention.model import Pruner
    from nbactl.core.service.health import Check
    from nbactl.ports.bus import FoundSubscription, MessageBus
    from nbactl.ports.compute import Compute
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.jobs import ScheduledJobs
    from nbactl.ports.logs import Logs
    from nbactl.ports.measurements import Measurements
    from nbactl.ports.services import DeployedServices
    from nbactl.ports.warehouse import JobHistory, Warehouse
    from nbactl.workflows.freshness import CurrentVersions
    from nbactl.workflows.planner import History, Planner


class Target(Protocol):
    """A target: which adapter serves each port. Raises ConfigError for a port that it does not serve yet."""

    HAS_DEPLOYED_SERVICES: bool
    """On `local` tasks run in process."""
    DELETES_EXPIRED: bool
    """Whether the store deletes expired documents by itself."""

    def documents(self, app: Container, /) -> DocumentStore:
        """Open the document store."""
        ...

    def warehouse(self, app: Container, /) -> Warehouse:
        """Open the warehouse with the data of the source."""
        ...

    def job_history(self, app: Container, /) -> JobHistory:
        """Return the history of the warehouse's jobs. Raises PreconditionError on a target that keeps none."""
        ...

    def bus(self, app: Container, /) -> MessageBus:
        """Return the message bus."""
        ...

    def subscriptions(self, app: Container, /) -> Sequence[FoundSubscription]:
        """Return all subscriptions, by name; on `local` none before there is a bus."""
        ...

    def bus_history(self, app: Container, /) -> Pruner | None:
        """Return what removes old messages of the bus; None if it has none yet, or does that by itself."""
        ...

    def dead_letter_wait(self, app: Container, /) -> float | None:
        """Return how many seconds the bus needs to say that nothing waits; None if nothing can be taken from it."""
        ...

    def compute(self, app: Container, /) -> Compute:
        """Return what executes tasks."""
        ...

    def deployed_services(self, app: Container, /) -> DeployedServices:
        """Return the services that are deployed."""
        ...

    def service_regions(self, app: Container, /) -> Mapping[str, Callable[[], DeployedServices]]:
        """Return what opens the services of each region, by its name."""
        ...

    def identity_token(self, app: Container, /) -> Callable[[str], str | None]:
        """Return what makes the token for calling the service at an address; it returns None where none is needed."""
        ...

    def measurements(self, app: Container, /) -> Measurements:
        """Return what was measured of services and subscriptions."""
        ...

    def logs(self, app: Container, /) -> Logs:
        """Return what services logged."""
        ...

    def scheduled_jobs(self, app: Container, /) -> ScheduledJobs:
        """Return the jobs of the scheduler."""
        ...

    def history(self, app: Container, /) -> History:
        """Return the runs that a plan takes into account."""
        ...

    def versions(self, app: Container, /) -> CurrentVersions:
        """Return what says whether finished tasks are fresh."""
        ...

    def fit_planner(self, app: Container, planner: Planner, /) -> Planner:
        """Return the planner with what it must know of this target."""
        ...

    def must_ramp_up(self, app: Container, /) -> bool:
        """Say whether bulk writes start slowly and speed up, as Google advises for Firestore."""
        ...

    def health_checks(self, app: Container, /) -> Sequence[Check]:
        """Return the checks of a service that only this target needs."""
        ...


def target_of(settings: Settings) -> Target:
    """Return the module of the target."""
    if settings.target == "gcp":
        from nbactl.bootstrap import gcp

        return gcp
    from nbactl.bootstrap import local

    return local
