"""Every call to BigQuery: its total time limit, its retries, its errors.

Only this layer retries; the client's own retries are off, so that attempts do not multiply. A job gets its id here: a
request for it that is sent again, because its answer was lost, finds the job and does not start a second one.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import requests  # noqa: TID253 - the adapter itself
from google.api_core.exceptions import (  # noqa: TID253 - the adapter itself
    ClientError,
    Conflict,
    GoogleAPICallError,
    GoogleAPIError,
)
from google.auth.exceptions import GoogleAuthError  # noqa: TID253 - the adapter itself

from nbactl.adapters.bigquery.errors import timed_out, translated
from nbactl.adapters.bigquery.values import job_labels
from nbactl.core.calls.deadline import deadline_scope, remaining
from nbactl.errors import NbactlError, PayloadMismatchError, TimedOutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from google.cloud.bigquery import Client

    from nbactl.adapters.bigquery.client import ClientHolder
    from nbactl.core._support.ids import IdGenerator
    from nbactl.core.calls.deadline import Deadline
    from nbactl.core.calls.policy import CallPolicy

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_CANCEL: Final = 2.0
"""At most so many seconds, and a tenth of the limit, are kept back to cancel a job that is given up."""

NO_RETRY: Any = None
"""Turns the client's own retries off; its types do not know that."""
Job = Any
"""A job of the client, which has no useful types for what its jobs have in common."""


class Calls:
    """Calls BigQuery under the policies of queries (`reads`) and of what changes tables (`writes`).

    Every job gets the `labels` of the moment that it starts in, and those of its call that are not among them.
    """

    def __init__(
        self,
        client: ClientHolder,
        *,
        reads: CallPolicy,
        writes: CallPolicy,
        ids: IdGenerator,
        labels: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._labels = labels
        self.client = client
        self.reads = reads
        self.writes = writes
        self.clock = reads.clock
        self.ids = ids

    def labels_of(self, labels: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the labels of a job, as BigQuery takes them."""
        return job_labels({**(labels or {}), **self._labels()})

    def request(self, fn: Callable[[Client], T], *, timeout: float) -> T:
        """Make requests that may be repeated, such as those of metadata."""
        with self.limit(timeout):
            return self.reads.call(self._once, fn)

    def job(self, job: JobCall[T], *, policy: CallPolicy, timeout: float) -> T:
        """Run a job and return what its `finish` gives. A job that is given up is cancelled."""
        with self.limit(timeout) as deadline:
            left = deadline.remaining()
            run = _JobRun(self, job)
            try:
                with deadline_scope(left - min(_CANCEL, left / 10), self.clock) as run.deadline:
                    return policy.call(run.attempt)
            except BaseException:
                run.give_up()
                raise

    @contextmanager
    def limit(self, timeout: float) -> Iterator[Deadline]:
        """Put a limit in force over a whole call. Raises TimedOutError where the deadline leaves nothing."""
        if remaining(timeout) <= 0:
            raise timed_out(self.client.project.where)
        with deadline_scope(timeout, self.clock) as deadline:
            yield deadline

    def _once(self, fn: Callable[[Client], T]) -> T:
        with translated(self.client):
            return fn(self.client.get())


def _reason(error: GoogleAPICallError) -> str:
    return next((str(one.get("reason")) for one in error.errors if isinstance(one, dict)), "")


class JobCall(Generic[T]):
    """A job: `start` sends it with an id and its time limit in seconds, `finish` waits for it and reads its result.

    A job with a `key` is started once: a later call of that key gets the job that is running or was done, and starts
    another one only after one that failed.
    """

    def __init__(
        self,
        start: Callable[[Client, str, float], Job],
        finish: Callable[[Job], T],
        *,
        sql: str = "",
        key: str | None = None,
    ) -> None:
        self.start = start
        self.finish = finish
        self.sql = sql
        self.key = key


class _JobRun(Generic[T]):
    """The attempts at one job. An attempt that does not know whether the last one started it looks for it."""

    deadline: Deadline

    def __init__(self, calls: Calls, job: JobCall[T]) -> None:
        self._calls = calls
        self._job = job
        self._id = ""
        """The id of a job that may exist and is not known to have ended."""
        self._failed = 0
        """Jobs of the key that are known to have failed."""

    def attempt(self) -> T:
        with translated(self._calls.client, sql=self._job.sql):
            client = self._calls.client.get()
            while True:
                job, ours = self._find(client)
                try:
                    result = self._job.finish(job)
                except BaseException as error:
                    stopped = isinstance(error, GoogleAPICallError) and _reason(error) == "stopped"
                    if stopped or job.error_result is not None:
                        self._id = ""  # it failed, so that the next attempt is a job of its own
                    if stopped and not ours:
                        continue  # the call that started it cancelled it
                    raise
                self._id = ""
                return result

    def give_up(self) -> None:
        """Cancel the job if it may be running; where that fails its own time limit ends it."""
        if not self._id:
            return
        try:
            with deadline_scope(_CANCEL, self._calls.clock):
                self._calls.client.get().cancel_job(self._id, location=self._location, retry=NO_RETRY)
        except (GoogleAPIError, GoogleAuthError, requests.RequestException, NbactlError) as error:
            _LOG.warning("job %s was given up and could not be cancelled: %s", self._id, error)

    def _find(self, client: Client) -> tuple[Job, bool]:
        """Start the job, or get the one that was started before; says also whether this call sent it."""
        while True:
            limit = self.deadline.remaining()
            if limit <= 0:
                raise TimedOutError(f"no time is left for a job in {self._calls.client.project.where}")
            again = bool(self._id)
            self._id = self._id or self._next_id()
            try:
                return self._job.start(client, self._id, limit), True
            except Conflict:
                found = client.get_job(self._id, location=self._location, retry=NO_RETRY, timeout=None)
            except ClientError:
                self._id = ""  # it was refused, so there is none
                raise
            if self._job.key is None:
                return found, True
            self._check_same(found)
            if found.error_result is None:
                return found, again
            self._failed += 1
            self._id = ""

    def _next_id(self) -> str:
        if self._job.key is None:
            return self._calls.ids.new("nbactl")
        return f"nbactl-{self._job.key}" + (f"-{self._failed}" if self._failed else "")

    def _check_same(self, found: Job) -> None:
        if getattr(found, "query", None) != self._job.sql:
            self._id = ""  # it is not ours to cancel
            raise PayloadMismatchError(
                f"key {self._job.key} was used for other statements", cause=f"They are those of job {found.job_id}."
            )

    @property
    def _location(self) -> str:
        return self._calls.client.project.location
