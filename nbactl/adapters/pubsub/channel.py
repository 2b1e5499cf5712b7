"""The connection to Pub/Sub, or to the emulator that PUBSUB_EMULATOR_HOST names, and the protocol's messages."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.api_core import grpc_helpers  # noqa: TID253 - the adapter itself
from google.auth.exceptions import GoogleAuthError  # noqa: TID253 - the adapter itself
from google.protobuf import empty_pb2  # noqa: TID253 - the adapter itself
from google.pubsub_v1.types import pubsub  # noqa: TID253 - the adapter itself

from nbactl.adapters.pubsub.failures import translate
from nbactl.core.calls.deadline import remaining
from nbactl.errors import NotAuthorisedError, TimedOutError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOST: Final = "pubsub.googleapis.com:443"
_SCOPES: Final = ("https://www.googleapis.com/auth/pubsub",)
_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    # Retries are decided in one place only: by the call policy.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

# The generated wrappers around these classes cost ten times as much.
Message: Final[Any] = pubsub.PubsubMessage.pb()
Topic: Final[Any] = pubsub.Topic.pb()
SubscriptionMessage: Final[Any] = pubsub.Subscription.pb()
PublishRequest: Final[Any] = pubsub.PublishRequest.pb()
PublishResponse: Final[Any] = pubsub.PublishResponse.pb()
PullRequest: Final[Any] = pubsub.PullRequest.pb()
PullResponse: Final[Any] = pubsub.PullResponse.pb()
AcknowledgeRequest: Final[Any] = pubsub.AcknowledgeRequest.pb()
ModifyPushConfigRequest: Final[Any] = pubsub.ModifyPushConfigRequest.pb()
PushConfig: Final[Any] = pubsub.PushConfig.pb()
ModifyAckDeadlineRequest: Final[Any] = pubsub.ModifyAckDeadlineRequest.pb()
GetSubscriptionRequest: Final[Any] = pubsub.GetSubscriptionRequest.pb()
ListTopicsRequest: Final[Any] = pubsub.ListTopicsRequest.pb()
ListTopicsResponse: Final[Any] = pubsub.ListTopicsResponse.pb()
ListSubscriptionsRequest: Final[Any] = pubsub.ListSubscriptionsRequest.pb()
ListSubscriptionsResponse: Final[Any] = pubsub.ListSubscriptionsResponse.pb()

_METHODS: Final = {
    "Publish": ("Publisher/Publish", PublishRequest, PublishResponse),
    "CreateTopic": ("Publisher/CreateTopic", Topic, Topic),
    "ListTopics": ("Publisher/ListTopics", ListTopicsRequest, ListTopicsResponse),
    "Pull": ("Subscriber/Pull", PullRequest, PullResponse),
    "Acknowledge": ("Subscriber/Acknowledge", AcknowledgeRequest, empty_pb2.Empty),
    "ModifyAckDeadline": ("Subscriber/ModifyAckDeadline", ModifyAckDeadlineRequest, empty_pb2.Empty),
    "ModifyPushConfig": ("Subscriber/ModifyPushConfig", ModifyPushConfigRequest, empty_pb2.Empty),
    "CreateSubscription": ("Subscriber/CreateSubscription", SubscriptionMessage, SubscriptionMessage),
    "GetSubscription": ("Subscriber/GetSubscription", GetSubscriptionRequest, SubscriptionMessage),
    "ListSubscriptions": ("Subscriber/ListSubscriptions", ListSubscriptionsRequest, ListSubscriptionsResponse),
}


@dataclass(frozen=True, slots=True)
class PubSubProject:
    """Whose topics and subscriptions. `emulator` is the host:port of an emulator."""

    name: str
    emulator: str | None = None

    @property
    def resource(self) -> str:
        """The full name of the project."""
        return f"projects/{self.name}"

    @property
    def where(self) -> str:
        """The project in words."""
        return f"Pub/Sub of {self.name}{f' (emulator {self.emulator})' if self.emulator else ''}"

    def topic(self, name: str) -> str:
        """Return the full name of a topic."""
        return f"{self.resource}/topics/{name}"

    def subscription(self, name: str) -> str:
        """Return the full name of a subscription."""
        return f"{self.resource}/subscriptions/{name}"


class Channel:
    """Makes single attempts at calls. Usable from any thread; the connection is opened for the first call."""

    def __init__(self, project: PubSubProject, attempt: float) -> None:
        """`attempt` is the seconds that one attempt may take."""
        self.project = project
        self._attempt = attempt
        self._lock = threading.Lock()
        self._channel: Any = None
        self._methods: dict[str, Any] = {}
        self._closed = False

    def call(self, method: str, request: Any, *, about: str, limit: float | None = None) -> Any:  # noqa: ANN401 - grpc has no types
        """Make one attempt, of `limit` seconds instead of the usual ones; `about` is the name of what is asked for.

        Raises what failures.py says, and TimedOutError where the deadline leaves no time.
        """
        left = remaining(self._attempt if limit is None else limit)
        if left <= 0:
            raise TimedOutError(f"no time is left to ask {self.project.where}", cause="The deadline has passed.")
        with self._translated(about):
            return self._method(method)(request, timeout=left)

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._closed = True
            self._methods = {}
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def _method(self, name: str) -> Any:  # noqa: ANN401 - grpc has no types
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the bus {self.project.where} is closed")
            if self._channel is None:
                self._channel = _open(self.project)
            if name not in self._methods:
                path, request, response = _METHODS[name]
                self._methods[name] = self._channel.unary_unary(
                    f"/google.pubsub.v1.{path}", request.SerializeToString, response.FromString
                )
            return self._methods[name]

    @contextmanager
    def _translated(self, about: str) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise translate(error.code(), error.details() or "", self.project.where, about) from error


def _open(project: PubSubProject) -> Any:  # noqa: ANN401 - grpc has no types
    if project.emulator:
        # The environment's proxy must not be asked for the emulator.
        return grpc.insecure_channel(project.emulator, options=[*_OPTIONS, ("grpc.enable_http_proxy", 0)])
    try:
        return grpc_helpers.create_channel(_HOST, default_scopes=_SCOPES, default_host=_HOST, options=_OPTIONS)
    except GoogleAuthError as error:
        raise NotAuthorisedError(
            "no Google credentials were found",
            cause=str(error),
            next_step="Log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS.",
        ) from error
