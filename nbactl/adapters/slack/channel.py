"""Alerts to a Slack channel through an incoming webhook, whose address is a secret."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.slack.blocks import message_of
from nbactl.adapters.slack.cut import Cut
from nbactl.adapters.slack.webhook import check_url
from nbactl.core.calls.deadline import time_for
from nbactl.core.calls.http import check_response, translated
from nbactl.core.observe.logging import mask_value

if TYPE_CHECKING:
    import httpx2

    from nbactl.core.calls.policy import CallPolicy
    from nbactl.ports.alerts import Alert

_REASON: Final = re.compile(rb"[a-z_]+")
_LONGEST_REASON: Final = 64


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

        seconds = time_for("Slack", self._timeout)
        with (
            translated("Slack"),
            Cut("Slack", seconds) as cut,
            # Redirects are not followed, which is the default: nobody but Slack is told.
            httpx2.Client(timeout=seconds) as client,
            client.stream("POST", self._url, json=message, extensions=cut.extensions) as answer,
        ):
            # Of a yes the status is all that counts, however long the rest would take.
            reason = "" if answer.is_success else _reason(answer)
        check_response("Slack", answer, self._policy.clock.now(), body=reason)


def _reason(answer: httpx2.Response) -> str:
    """Return Slack's word for why not ("Handling errors" of incoming webhooks), or nothing.

    Of any other text, such as a proxy's page, nothing is kept: it may have the address, which is a secret.
    """
    import httpx2

    text = b""
    with contextlib.suppress(httpx2.RequestError):  # the status is known, and says enough
        for part in answer.iter_bytes():
            text += part
            if len(text) > _LONGEST_REASON:
                return ""
    found = _REASON.fullmatch(text.strip())
    return "" if found is None else found[0].decode()
