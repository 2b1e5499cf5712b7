"""Alerts to a Slack channel through an incoming webhook, whose address is a secret."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, Self

from nbactl.core._support.addresses import split_url
from nbactl.core._support.durations import format_duration
from nbactl.core.calls.deadline import time_for
from nbactl.core.calls.http import check_response, translated
from nbactl.core.observe.logging import mask_value
from nbactl.errors import ConfigError, TimedOutError

if TYPE_CHECKING:
    from types import TracebackType

    import httpx2

    from nbactl.core.calls.policy import CallPolicy
    from nbactl.ports.alerts import Alert


class ConnectionCutter:
    """Cuts the connection of the call in the block after `seconds`, and raises TimedOutError then.

    A client's own timeout bounds each wait for bytes, so that a server which sends them one by one holds a call for
    hours. `extensions` belong to the request, and report its connection. Looking up the host is bounded by the
    resolver, not by this.
    """

    def __init__(self, what: str, seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._expired = False
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    @property
    def extensions(self) -> dict[str, Any]:
        """What the request takes along ("Extensions" of httpx: trace)."""
        return {"trace": self._note}

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._socket = None
            expired = self._expired
        if expired and isinstance(error, Exception):
            raise TimedOutError(
                f"{self._what} did not answer in time",
                cause=f"The call was cut off after {format_duration(self._seconds)}.",
            ) from error

    def _note(self, event: str, info: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self._expired:
                    self._shut()

    def _expire(self) -> None:
        with self._lock:
            self._expired = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is closed already
                # The plain socket's: that of TLS would change what the thread that reads is using.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_MARKS: Final = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}
_COLOURS: Final = {"info": "#439fe0", "warning": "#daa038", "critical": "#a30200"}
_HEADER, _TEXT, _FIELD, _FIELDS = 150, 3000, 2000, 10


def message_of(alert: Alert) -> dict[str, Any]:
    """Return the body of the webhook's request; `text` is what a notification shows."""
    title = f"{_MARKS[alert.severity]} {alert.title}"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title, _HEADER), "emoji": True}}
    ]
    if alert.text:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": _cut(_escaped(alert.text), _TEXT)}})
    pairs = [
        {"type": "mrkdwn", "text": _cut(f"*{_escaped(name)}*\n{_escaped(value)}", _FIELD)}
        for name, value in alert.fields.items()
    ]
    blocks += [{"type": "section", "fields": pairs[at : at + _FIELDS]} for at in range(0, len(pairs), _FIELDS)][:10]
    if alert.next_step:
        blocks.append({"type": "section", "text": _mrkdwn(f"*Next:* {_escaped(alert.next_step)}")})
    blocks.append({"type": "context", "elements": [_mrkdwn(f"{alert.severity} · {_escaped(alert.key)}")]})
    attachment = {"color": _COLOURS[alert.severity], "blocks": blocks}
    return {"text": _cut(_escaped(title), _TEXT), "attachments": [attachment]}


def _mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": _cut(text, _TEXT)}


def _escaped(text: str) -> str:
    """Escape the three characters that Slack reads as its own, so that no name becomes a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


VARIABLE: Final = "NBACTL_SLACK_WEBHOOK_URL"


def check_url(url: str) -> None:
    """Raise ConfigError, which does not show it, unless `url` is the address of a webhook."""
    parts = split_url(url)
    is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or (parts.scheme != "https" and not (is_local and parts.scheme == "http")):
        raise ConfigError(
            f"{VARIABLE} is not the address of a webhook",
            cause="It must begin with https:// and name a host. It is a secret and is not shown here.",
            next_step="Copy it from the app's page, Incoming Webhooks.",
        )


_REASON: Final = re.compile(rb"[a-z_]+")
_LONGEST_REASON: Final = 64


class SlackChannel:
    """Posts alerts as its policy allows: one a second, retried, none while Slack is down."""

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
            ConnectionCutter("Slack", seconds) as cutter,
            # Redirects are not followed, which is the default: only Slack gets the alert.
            httpx2.Client(timeout=seconds) as client,
            client.stream("POST", self._url, json=message, extensions=cutter.extensions) as answer,
        ):
            # After a success only the status counts, however long the rest would take.
            reason = "" if answer.is_success else _reason(answer)
        check_response("Slack", answer, self._policy.clock.now(), body=reason)


def _reason(answer: httpx2.Response) -> str:
    """Return Slack's reason for a refusal ("Handling errors" of incoming webhooks), or nothing.

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
