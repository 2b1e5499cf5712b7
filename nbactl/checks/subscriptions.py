"""What is wrong with subscriptions: what makes messages come again in a hot loop, be refused, or be lost.

https://cloud.google.com/pubsub/docs/handling-failures, https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.addresses import split_url
from nbactl.core._support.durations import format_duration
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbactl.ports.bus import FoundSubscription, PushTarget

LONGEST_DEADLINE: Final = 600.0
"""Seconds that Pub/Sub waits for an acknowledgement at most."""
_DAY: Final = 86_400.0
_DELETED: Final = "_deleted-topic_"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_LISTED: Final = 3


@frozen
class SubscriptionFinding:
    """One problem, and the command that ends it. `subscription` is None for a topic without one."""

    subscription: str | None
    rule: str
    status: Literal["warn", "failed"]
    message: str
    cause: str
    fix: str | None = None


@frozen
class DeclaredUse:
    """What the configuration says: the seconds that a request to each service may take (None: not said), the topics.

    `project` is where the commands of a fix act; None on a target without Google's tools.
    """

    services: Mapping[str, float | None]
    topics: frozenset[str]
    project: str | None = None


def judge_subscriptions(found: Sequence[FoundSubscription], declared: DeclaredUse) -> Iterator[SubscriptionFinding]:
    """Yield the problems, by subscription. One that pushes to this machine needs no identity."""
    read = {one.topic for one in found}
    for one in found:
        yield from _delivery(one, declared, read)
        if one.push is not None:
            yield from _push(one, one.push, declared)
    if unread := sorted(declared.topics - read):
        more = f" and {len(unread) - _LISTED} more" if len(unread) > _LISTED else ""
        message = f"no subscription for {', '.join(unread[:_LISTED])}{more}"
        yield SubscriptionFinding(None, "unread-topic", "warn", message, "What is published there is lost.")


def service_of(url: str, services: Mapping[str, float | None]) -> str | None:
    """Return the declared service that an address belongs to, None if it belongs to none.

    Cloud Run's addresses begin with the name (`NAME-HASH-wl.a.run.app`, `NAME-NUMBER.REGION.run.app`), those of Cloud
    Functions have it as the first part of the path: https://cloud.google.com/run/docs/triggering/https-request
    """
    parts = split_url(url)
    host = parts.hostname or ""
    first = parts.path.strip("/").partition("/")[0]
    if host.endswith(".cloudfunctions.net"):
        return first if first in services else None
    label = host.partition(".")[0]
    fitting = [name for name in services if label == name or label.startswith(f"{name}-")]
    return max(fitting, key=len, default=None)


def is_loopback(url: str) -> bool:
    """Say whether an address is one of this machine."""
    return split_url(url).hostname in _LOOPBACK


def _delivery(one: FoundSubscription, declared: DeclaredUse, read: set[str]) -> Iterator[SubscriptionFinding]:
    """Yield what is wrong with a message, independent of who receives it."""
    name = one.name
    if one.topic == _DELETED:
        delete = _gcloud(declared, "delete", name)
        yield SubscriptionFinding(name, "deleted-topic", "failed", "its topic was deleted", "It gets nothing.", delete)
    if one.problem is not None:
        cause = "Pub/Sub cannot use what the subscription delivers to."
        fix = _gcloud(declared, "describe", name)
        yield SubscriptionFinding(name, "not-delivering", "failed", f"its state is {one.problem}", cause, fix)
    if one.dead_letter_topic is not None and one.dead_letter_topic not in read:
        message = f"no subscription keeps what its dead-letter topic {one.dead_letter_topic} gets"
        fix = _gcloud(
            declared, "create", one.dead_letter_topic, f"--topic={one.dead_letter_topic}", "--expiration-period=never"
        )
        yield SubscriptionFinding(name, "lost-dead-letters", "failed", message, "Given up, a message is lost.", fix)
    if one.expires_after is not None:
        message = f"it is deleted after {one.expires_after / _DAY:g} days without a delivery"
        fix = _gcloud(declared, "update", name, "--expiration-period=never")
        yield SubscriptionFinding(name, "expires", "warn", message, "The summer has no messages.", fix)


def _push(one: FoundSubscription, push: PushTarget, declared: DeclaredUse) -> Iterator[SubscriptionFinding]:
    name, service = one.name, service_of(push.endpoint, declared.services)
    if one.backoff is None:
        cause = "A message that is refused comes again at once, over and over."
        fix = _gcloud(declared, "update", name, "--min-retry-delay=10s", "--max-retry-delay=600s")
        yield SubscriptionFinding(name, "no-retry-policy", "failed", "it has no retry policy", cause, fix)
    if one.dead_letter_topic is None:
        cause = "A message that always fails comes again until it is seven days old, then it is lost."
        letters = f"--dead-letter-topic={one.topic}-dead-letter"
        fix = _gcloud(declared, "update", name, letters, "--max-delivery-attempts=10")
        yield SubscriptionFinding(name, "no-dead-letter", "failed", "it has no dead-letter topic", cause, fix)
    if not is_loopback(push.endpoint):
        yield from _identity(one, push, service, declared)
    limit = None if service is None else declared.services[service]
    if limit is not None and one.ack_deadline < min(limit, LONGEST_DEADLINE):
        waits, takes = format_duration(one.ack_deadline), format_duration(limit)
        message = f"it waits {waits} for an answer, and {service} may take {takes}"
        fix = _gcloud(declared, "update", name, f"--ack-deadline={min(limit, LONGEST_DEADLINE):.0f}")
        cause = "A message comes again while its work goes on."
        yield SubscriptionFinding(name, "short-deadline", "warn", message, cause, fix)


def _identity(
    one: FoundSubscription, push: PushTarget, service: str | None, declared: DeclaredUse
) -> Iterator[SubscriptionFinding]:
    name, parts = one.name, split_url(push.endpoint)
    origin = f"{parts.scheme}://{parts.netloc}"
    account = push.account or "ACCOUNT"
    fix = _gcloud(
        declared, "update", name, f"--push-auth-service-account={account}", f"--push-auth-token-audience={origin}"
    )
    if service is None:
        cause = "workflows.yaml declares no service of that name under `services`."
        correct = _gcloud(declared, "update", name, "--push-endpoint=URL")
        message = f"it pushes to {origin}, which is not a declared service"
        yield SubscriptionFinding(name, "unknown-endpoint", "failed", message, cause, correct)
    if push.account is None:
        cause = "A service that asks for an identity token refuses every message."
        yield SubscriptionFinding(name, "no-identity", "failed", "it pushes without an identity", cause, fix)
    elif push.audience is not None and not _is_for(push.audience, push.endpoint, service, declared):
        message = f"its audience {push.audience} is not that of {origin}"
        cause = "The service refuses a token for another audience."
        yield SubscriptionFinding(name, "wrong-audience", "failed", message, cause, fix)


def _is_for(audience: str, endpoint: str, service: str | None, declared: DeclaredUse) -> bool:
    """Say whether a token is for the service of an endpoint; a service of Cloud Run has two addresses."""
    there, meant = split_url(endpoint), split_url(audience)
    if meant.scheme != there.scheme:
        return False
    same = service is not None and service_of(audience, declared.services) == service
    return meant.netloc == there.netloc or same


def _gcloud(declared: DeclaredUse, verb: str, name: str, *options: str) -> str | None:
    if declared.project is None:
        return None
    return shlex.join(["gcloud", "pubsub", "subscriptions", verb, name, *options, f"--project={declared.project}"])
