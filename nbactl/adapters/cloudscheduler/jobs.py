"""The scheduler port on Cloud Scheduler, through its official client over REST."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import google.auth  # noqa: TID253 - the adapter itself
from google.auth.credentials import AnonymousCredentials  # noqa: TID253 - the adapter itself
from google.cloud import scheduler_v1  # noqa: TID253 - the adapter itself
from google.cloud.scheduler_v1.services.cloud_scheduler.transports.rest import (  # noqa: TID253 - the adapter itself
    CloudSchedulerRestTransport,
)
from google.protobuf.field_mask_pb2 import FieldMask  # noqa: TID253 - the adapter itself

from nbactl.adapters.cloudscheduler.errors import translated
from nbactl.adapters.cloudscheduler.messages import FIELDS, read_job, target_field, write_job
from nbactl.core.calls.deadline import remaining
from nbactl.errors import AlreadyExistsError, DataError, NotFoundError, TimedOutError, UnavailableError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.core.calls.policy import CallPolicy
    from nbactl.ports.jobs import JobSpec, JobState, ScheduledJob

_HOST: Final = "cloudscheduler.googleapis.com"
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_PAGE: Final = 500


@frozen
class JobsRegion:
    """A region of a project. `endpoint` is the address of a server to be asked instead of Google.

    One without TLS is on loopback, and gets no credentials.
    """

    project: str
    name: str
    endpoint: str | None = None

    @property
    def parent(self) -> str:
        """What the full names of its jobs begin with."""
        return f"projects/{self.project}/locations/{self.name}"

    @property
    def where(self) -> str:
        """The region in words."""
        return f"Cloud Scheduler of {self.project} in {self.name}"


class CloudSchedulerJobs:
    """The jobs of a region. Usable from any thread; credentials are looked for at the first call."""

    def __init__(self, region: JobsRegion, policy: CallPolicy, *, request: float) -> None:
        """`request` is the seconds that an answer may take."""
        self._region = region
        self._policy = policy
        self._request = request
        self._lock = threading.Lock()
        self._client: Any = None

    def close(self) -> None:
        """End the connections."""
        with self._lock:
            if self._client is not None:
                self._client.transport.close()
                self._client = None

    def list(self) -> list[ScheduledJob]:
        def once() -> Iterable[ScheduledJob]:
            asked = {"parent": self._region.parent, "page_size": _PAGE}
            with translated("the list of jobs", self._region.where):
                return [read_job(job) for job in self._open().list_jobs(asked, retry=None, timeout=self._left())]

        return sorted(self._policy.call(once), key=lambda job: job.spec.name)

    def get(self, name: str) -> ScheduledJob:
        return self._one("get_job", name)

    def create(self, spec: JobSpec) -> ScheduledJob:
        job = write_job(spec, self._path(spec.name), self._region.project)
        asked = {"parent": self._region.parent, "job": job}
        lost = False

        def attempt() -> ScheduledJob:
            nonlocal lost
            try:
                return self._once("create_job", asked, f"job {spec.name}")
            except UnavailableError:
                lost = True
                raise

        try:
            return self._policy.call(attempt)
        except AlreadyExistsError:
            # The refusal of a repetition may be due to the first try, whose answer was lost.
            if lost and (found := self.get(spec.name)).spec == spec:
                return found
            raise

    def update(self, spec: JobSpec) -> ScheduledJob:
        job = write_job(spec, self._path(spec.name), self._region.project)
        asked = {"job": job, "update_mask": FieldMask(paths=[*FIELDS, target_field(spec)])}
        return self._policy.call(self._once, "update_job", asked, f"job {spec.name}")

    def pause(self, name: str) -> ScheduledJob:
        return self._turn("pause_job", name, "paused")

    def resume(self, name: str) -> ScheduledJob:
        return self._turn("resume_job", name, "enabled")

    def run(self, name: str) -> ScheduledJob:
        # Not repeated: a run whose answer was lost would be made twice.
        return self._once("run_job", {"name": self._path(name)}, f"job {name}")

    def delete(self, name: str) -> None:
        lost = False

        def attempt() -> None:
            nonlocal lost
            try:
                with translated(f"job {name}", self._region.where):
                    self._open().delete_job({"name": self._path(name)}, retry=None, timeout=self._left())
            except UnavailableError:
                lost = True
                raise

        try:
            self._policy.call(attempt)
        except NotFoundError:
            if not lost:
                raise

    def _turn(self, method: str, name: str, state: JobState) -> ScheduledJob:
        try:
            return self._one(method, name)
        except DataError:  # a job that is in this state already is refused
            if (found := self.get(name)).state == state:
                return found
            raise

    def _one(self, method: str, name: str) -> ScheduledJob:
        return self._policy.call(self._once, method, {"name": self._path(name)}, f"job {name}")

    def _once(self, method: str, asked: dict[str, Any], what: str) -> ScheduledJob:
        with translated(what, self._region.where):
            return read_job(getattr(self._open(), method)(asked, retry=None, timeout=self._left()))

    def _left(self) -> float:
        left = remaining(self._request)
        if left <= 0:
            raise TimedOutError(f"no time is left to ask {self._region.where}", cause="The deadline has passed.")
        return left

    def _path(self, name: str) -> str:
        return f"{self._region.parent}/jobs/{name}"

    def _open(self) -> Any:  # noqa: ANN401 - the client is untyped
        with self._lock:
            if self._client is None:
                self._client = scheduler_v1.CloudSchedulerClient(transport=self._transport())
            return self._client

    def _transport(self) -> CloudSchedulerRestTransport:
        endpoint = self._region.endpoint
        if endpoint is None or endpoint.startswith("https://"):
            credentials, _ = google.auth.default(scopes=_SCOPES)
            host = _HOST if endpoint is None else endpoint.removeprefix("https://").rstrip("/")
            return CloudSchedulerRestTransport(host=host, credentials=credentials)
        scheme, _, host = endpoint.rstrip("/").rpartition("://")
        transport = CloudSchedulerRestTransport(
            host=host,
            url_scheme=scheme or "http",
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        )
        transport._session.trust_env = False  # noqa: SLF001 - the environment's proxy must not be asked for loopback
        return transport
