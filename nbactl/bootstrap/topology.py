"""The topics and subscriptions of the services that this machine serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from nbactl.errors import AlreadyExistsError, PreconditionError

if TYPE_CHECKING:
    from nbactl.bootstrap.container import Container
    from nbactl.ports.bus import BusTopology, Subscription
    from nbactl.services.routes import PushRoute

_MOST_ATTEMPTS: Final = 100
"""As many as Pub/Sub allows."""


def create_subscriptions(app: Container, urls: dict[str, str]) -> None:
    """Create topics and subscriptions of the services at these addresses, and those that keep dead letters.

    Raises PreconditionError for a subscription that is there with other limits.
    """
    from nbactl.ports.bus import PushTarget, Subscription
    from nbactl.services.routes import push_routes

    bus, timeouts = cast("BusTopology", app.bus), app.config.timeouts
    routes = [route for route in push_routes(app.config.workflows) if route.service in urls]
    wanted = {topic for route in routes for topic in (route.topic, route.dead_letter_topic)}
    for topic in sorted((wanted | app.config.workflows.topics) - set(bus.topics())):
        bus.create_topic(topic)

    def letters_of(topic: str) -> Subscription:
        # It has itself for its dead letters, so that nothing leaves it that was not acknowledged.
        return Subscription(topic, topic, topic, most_attempts=_MOST_ATTEMPTS)

    def push_to(route: PushRoute) -> Subscription:
        return Subscription(
            route.subscription,
            route.topic,
            route.dead_letter_topic,
            most_attempts=route.attempts,
            ack_deadline=timeouts[route.timeout] + timeouts["bus.ack_margin"],
            least_backoff=timeouts["bus.least_backoff"],
            most_backoff=timeouts["bus.most_backoff"],
            ordered=route.ordered,
            push=PushTarget(urls[route.service] + route.path),
        )

    wanted_ones = [letters_of(topic) for topic in sorted({route.dead_letter_topic for route in routes})]
    try:
        for subscription in (*wanted_ones, *map(push_to, routes)):
            bus.create_subscription(subscription)
    except AlreadyExistsError as error:
        raise PreconditionError(
            error.message,
            cause="Its limits in timeouts.yaml were others when it was created.",
            next_step="Set them back, or use another --state-dir (on an emulator: another --project).",
        ) from error
