"""Reading from Google's REST interfaces: single requests without retries, for checks that report what they find."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import google.auth  # noqa: TID253 - the adapter itself
import requests  # noqa: TID253 - the adapter itself
from google.auth import compute_engine, impersonated_credentials  # noqa: TID253 - the adapter itself
from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: TID253 - the adapter itself
from google.auth.transport.requests import AuthorizedSession, Request  # noqa: TID253 - the adapter itself
from google.oauth2 import service_account  # noqa: TID253 - the adapter itself

from nbactl.core.calls.deadline import remaining
from nbactl.errors import DataError, NbactlError, NotAuthorisedError, NotFoundError, TimedOutError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_LOGIN: Final = "Log in with `gcloud auth application-default login`, or correct GOOGLE_APPLICATION_CREDENTIALS."
_STATUS: Final = "https://status.cloud.google.com shows outages."
_SHOWN: Final = 300
"""Characters of an answer that an error quotes."""
_DISABLED: Final = ("has not been used", "is disabled")
"""What Google says of an interface that is not enabled: https://cloud.google.com/service-usage/docs/enable-disable"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of Google's interfaces, such as `firestore.googleapis.com`. An `emulator` gets no credentials.

    `role` may look at it; a refusal names it.
    """

    name: str
    url: str
    emulator: bool = False
    role: str | None = None


def endpoint_of(name: str, environ: Mapping[str, str], *, role: str | None = None) -> Endpoint:
    """Return where an interface is, such as `pubsub`.

    `environ` may send it elsewhere as it does for gcloud (CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB), or to an emulator
    (PUBSUB_EMULATOR_HOST).
    """
    service = f"{name}.googleapis.com"
    if emulator := environ.get(f"{name.upper()}_EMULATOR_HOST"):
        url = emulator if emulator.startswith("http") else f"http://{emulator}"
        return Endpoint(service, url.rstrip("/"), emulator=True, role=role)
    override = environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name.upper()}")
    return Endpoint(service, (override or f"https://{service}").rstrip("/"), role=role)


class GoogleApi:
    """Requests with the credentials that Google's libraries find; they are looked for once.

    `connect` and `request` are the seconds that a connection and an answer may take. Not for several threads.
    """

    def __init__(self, *, connect: float, request: float) -> None:
        self._limits = (connect, request)
        self._found: Any = None  # google.auth has no common type for credentials
        self._sessions: dict[bool, Any] = {}

    def close(self) -> None:
        """End the connections."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def identity(self) -> str:
        """Return who calls, with a token from Google: an e-mail address, or the kind of account.

        Raises NotAuthorisedError without credentials, and for ones that are refused or expired.
        """
        credentials = self._credentials()
        try:
            with requests.Session() as session:
                credentials.refresh(partial(Request(session), timeout=self._limits[1]))
        except TransportError as error:
            raise UnavailableError("Google's tokens cannot be reached", cause=str(error), next_step=_STATUS) from error
        except GoogleAuthError as error:
            raise NotAuthorisedError("the credentials are refused", cause=str(error), next_step=_LOGIN) from error
        name = getattr(credentials, "service_account_email", None)
        match credentials:
            case service_account.Credentials():
                return f"service account {name}"
            case impersonated_credentials.Credentials():
                return f"impersonated service account {name}"
            case compute_engine.Credentials():
                return f"service account {name} of this machine"
        return f"a {type(credentials).__module__.rpartition('.')[2].replace('_', ' ')} account"

    def get(self, endpoint: Endpoint, path: str, **parameters: str | Sequence[str]) -> dict[str, Any]:
        """Return the object at `path`."""
        return self._ask("GET", endpoint, path, parameters=parameters)

    def post(self, endpoint: Endpoint, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a question that is a POST."""
        return self._ask("POST", endpoint, path, body=body)

    def pages(self, endpoint: Endpoint, path: str, items: str, **parameters: str) -> Iterator[dict[str, Any]]:
        """Yield the objects under `items` of every page."""
        token: dict[str, str] = {}
        while True:
            page = self.get(endpoint, path, **parameters, **token)
            yield from page.get(items, ())
            if not page.get("nextPageToken"):
                return
            token = {"pageToken": page["nextPageToken"]}

    def _ask(
        self,
        method: str,
        endpoint: Endpoint,
        path: str,
        *,
        parameters: Mapping[str, str | Sequence[str]] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        left = tuple(remaining(limit) for limit in self._limits)
        if left[-1] <= 0:
            raise TimedOutError(f"no time is left to ask {endpoint.name}", cause="The deadline has passed.")
        try:
            answer = self._session(emulator=endpoint.emulator).request(
                method, f"{endpoint.url}/{path}", params=parameters, json=body, timeout=left
            )
        except requests.Timeout as error:
            raise TimedOutError(f"{endpoint.name} did not answer in time", cause=str(error)) from error
        except (requests.RequestException, TransportError) as error:
            raise UnavailableError(
                f"{endpoint.name} cannot be reached", cause=str(error), next_step=f"Check the network; {_STATUS}"
            ) from error
        except GoogleAuthError as error:
            raise NotAuthorisedError("the credentials are refused", cause=str(error), next_step=_LOGIN) from error
        if not answer.ok:
            raise _refusal(endpoint, answer.status_code, answer.text)
        try:
            read = answer.json()
        except ValueError as error:
            raise UnavailableError(f"{endpoint.name} did not answer with JSON", cause=str(error)) from error
        if not isinstance(read, dict):
            raise DataError(f"{endpoint.name} answered with a JSON {type(read).__name__}, not an object")
        return read

    def _session(self, *, emulator: bool) -> Any:  # noqa: ANN401 - google.auth's session has no types
        if emulator not in self._sessions:
            session = requests.Session() if emulator else AuthorizedSession(self._credentials())  # type: ignore[no-untyped-call]
            session.trust_env = not emulator  # the environment's proxy must not be asked for an emulator
            self._sessions[emulator] = session
        return self._sessions[emulator]

    def _credentials(self) -> Any:  # noqa: ANN401
        if self._found is None:
            try:
                self._found, _ = google.auth.default(scopes=_SCOPES)
            except GoogleAuthError as error:
                raise NotAuthorisedError(
                    "no Google credentials were found", cause=str(error), next_step=_LOGIN
                ) from error
        return self._found


def _refusal(endpoint: Endpoint, status: int, text: str) -> NbactlError:
    try:
        error = json.loads(text)["error"]
        message = str(error["message"])
    except (ValueError, TypeError, KeyError):
        message = " ".join(text[:_SHOWN].split())
    cause = f"{endpoint.name} says: {message or 'nothing'} ({status})"
    match status:
        case 401:
            return NotAuthorisedError(f"{endpoint.name} does not know who is calling", cause=cause, next_step=_LOGIN)
        case 403 if any(words in message for words in _DISABLED):
            fix = f"gcloud services enable {endpoint.name}"
            return NotAuthorisedError(f"{endpoint.name} is not enabled", cause=cause, next_step=fix)
        case 403:
            ask = f"Ask for the role {endpoint.role} in this project." if endpoint.role else None
            return NotAuthorisedError(
                f"{endpoint.name}: this account is not allowed to look", cause=cause, next_step=ask
            )
        case 404:
            return NotFoundError(f"{endpoint.name}: not found", cause=cause)
        case _ if status in (408, 429) or status >= 500:  # noqa: PLR2004 - server errors
            return UnavailableError(f"{endpoint.name} is busy or failing", cause=cause, next_step=_STATUS)
        case _:
            return DataError(f"{endpoint.name} refused the question", cause=cause)
