"""The library that services import: `from nbactl.core import open_service, …`, and nothing below it.

Its names are public API, changed only with a deprecation; docs/library.md documents every one. A name is loaded when it
is first used, so importing this package costs next to nothing. It loads no command line, cloud client, warehouse engine
or web framework: clock, randomness, ids and stores are passed in.

| room | contents |
|---|---|
| `calls` | call policies: deadlines, retries, breakers, rate limits; a cache; HTTP statuses as errors |
| `once`, `lease`, `outbox` | idempotent work, one holder at a time, messages committed with a change |
| `dead_letters` | messages that could not be delivered, saved before they are acknowledged |
| `completions`, `flags`, `alerts` | progress of prediction batches, feature flags, alerts |
| `phases` | what production's own programs recorded of a phase, read only |
| `season` | on which dates games are expected: seasons, breaks, halts |
| `service` | `open_service`: push endpoints, health, graceful stop, context across processes |
| `observe` | context, events, metrics, logs, failures, masking |
| `_support` | time, ids, names, threads, fault points |
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbactl.core import flags
    from nbactl.core._support.clock import SystemClock
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core._support.ids import TimeSortedIds, encode_id
    from nbactl.core.alerts import AlertBus, Alerts, TextChannel
    from nbactl.core.calls.breaker import Breaker, BreakerSettings
    from nbactl.core.calls.cache import TtlCache
    from nbactl.core.calls.deadline import beyond_deadline, deadline_scope, remaining, time_for
    from nbactl.core.calls.http import check_response, check_status, translated
    from nbactl.core.calls.in_thread import in_thread
    from nbactl.core.calls.policies import CallPolicies
    from nbactl.core.calls.policy import CallPolicy, CallSettings
    from nbactl.core.calls.rate_limit import RateLimit
    from nbactl.core.calls.retry import RetryPolicy
    from nbactl.core.calls.shared_breakers import SharedBreakers
    from nbactl.core.completions.stages import StageReader, mode_in_force
    from nbactl.core.completions.tracker import CompletionTracker
    from nbactl.core.lease.holder import process_identity
    from nbactl.core.lease.leases import Leases
    from nbactl.core.observe.context import bound, carry, current
    from nbactl.core.observe.events import Event, combined
    from nbactl.core.observe.logging.setup import configure_logging
    from nbactl.core.observe.metrics.registry import Metrics, metrics_app
    from nbactl.core.once.claim import ClaimSettings, current_claim
    from nbactl.core.once.idempotency import Idempotency
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.core.service.consumer import Consumer, ConsumerTimings
    from nbactl.core.service.health import Check, Health
    from nbactl.core.service.propagation import (
        incoming_attributes,
        incoming_headers,
        outgoing_attributes,
        outgoing_headers,
    )
    from nbactl.core.service.push import PubSubPush, PushMessage
    from nbactl.core.service.service import Service, open_service
    from nbactl.core.service.stopping import GracefulStop
    from nbactl.errors import (
        AlreadyExistsError,
        BreakerOpenError,
        DataError,
        InProgressError,
        LeaseHeldError,
        NbactlError,
        NotFoundError,
        PayloadMismatchError,
        PreconditionError,
        StaleFenceError,
        TimedOutError,
        UnavailableError,
    )
    from nbactl.ports.alerts import Alert
    from nbactl.ports.bus import PulledMessage, Subscription
    from nbactl.ports.documents import (
        DELETE_FIELD,
        SERVER_TIME,
        ArrayRemove,
        ArrayUnion,
        Create,
        Delete,
        DocumentStore,
        Filter,
        Increment,
        Order,
        Query,
        Set,
        Transaction,
        Update,
    )

__all__ = [
    "DELETE_FIELD", "SERVER_TIME", "Alert", "AlertBus", "Alerts", "AlreadyExistsError", "ArrayRemove",
    "ArrayUnion", "Breaker", "BreakerOpenError", "BreakerSettings", "CallPolicies", "CallPolicy",
    "CallSettings", "Check", "ClaimSettings", "CompletionTracker", "Consumer", "ConsumerTimings", "Create",
    "DataError", "Delete", "DocumentStore", "Event", "Filter", "GameDate", "GracefulStop", "Health",
    "Idempotency", "InProgressError", "Increment", "LeaseHeldError", "Leases", "Metrics", "NbactlError",
    "NotFoundError", "Order", "Outbox", "PayloadMismatchError", "PreconditionError", "PubSubPush",
    "PulledMessage", "PushMessage", "Query", "RateLimit", "RetryPolicy", "Service", "Set", "SharedBreakers",
    "StageReader", "StaleFenceError", "Subscription", "SystemClock", "TextChannel", "TimeSortedIds",
    "TimedOutError", "Transaction", "TtlCache", "UnavailableError", "Update", "beyond_deadline", "bound",
    "carry", "check_response", "check_status", "combined", "configure_logging", "current", "current_claim",
    "deadline_scope", "encode_id", "flags", "in_thread", "incoming_attributes", "incoming_headers",
    "metrics_app", "mode_in_force", "open_service", "outgoing_attributes", "outgoing_headers",
    "process_identity", "remaining", "time_for", "translated",
]  # fmt: skip

_NAMES = {
    "nbactl.core.calls.in_thread": "in_thread",
    "nbactl.core._support.clock": "SystemClock",
    "nbactl.core._support.gamedate": "GameDate",
    "nbactl.core._support.ids": "TimeSortedIds encode_id",
    "nbactl.core.alerts": "AlertBus Alerts TextChannel",
    "nbactl.core.calls.breaker": "Breaker BreakerSettings",
    "nbactl.core.calls.cache": "TtlCache",
    "nbactl.core.calls.deadline": "beyond_deadline deadline_scope remaining time_for",
    "nbactl.core.calls.http": "check_response check_status translated",
    "nbactl.core.calls.policies": "CallPolicies",
    "nbactl.core.calls.policy": "CallPolicy CallSettings",
    "nbactl.core.calls.rate_limit": "RateLimit",
    "nbactl.core.calls.retry": "RetryPolicy",
    "nbactl.core.calls.shared_breakers": "SharedBreakers",
    "nbactl.core.completions.stages": "StageReader mode_in_force",
    "nbactl.core.completions.tracker": "CompletionTracker",
    "nbactl.core.lease.holder": "process_identity",
    "nbactl.core.lease.leases": "Leases",
    "nbactl.core.observe.context": "bound carry current",
    "nbactl.core.observe.events": "Event combined",
    "nbactl.core.observe.logging.setup": "configure_logging",
    "nbactl.core.observe.metrics.registry": "Metrics metrics_app",
    "nbactl.core.once.claim": "ClaimSettings current_claim",
    "nbactl.core.once.idempotency": "Idempotency",
    "nbactl.core.outbox.outbox": "Outbox",
    "nbactl.core.service.consumer": "Consumer ConsumerTimings",
    "nbactl.core.service.health": "Check Health",
    "nbactl.core.service.propagation": "incoming_attributes incoming_headers outgoing_attributes outgoing_headers",
    "nbactl.core.service.push": "PubSubPush PushMessage",
    "nbactl.core.service.service": "Service open_service",
    "nbactl.core.service.stopping": "GracefulStop",
    "nbactl.errors": (
        "AlreadyExistsError BreakerOpenError DataError InProgressError LeaseHeldError NbactlError "
        "NotFoundError PayloadMismatchError PreconditionError StaleFenceError TimedOutError UnavailableError"
    ),
    "nbactl.ports.alerts": "Alert",
    "nbactl.ports.bus": "PulledMessage Subscription",
    "nbactl.ports.documents": (
        "DELETE_FIELD SERVER_TIME ArrayRemove ArrayUnion Create Delete DocumentStore Filter Increment Order "
        "Query Set Transaction Update"
    ),
}
"""Where names are defined. The module `flags` is found by the import system."""
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nbactl.core' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
