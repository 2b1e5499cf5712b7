"""The official client, each of whose requests ends with the deadline in force."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import google.auth  # noqa: TID253 - the adapter itself
from google.auth.credentials import AnonymousCredentials  # noqa: TID253 - the adapter itself
from google.auth.transport.requests import AuthorizedSession  # noqa: TID253 - the adapter itself
from google.cloud import bigquery  # noqa: TID253 - the adapter itself

from nbactl.core.calls.deadline import time_for
from nbactl.errors import PreconditionError

if TYPE_CHECKING:
    from collections.abc import Callable

_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_LONGEST: Final = 600.0
"""Seconds that a request may take where no deadline is in force."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project, and the location of its datasets. `emulator` is the address of a server to be asked instead."""

    name: str
    location: str
    emulator: str | None = None

    @property
    def url(self) -> str | None:
        """The address of the server that stands in for Google, with its scheme."""
        if self.emulator is None or "://" in self.emulator:
            return self.emulator
        return f"http://{self.emulator}"

    @property
    def where(self) -> str:
        """The project in words."""
        return f"BigQuery of {self.name} in {self.location}{f' (emulator {self.emulator})' if self.emulator else ''}"


class BoundedSession(AuthorizedSession):
    """HTTP requests that end with the deadline in force.

    The client raises a time limit of its caller to 120 s where it waits for results, and sets none on an upload.
    """

    def __init__(self, credentials: Any, connect: float) -> None:  # noqa: ANN401 - google.auth has no common type
        super().__init__(credentials)  # type: ignore[no-untyped-call]
        self._connect = connect

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # noqa: ANN401
        left = time_for("a request to BigQuery", _LONGEST)
        kwargs["timeout"] = (min(self._connect, left), left)
        kwargs["max_allowed_time"] = left
        return super().request(method, url, *args, **kwargs)  # type: ignore[no-untyped-call]


class ClientHolder:
    """The client, made at its first use; credentials are looked for then. Threads may share it."""

    def __init__(self, project: Project, *, connect: float, credentials: Callable[[], Any] | None = None) -> None:
        """`connect` is the seconds that a connection may take; `credentials` are by default those of the machine."""
        self.project = project
        self._connect = connect
        self._find_credentials = credentials or (AnonymousCredentials if project.emulator else _default_credentials)
        self._lock = threading.Lock()
        self._client: bigquery.Client | None = None
        self._closed = False
        self.identity = "the account of these credentials"
        """Who calls, for messages; known once the client was made."""

    def get(self) -> bigquery.Client:
        """Return the client. Raises google.auth's errors without credentials, PreconditionError once it is closed."""
        with self._lock:
            if self._closed:
                raise PreconditionError("the warehouse is closed")
            if self._client is None:
                self._client = self._open()
            return self._client

    def close(self) -> None:
        """End the connections."""
        with self._lock:
            self._closed = True
            if self._client is not None:
                self._client.close()  # type: ignore[no-untyped-call]
                self._client = None

    def _open(self) -> bigquery.Client:
        project = self.project
        credentials = self._find_credentials()
        self.identity = _identity(credentials) or self.identity
        session = BoundedSession(credentials, self._connect)
        # The environment's proxy must not be asked for the emulator.
        session.trust_env = project.emulator is None
        return bigquery.Client(
            project=project.name,
            credentials=credentials,
            location=project.location,
            client_options={"api_endpoint": project.url} if project.url else None,
            _http=session,
        )


def _default_credentials() -> Any:  # noqa: ANN401 - google.auth has no common type for them
    credentials, _ = google.auth.default(scopes=_SCOPES)
    return credentials


def _identity(credentials: Any) -> str | None:  # noqa: ANN401 - as above
    for name in ("service_account_email", "account"):
        found = getattr(credentials, name, None)
        if isinstance(found, str) and found and found != "default":
            return found
    return None
