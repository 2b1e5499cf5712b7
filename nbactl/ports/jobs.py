"""The scheduler port: jobs that send a request or a message by a timetable."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

TokenKind = Literal["oidc", "oauth", "none"]
TOKEN_KINDS: Final[tuple[TokenKind, ...]] = get_args(TokenKind)
"""`oidc` is an identity token, as Cloud Run services accept; `oauth` an access token, for Google's own interfaces."""
JobState = Literal["enabled", "paused", "disabled", "update_failed"]


@frozen
class HttpTarget:
    """A request."""

    url: str
    method: str = "POST"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    token: TokenKind = "none"  # noqa: S105 - a kind
    account: str | None = None
    """The service account of the token."""
    audience: str | None = None
    """Of an identity token; None means the URL."""


@frozen
class TopicTarget:
    """A message. The topic of another project has its full name."""

    topic: str
    data: bytes = b""
    attributes: Mapping[str, str] = field(default_factory=dict)


@frozen
class UnknownTarget:
    """What nbactl can neither write nor judge, such as an App Engine handler. `kind` names it."""

    kind: str


@frozen
class JobSpec:
    """A job as it is to be. `schedule` is a cron expression in `timezone`; times are in seconds."""

    name: str
    schedule: str
    timezone: str
    target: HttpTarget | TopicTarget | UnknownTarget
    attempt_deadline: float | None = None
    """How long a request may take; None is the engine's default."""
    retries: int = 0
    description: str = ""
    other: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the engine that are only kept, as plain data: a job that is created again has them again."""


@frozen
class ScheduledJob:
    """A job as it is there."""

    spec: JobSpec
    state: JobState
    last_attempt_at: datetime | None = None
    last_error: str | None = None
    """Why the last attempt failed, such as `PERMISSION_DENIED: HTTP 403`; None if it succeeded, or there was none."""
    timed_out: bool = False
    """Whether the last attempt failed because its attempt deadline was over."""
    next_run_at: datetime | None = None
    changed_at: datetime | None = None
    """When the user changed it last."""


class ScheduledJobs(Protocol):
    """Jobs of a project and region. All raise NotAuthorisedError, and UnavailableError after their retries."""

    def list(self) -> Sequence[ScheduledJob]:
        """Return all jobs by name."""
        ...

    def get(self, name: str) -> ScheduledJob:
        """Return one job. Raises NotFoundError."""
        ...

    def create(self, spec: JobSpec) -> ScheduledJob:
        """Create a job, enabled. Raises AlreadyExistsError, and DataError for what the scheduler refuses."""
        ...

    def update(self, spec: JobSpec) -> ScheduledJob:
        """Replace what a job is; paused or not, it stays so. Settings that JobSpec does not have are kept.

        Raises NotFoundError, and DataError for what the scheduler refuses.
        """
        ...

    def pause(self, name: str) -> ScheduledJob:
        """Pause a job. Raises NotFoundError."""
        ...

    def resume(self, name: str) -> ScheduledJob:
        """Resume a job. Raises NotFoundError."""
        ...

    def run(self, name: str) -> ScheduledJob:
        """Have a job run once now, also a paused one. Raises NotFoundError."""
        ...

    def delete(self, name: str) -> None:
        """Delete a job. Raises NotFoundError."""
        ...
