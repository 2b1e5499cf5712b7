"""The subscriptions: what each delivers where, what waits in it, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.errors import NbactlError
from nbactl.frozen import frozen
from nbactl.ports.measurements import Backlog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.bootstrap import Container
    from nbactl.checks.subscriptions import SubscriptionFinding
    from nbactl.ports.bus import FoundSubscription

UNKNOWN: Final = Backlog(None, None)


@frozen
class SubscriptionList:
    """The subscriptions by name, what waits in those of which it is known, and the problems.

    `dead_letters` has what waits in each dead-letter topic, `services` the declared service that one pushes to. The
    numbers may be `lag` seconds old; `unmeasured` is why there are none.
    """

    found: tuple[FoundSubscription, ...]
    backlogs: Mapping[str, Backlog]
    dead_letters: Mapping[str, int]
    services: Mapping[str, str]
    findings: tuple[SubscriptionFinding, ...]
    lag: float
    unmeasured: NbactlError | None = None

    def backlog(self, name: str) -> Backlog:
        """Return what waits in a subscription."""
        return self.backlogs.get(name, UNKNOWN)

    @property
    def failed(self) -> tuple[SubscriptionFinding, ...]:
        """The problems that need a repair."""
        return tuple(finding for finding in self.findings if finding.status == "failed")


def list_subscriptions(app: Container, topic: str | None = None) -> SubscriptionList:
    """Return all subscriptions, or those of a topic. What waits may be unknown; that is no error.

    Raises NotFoundError for a topic without a subscription.
    """
    from nbactl.bootstrap.subscriptions import declared_use, judged_subscriptions  # noqa: PLC0415 - few commands ask
    from nbactl.checks.subscriptions import service_of  # noqa: PLC0415
    from nbactl.core._support.names import closest  # noqa: PLC0415
    from nbactl.errors import NotFoundError  # noqa: PLC0415

    found = app.target.subscriptions(app)
    findings = judged_subscriptions(app, found)
    chosen = [one for one in found if topic in (None, one.topic)]
    if topic is not None and not chosen:
        meant = closest(topic, {one.topic for one in found})
        raise NotFoundError(
            f"no subscription of the topic {topic}",
            next_step=f"Did you mean '{meant}'?" if meant else "List all: nbactl subscriptions list",
        )
    names = {one.name for one in chosen}
    measured, services = app.target.measurements(app), declared_use(app).services
    backlogs: Mapping[str, Backlog] = {}
    unmeasured = None
    try:
        backlogs = measured.backlogs() if found else {}
    except NbactlError as error:
        unmeasured = error
    letters: dict[str, int] = {}
    for one in found:
        waiting = backlogs.get(one.name, UNKNOWN).undelivered
        if waiting is not None:
            letters[one.topic] = letters.get(one.topic, 0) + waiting
    pushed = {one.name: service_of(one.push.endpoint, services) for one in chosen if one.push is not None}
    return SubscriptionList(
        tuple(chosen),
        backlogs,
        {one.dead_letter_topic: letters[one.dead_letter_topic] for one in found if one.dead_letter_topic in letters},
        {name: service for name, service in pushed.items() if service is not None},
        tuple(one for one in findings if topic is None or one.subscription in names),
        measured.lag,
        unmeasured,
    )
