"""The connection to Cloud Logging, or to a server that stands in for it, and the protocol's messages.

The messages and the channel are those of Google's client; its wrapper for reading would add a time bound of 24 hours
and copy each entry twice.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.api_core import grpc_helpers  # noqa: TID253 - the adapter itself
from google.auth.exceptions import GoogleAuthError  # noqa: TID253 - the adapter itself
from google.cloud.logging_v2.types import logging  # noqa: TID253 - the adapter itself

from nbactl.adapters.cloudlogging.failures import translate
from nbactl.core.calls.deadline import remaining
from nbactl.errors import NotAuthorisedError, TimedOutError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOST: Final = "logging.googleapis.com:443"
_SCOPES: Final = ("https://www.googleapis.com/auth/logging.read",)
_SERVICE: Final = "/google.logging.v2.LoggingServiceV2"
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    # Retries are decided in one place only: by the call policy.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

# The generated wrappers around these classes cost ten times as much.
ListRequest: Final[Any] = logging.ListLogEntriesRequest.pb()
ListResponse: Final[Any] = logging.ListLogEntriesResponse.pb()
TailRequest: Final[Any] = logging.TailLogEntriesRequest.pb()
TailResponse: Final[Any] = logging.TailLogEntriesResponse.pb()


@dataclass(frozen=True, slots=True)
class LoggingProject:
    """Whose logs. `emulator` is the host:port of a server that is asked instead."""

    name: str
    emulator: str | None = None

    @property
    def resource(self) -> str:
        """The full name of the project."""
        return f"projects/{self.name}"

    @property
    def where(self) -> str:
        """The project in words."""
        return f"Cloud Logging of {self.name}{f' (emulator {self.emulator})' if self.emulator else ''}"


class Channel:
    """Makes single attempts at calls. Usable from any thread; the connection is opened for the first call."""

    def __init__(self, project: LoggingProject, attempt: float) -> None:
        """`attempt` is the seconds that a page may take."""
        self.project = project
        self._attempt = attempt
        self._lock = threading.Lock()
        self._channel: Any = None

    def page(self, request: Any) -> Any:  # noqa: ANN401 - grpc has no types
        """Return a page of entries. Raises what failures.py says, TimedOutError where the deadline leaves no time."""
        left = remaining(self._attempt)
        if left <= 0:
            raise TimedOutError(f"no time is left to ask {self.project.where}", cause="The deadline has passed.")
        method = self._opened().unary_unary(
            f"{_SERVICE}/ListLogEntries", ListRequest.SerializeToString, ListResponse.FromString
        )
        with self.translated():
            return method(request, timeout=left)

    def tail(self, requests: Iterator[Any]) -> Any:  # noqa: ANN401
        """Open the stream of new entries. It ends when the requests do; its errors are those of `translated`."""
        method = self._opened().stream_stream(
            f"{_SERVICE}/TailLogEntries", TailRequest.SerializeToString, TailResponse.FromString
        )
        return method(requests)

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise the client's errors as nbactl's."""
        try:
            yield
        except grpc.RpcError as error:
            raise translate(error.code(), error.details() or "", self.project.name, self.project.where) from error

    def _opened(self) -> Any:  # noqa: ANN401
        with self._lock:
            if self._channel is None:
                self._channel = _open(self.project)
            return self._channel


def _open(project: LoggingProject) -> Any:  # noqa: ANN401 - grpc has no types
    if project.emulator:
        # The environment's proxy must not be asked for a server on this machine.
        return grpc.insecure_channel(project.emulator, options=[*_OPTIONS, ("grpc.enable_http_proxy", 0)])
    try:
        return grpc_helpers.create_channel(_HOST, default_scopes=_SCOPES, default_host=_HOST, options=_OPTIONS)
    except GoogleAuthError as error:
        raise NotAuthorisedError(
            "no Google credentials were found",
            cause=str(error),
            next_step="Log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS.",
        ) from error
