"""Messages built from the container: outbox, alerts, and idempotency of what is received."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, cast

from nbactl import __version__
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.adapters.sentry.sink import SentrySink
    from nbactl.bootstrap.container import Container
    from nbactl.core.alerts import Alerts
    from nbactl.core.dead_letters.dead_letters import DeadLetters
    from nbactl.core.once.idempotency import Idempotency
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.ports.alerts import AlertChannel

_DAY: Final = 86_400.0
_LOG = logging.getLogger(__name__)


def make_outbox(app: Container) -> Outbox:
    """Return the outbox: alerts go to their channels, everything else to the bus of the target."""
    from nbactl.core.alerts import AlertBus, RoutedBus, channel_of
    from nbactl.core.outbox.outbox import Outbox

    def reaches(topic: str) -> bool:
        channel = channel_of(topic)
        return channel is None or channel in app.alert_channels

    timeouts = app.config.timeouts
    return Outbox(
        app.documents,
        RoutedBus(AlertBus(app.alert_channels), lambda: app.bus),
        app.clock,
        redrive_after=timeouts["outbox.redrive"],
        keep=timeouts["outbox.keep"],
        sweep_for=timeouts["outbox.drain"],
        reaches=reaches,
        together=lambda topic: channel_of(topic) is None,
        hook=app.hook,
    )


def make_dead_letters(app: Container) -> DeadLetters:
    """Return the dead letters; on a bus that nothing can be taken from, none is collected."""
    from nbactl.core.dead_letters.dead_letters import Bus, DeadLetters

    return DeadLetters(
        app.documents,
        lambda: cast("Bus", app.bus),  # both buses deliver
        app.clock,
        wait=app.target.dead_letter_wait(app),
        notice=app.notice,
    )


def make_slack(app: Container) -> AlertChannel | None:
    """Return the Slack channel if its webhook is set. Raises ConfigError for an address that is not valid."""
    from nbactl.adapters.slack.channel import VARIABLE

    url = app.environ.get(VARIABLE)
    if not url:
        return None
    from nbactl.adapters.slack.channel import SlackChannel

    return SlackChannel(url, app.policies["slack"], timeout=app.config.timeouts["alert.slack"])


def make_alert_channels(app: Container) -> dict[str, AlertChannel]:
    """Return the channels outside of this process by name; one that is configured wrongly is logged and left out.

    No run and no service stops because an alert cannot be sent; `nbactl doctor` reports the mistake.
    """
    from nbactl.core.alerts import InstrumentedChannel

    try:
        channel = make_slack(app)
    except ConfigError as error:
        _LOG.warning("no alert goes to Slack: %s. %s", error.message, error.cause)
        return {}
    return {} if channel is None else {"slack": InstrumentedChannel("slack", channel, app.hook)}


def make_alerts(app: Container, console: AlertChannel | None, dispatcher: Callable[[], object] | None) -> Alerts:
    """Return what sends alerts; `console` shows them to the person at this terminal.

    `dispatcher` sends what is in the outbox, where something does that in the background.
    """
    from nbactl.core.alerts import Alerts, LogChannel

    direct: dict[str, AlertChannel] = {"log": LogChannel()}
    if console is not None:
        direct["console"] = console
    timeouts = app.config.timeouts
    return Alerts(
        app.documents,
        app.outbox,
        app.clock,
        direct=direct,
        kept=app.alert_channels,
        window=timeouts["alert.window"],
        delivery_timeout=timeouts["alert.patience"],
        dispatcher=dispatcher,
        hook=app.hook,
    )


def make_idempotency(app: Container, owner: str) -> Idempotency:
    """Return what does work once per key that the flag is on for; `owner` names the process."""
    from nbactl.core.lease.holder import process_identity
    from nbactl.core.once.claim import ClaimSettings
    from nbactl.core.once.idempotency import Idempotency

    timeouts = app.config.timeouts
    lease = timeouts.leases["message"]
    # Subscriptions and replays need what `dedup.keep` says at least; DEDUP_TTL_DAYS may make it more.
    keep = max(timeouts["dedup.keep"], app.flags.parameter("DEDUP_TTL_DAYS", 0) * _DAY)
    made = Idempotency(
        app.documents,
        app.clock,
        app.ids,
        owner=lambda: process_identity(owner),
        terms=ClaimSettings(lease=lease.ttl, renew_every=lease.renew_every, keep=keep),
        enabled=lambda key: app.flags.on("idempotency_keys", key),
        hook=app.hook,
    )
    app.closing.callback(made.close)
    return made


def make_sentry(app: Container) -> SentrySink | None:
    """Return what reports failures to Sentry if its address is set. Raises ConfigError for one that is not valid."""
    dsn = app.environ.get("NBACTL_SENTRY_DSN")
    if not dsn:
        return None
    from nbactl.adapters.sentry.sink import SentrySink

    timeouts = app.config.timeouts
    return SentrySink(
        dsn,
        service=app.name,
        version=__version__,
        environment=app.settings.project or app.settings.target,
        send=timeouts["failures.send"],
        flush=timeouts["failures.flush"],
    )


def sweep_expired(app: Container) -> int:
    """Delete expired documents and return how many, unless the store does that by itself."""
    from nbactl.core.outbox import expiry

    if app.target.DELETES_EXPIRED:
        return 0
    return sum(expiry.sweep_expired(app.documents, collection, app.clock) for collection in expiry.EXPIRING)
