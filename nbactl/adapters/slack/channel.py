"""Alerts to a Slack channel through an incoming webhook, whose address is a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.adapters.slack.blocks import message_of
from nbactl.adapters.slack.webhook import check_url
from nbactl.core.deadline import remaining
from nbactl.core.http_errors import check_response, translated
from nbactl.core.logging import mask_value

if TYPE_CHECKING:
    from nbactl.core.policy import CallPolicy
    from nbactl.ports.alerts import Alert


class SlackChannel:
    """Posts alerts as its policy allows: one a second, tried again, left alone while Slack is down."""

    def __init__(self, url: str, policy: CallPolicy, *, timeout: float) -> None:
        check_url(url)
        mask_value(url)
        self._url = url
        self._policy = policy
        self._timeout = timeout

    def __repr__(self) -> str:
        """Say what it is without its address."""
        return "SlackChannel(***)"

    def send(self, alert: Alert) -> None:
        """Post an alert. Raises UnavailableError for what may be tried again, another NbactlError for what may not."""
        self._policy.call(self._post, message_of(alert))

    def _post(self, message: dict[str, Any]) -> None:
        import httpx2

        with translated("Slack"):
            # Redirects are not followed: nobody but Slack is told.
            answer = httpx2.post(self._url, json=message, timeout=remaining(self._timeout), follow_redirects=False)
        check_response("Slack", answer, self._policy.clock.now())
