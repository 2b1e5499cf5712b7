"""Alerts: what alert rules found, what was sent, and whether a channel takes one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from nbactl.cli.ask import Question, operator, proceed
from nbactl.errors import ConfigError, NbactlError, UnavailableError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.ports.alerts import AlertChannel
    from nbactl.reporting.conditions import Condition
    from nbactl.reporting.sent import SentAlert

Channel = Literal["log", "slack"]
CHANNELS: Final[tuple[Channel, ...]] = ("log", "slack")
"""The channels that a test can be sent to: a console shows only its own command's."""
_MOST: Final = 200


@frozen
class AlertList:
    """The conditions that last, those that ended since then, and the alerts that were sent; newest first."""

    open: tuple[Condition, ...]
    ended: tuple[Condition, ...]
    sent: tuple[SentAlert, ...]
    rules: tuple[str, ...]
    slack: bool


@frozen
class SendRequest:
    """Which channel to send a test alert to; None is every one that is set up."""

    channel: Channel | None = None
    dry_run: bool = False


@frozen
class Accepted:
    """The outcome: the channels that took the test alert, or would be asked."""

    request: SendRequest
    channels: tuple[Channel, ...]
    slack: bool
    at: datetime


def list_alerts(app: Container, seconds: float) -> AlertList:
    """Return the conditions and alerts of the last `seconds`, and every condition that lasts."""
    from nbactl.reporting.conditions import conditions_open, conditions_since  # noqa: PLC0415 - help needs none of it
    from nbactl.reporting.sent import sent_alerts  # noqa: PLC0415 - as above

    since = app.clock.now() - timedelta(seconds=seconds)
    ended = [one for one in conditions_since(app.documents, since, _MOST) if not one.open and one.past]
    return AlertList(
        tuple(conditions_open(app.documents)[::-1]),
        tuple(ended),
        tuple(sent_alerts(app.documents, "slack", since, _MOST)),
        tuple(app.config.workflows.alerts.rules),
        "slack" in app.alert_channels,
    )


def send_test(app: Container, request: SendRequest, *, confirm: Confirm = proceed) -> Accepted:
    """Send a test alert and wait until it is accepted.

    Raises ConfigError for a channel that is not set up, UnavailableError if one does not accept it.
    """
    from nbactl.ports.alerts import Alert  # noqa: PLC0415 - help needs none of it

    channels = _channels(app, request)
    now = app.clock.now()
    if not request.dry_run:
        confirm(Question(f"Send a test alert to {' and '.join(channels)}?"))
        alert = Alert(
            key=f"test/{now.isoformat(timespec='seconds')}",
            severity="info",
            title="test alert of nbactl: nothing is wrong",
            fields={"by": operator(), "target": app.settings.project or app.settings.target},
            next_step="Nothing to do.",
        )
        for name, channel in channels.items():
            try:
                channel.send(alert)
            except UnavailableError:
                raise
            except NbactlError as error:
                raise UnavailableError(
                    f"{name} did not accept the test alert: {error.message}",
                    cause=error.cause,
                    next_step=error.next_step,
                    retryable=False,
                ) from error
    return Accepted(request, tuple(channels), "slack" in channels or "slack" in app.alert_channels, now)


def _channels(app: Container, request: SendRequest) -> dict[Channel, AlertChannel]:
    """Return the channels to test. Unlike a run, a test does not pass over an address that is not valid."""
    from nbactl.bootstrap.messaging import make_slack  # noqa: PLC0415 - help needs none of it
    from nbactl.core.alerts import LogChannel  # noqa: PLC0415 - as above

    found: dict[Channel, AlertChannel] = {}
    if request.channel in (None, "log"):
        found["log"] = LogChannel()
    if request.channel in (None, "slack") and (slack := make_slack(app)) is not None:
        found["slack"] = slack
    if request.channel == "slack" and not found:
        raise ConfigError(
            "Slack is not set up",
            cause="NBACTL_SLACK_WEBHOOK_URL is not set, so no alert goes to Slack.",
            next_step="Set it to the address of an incoming webhook: docs/alerts.md.",
        )
    return found
