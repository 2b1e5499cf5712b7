"""The connection to Firestore, or to the emulator that FIRESTORE_EMULATOR_HOST names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import grpc
import grpc.experimental
from google.api_core import grpc_helpers  # noqa: TID253 - the adapter itself
from google.auth.exceptions import GoogleAuthError  # noqa: TID253 - the adapter itself

from nbactl.adapters.firestore import messages
from nbactl.errors import NotAuthorisedError

_HOST: Final = "firestore.googleapis.com:443"
_SCOPES: Final = ("https://www.googleapis.com/auth/datastore",)
_SERVICE: Final = "/google.firestore.v1.Firestore"
_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    # Retries are decided in one place only: calls.py.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # The reader of a stream waits for it itself; otherwise two threads hand over each message, which costs more than
    # the work on it.
    (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
)


@dataclass(frozen=True, slots=True)
class Database:
    """Which database of which project. `emulator` is the host:port of an emulator."""

    project: str
    name: str = "(default)"
    emulator: str | None = None

    @property
    def resource(self) -> str:
        """The full name of the database."""
        return f"projects/{self.project}/databases/{self.name}"

    @property
    def root(self) -> str:
        """The name that the paths of all documents begin with."""
        return f"{self.resource}/documents"

    @property
    def where(self) -> str:
        """The database in words."""
        database = "" if self.name == "(default)" else f", database {self.name}"
        return f"Firestore of {self.project}{database}{f' (emulator {self.emulator})' if self.emulator else ''}"

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call: where it is routed, and to an emulator the right to do anything."""
        routing = f"project_id={quote(self.project, safe='')}&database_id={quote(self.name, safe='')}"
        given = (("google-cloud-resource-prefix", self.resource), ("x-goog-request-params", routing))
        return (*given, ("authorization", "Bearer owner")) if self.emulator else given


def open_channel(database: Database) -> Any:  # noqa: ANN401 - grpc has no types
    """Return a channel; nothing is sent yet. Raises NotAuthorisedError where there are no credentials."""
    if database.emulator:
        # The environment's proxy must not be asked for the emulator.
        return grpc.insecure_channel(database.emulator, options=[*_OPTIONS, ("grpc.enable_http_proxy", 0)])
    try:
        return grpc_helpers.create_channel(_HOST, default_scopes=_SCOPES, default_host=_HOST, options=_OPTIONS)
    except GoogleAuthError as error:
        raise NotAuthorisedError(
            "no Google credentials were found",
            cause=str(error),
            next_step="Log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS.",
        ) from error


class Stubs:
    """The methods of the service, on one channel."""

    def __init__(self, channel: Any) -> None:  # noqa: ANN401 - grpc has no types
        def unary(name: str, request: Any, response: Any) -> Any:  # noqa: ANN401
            return channel.unary_unary(f"{_SERVICE}/{name}", request.SerializeToString, response.FromString)

        def stream(name: str, request: Any, response: Any) -> Any:  # noqa: ANN401
            return channel.unary_stream(f"{_SERVICE}/{name}", request.SerializeToString, response.FromString)

        self.commit = unary("Commit", messages.CommitRequest, messages.CommitResponse)
        self.batch_write = unary("BatchWrite", messages.BatchWriteRequest, messages.BatchWriteResponse)
        self.begin = unary("BeginTransaction", messages.BeginTransactionRequest, messages.BeginTransactionResponse)
        self.rollback = unary("Rollback", messages.RollbackRequest, messages.Empty)
        self.list_collections = unary(
            "ListCollectionIds", messages.ListCollectionIdsRequest, messages.ListCollectionIdsResponse
        )
        self.batch_get = stream(
            "BatchGetDocuments", messages.BatchGetDocumentsRequest, messages.BatchGetDocumentsResponse
        )
        self.run_query = stream("RunQuery", messages.RunQueryRequest, messages.RunQueryResponse)
        self.aggregate = stream(
            "RunAggregationQuery", messages.RunAggregationQueryRequest, messages.RunAggregationQueryResponse
        )
        self.listen = channel.stream_stream(
            f"{_SERVICE}/Listen", messages.ListenRequest.SerializeToString, messages.ListenResponse.FromString
        )
