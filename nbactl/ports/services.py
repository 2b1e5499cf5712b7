"""The services port: deployed services, their settings and variables, and where their requests go."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final, Literal, Protocol, get_args

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

Changes = dict[str, str | None]
"""Changes of variables: a text sets one, None removes it; all others stay as they are."""
ALL_REQUESTS: Final = 100

SettingName = Literal["min_instances", "max_instances", "concurrency", "timeout"]
SETTINGS: Final[tuple[SettingName, ...]] = get_args(SettingName)
"""The settings of a service that nbactl changes, beside its variables."""
Settings = dict[SettingName, float | None]
"""Values of settings: instances and requests at once are whole numbers, the timeout of a request is in seconds.

None is a setting that is not set, so that the platform decides; the fewest instances are then 0.
"""


@frozen
class Traffic:
    """A share of a service's requests. `revision` is None where it follows the latest ready one.

    A `tag` gives the revision an address of its own; such a share may have 0 percent.
    """

    percent: int
    revision: str | None
    tag: str | None = None


@frozen
class Resources:
    """What one instance has, over all its containers."""

    cpu: float
    """In vCPU."""
    memory: float
    """In GiB."""
    always_billed: bool = False
    """Whether an instance is billed also while it has no request (instance-based billing)."""


@frozen
class DeployedService:
    """A service as it is deployed now.

    `env` has the plain variables of the container that takes its requests, in their order; `secrets` names those whose
    values come from a secret manager. These, `settings` and `image` are what the next revision gets, ready or not.
    """

    name: str
    url: str
    env: Mapping[str, str]
    secrets: frozenset[str]
    latest_ready_revision: str | None
    latest_created_revision: str | None
    traffic: Sequence[Traffic]
    """As it is in force."""
    version: str
    """Changes with every change of the service (an etag)."""
    is_reconciling: bool = False
    problem: str | None = None
    """Why the latest revision is not ready, None if it is."""
    unreadable: str | None = None
    """Why it is not known which container's variables are meant; `env` is empty then."""
    region: str = ""
    image: str = ""
    settings: Settings = field(default_factory=dict)
    env_order: Sequence[str] = ()
    """The names of all variables, those from secrets too, in the order of the container (see ServiceEdit)."""
    service_wide: frozenset[SettingName] = frozenset()
    """The settings that are set for the service as a whole: a change of them makes no revision, and holds for all."""
    labels: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None
    """The service account that it runs as."""
    deployed_at: datetime | None = None
    """When it was changed last."""
    deployed_by: str | None = None
    """Who changed it last."""
    deployed_with: str | None = None
    """The tool that named itself last, such as `gcloud 502.0.0`; nbactl does not."""
    function: str | None = None
    """The name of the Cloud Function that manages it: its next deployment resets what is changed here."""
    resources: Resources | None = None
    """What each of its instances has; None if it is not known."""

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

    @property
    def follows_latest(self) -> bool:
        """Whether a new revision gets requests by itself; a pinned service gives it 0 %."""
        return any(share.percent and share.revision is None for share in self.traffic)


@frozen
class Revision:
    """A revision of a service: what was deployed once, and never changes."""

    name: str
    created_at: datetime
    ready: bool
    problem: str | None
    """Why it is not ready."""
    env: Mapping[str, str]
    secrets: frozenset[str]
    settings: Settings
    image: str
    deployed_by: str | None = None


@frozen
class ServiceEdit:
    """A change of one service. What is not named stays as it is."""

    env: Mapping[str, str | None] = field(default_factory=dict)
    """Variables to set, or with None to remove."""
    settings: Settings = field(default_factory=dict)
    traffic: Sequence[Traffic] | None = None
    """All shares; the percentages add up to 100. It cannot be changed together with the rest.

    A tag that is not named stays where it is.
    """
    env_order: Sequence[str] = ()
    """`env_order` of the service before, so that a removed variable comes back to its place. Empty: at the end."""
    service_wide: frozenset[SettingName] = frozenset()
    """`service_wide` of the service before, so that a setting comes back there. Else one stays where it is set."""


class DeployedServices(Protocol):
    """The verbs for deployed services. All raise NotAuthorisedError, and UnavailableError after their retries."""

    def list(self) -> Sequence[DeployedService]:
        """Return all services of the project and its declared regions, by name."""
        ...

    def get(self, name: str) -> DeployedService:
        """Return one service. Raises NotFoundError."""
        ...

    def revisions(self, name: str) -> Sequence[Revision]:
        """Return the revisions of a service that still exist, the newest first. Raises NotFoundError."""
        ...

    def check(self, name: str, edit: ServiceEdit) -> None:
        """Raise what `change` would raise for this edit before it sends anything; change nothing."""
        ...

    def change(self, name: str, edit: ServiceEdit, *, expected_version: str) -> DeployedService:
        """Change a service; return it as read back, once the change is in force.

        Everything that the edit does not name stays untouched, where its requests go too: a new revision may get none
        (`latest_share`). If everything is as wanted already, nothing is sent. Raises

        - DataError, before anything is sent, for what no service takes (service_rules.py), for a variable that comes
          from a secret, for a setting that another level overrules, and for a service whose container is not clear;
        - NotFoundError for a revision that does not exist, PreconditionError for one that is not ready;
        - PreconditionError if someone changed it since `expected_version`, or changed it again right after;
        - DeployFailedError if the change was taken and its revision does not start, or the requests were not moved:
          the old one keeps serving;
        - StillRunningError if the change is still under way when the time is over. It continues.
        """
        ...
