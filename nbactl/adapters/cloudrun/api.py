"""Requests to the Cloud Run Admin API: JSON in, JSON out, so that settings this version does not know are kept.

Google's client for Cloud Run would drop them: its REST transport reads answers into the messages it was built with, and
ignores every other field. A template that is written back has to be the one that was read.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import google.auth  # noqa: TID253 - the adapter itself
import requests  # noqa: TID253 - the adapter itself
from google.auth.credentials import AnonymousCredentials  # noqa: TID253 - the adapter itself
from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: TID253 - the adapter itself
from google.auth.transport.requests import AuthorizedSession  # noqa: TID253 - the adapter itself

from nbactl.adapters.cloudrun.refusals import LATER, refusal
from nbactl.core.calls.deadline import remaining
from nbactl.errors import DataError, NotAuthorisedError, TimedOutError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.adapters.cloudrun.region import Region
    from nbactl.core.calls.policy import CallPolicy

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_LOGIN = "Log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS."


class Api:
    """Calls the API of a region. Usable from any thread; credentials are looked for at the first call."""

    def __init__(self, region: Region, policy: CallPolicy, *, connect: float, request: float) -> None:
        """`connect` and `request` are the seconds that a connection and an answer may take."""
        self.region = region
        self.policy = policy
        self._limits = (connect, request)
        self._lock = threading.Lock()
        self._session: Any = None  # google.auth's session has no types

    def close(self) -> None:
        """End the connections."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def get(self, path: str, what: str, **parameters: str) -> dict[str, Any]:
        """Return the object at `path`, after as many attempts as the policy allows. `what` names it in errors."""
        return self.policy.call(self.once, "GET", path, what, parameters)

    def once(
        self,
        method: str,
        path: str,
        what: str,
        parameters: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        *,
        version: str = "v2",
    ) -> dict[str, Any]:
        """Make one request, without retries."""
        left = [remaining(limit) for limit in self._limits]
        if left[-1] <= 0:
            raise TimedOutError(f"no time is left to ask {self.region.where}", cause="The deadline has passed.")
        try:
            answer = self._open().request(
                method,
                f"{self.region.url}/{version}/{path}",
                params=parameters,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
                timeout=(left[0], left[1]),
                max_allowed_time=left[1],
            )
        except requests.Timeout as error:
            raise TimedOutError(
                f"{self.region.where} did not answer in time", cause=str(error), next_step=LATER
            ) from error
        except (requests.RequestException, TransportError) as error:
            raise UnavailableError(
                f"{self.region.where} cannot be reached", cause=str(error), next_step=LATER
            ) from error
        except GoogleAuthError as error:
            raise NotAuthorisedError(
                f"the credentials are not accepted by {self.region.where}", cause=str(error), next_step=_LOGIN
            ) from error
        if not answer.ok:
            now, wait = self.policy.clock.now(), answer.headers.get("Retry-After")
            raise refusal(answer.status_code, answer.text, what=what, place=self.region, retry_after=wait, now=now)
        return self._object(answer, what)

    def _open(self) -> Any:  # noqa: ANN401
        with self._lock:
            if self._session is None:
                self._session = AuthorizedSession(self._credentials())  # type: ignore[no-untyped-call]
                # The environment's proxy must not be asked for the emulator.
                self._session.trust_env = self.region.emulator is None
            return self._session

    def _credentials(self) -> Any:  # noqa: ANN401 - google.auth has no common type for them
        if self.region.emulator:
            return AnonymousCredentials()  # type: ignore[no-untyped-call]
        try:
            credentials, _ = google.auth.default(scopes=_SCOPES)
        except GoogleAuthError as error:
            raise NotAuthorisedError("no Google credentials were found", cause=str(error), next_step=_LOGIN) from error
        return credentials

    def _object(self, answer: requests.Response, what: str) -> dict[str, Any]:
        try:
            read = answer.json()
        except ValueError as error:
            raise UnavailableError(f"{what}: {self.region.where} did not answer with JSON", cause=str(error)) from error
        if not isinstance(read, dict):
            raise DataError(f"{what}: {self.region.where} answered with a JSON {type(read).__name__}, not an object")
        return read
