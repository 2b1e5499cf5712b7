"""A sink of failures that sends them to Sentry, in a thread of its own (extra `sentry`).

The client is ours alone: it is not made Sentry's global one, patches nothing, and sends nothing but failures. A server
that is down costs the work nothing: what does not fit into the queue is dropped, the log has it anyway.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.observe.masking import mask_within
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from sentry_sdk import Client
    from sentry_sdk.types import Event, Hint

    from nbactl.core.observe.failures import Failure

_LOG = logging.getLogger("nbactl.sentry")
_HEAD: Final = "Traceback (most recent call last):"
_FRAME: Final = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')


class SentrySink:
    """Sends failures to the project that `dsn` names. Times are in seconds.

    `send` bounds each request, `flush` what `close` waits for failures that are still on their way.
    """

    def __init__(self, dsn: str, *, service: str, version: str, environment: str, send: float, flush: float) -> None:
        self._client = _client(dsn, send, server_name=service, release=f"{service}@{version}", environment=environment)
        self._flush = flush

    def __call__(self, failure: Failure) -> None:
        """Queue a failure."""
        event, hint = self._event(failure)
        labels = {**failure.labels, "what": failure.what, "code": failure.code, "retryable": str(failure.retryable)}
        event["tags"] = {name: value for name, value in labels.items() if value is not None}
        event["level"] = "warning" if failure.retryable else "error"
        event["fingerprint"] = [failure.fingerprint]
        event["transaction"] = failure.what
        extra = {"cause": failure.cause, "next": failure.next_step, "traceback": failure.traceback, **failure.fields}
        event["extra"] = {name: value for name, value in extra.items() if value is not None}
        if failure.trace is not None and failure.trace.span_id is not None:
            event["contexts"] = {"trace": {"trace_id": failure.trace.trace_id, "span_id": failure.trace.span_id}}
        self._client.capture_event(event, hint)

    def close(self) -> None:
        """Wait until what is queued has been sent, but not for long, and send nothing more."""
        self._client.close(timeout=self._flush)

    def _event(self, failure: Failure) -> tuple[Event, Hint]:
        if failure.error is None:
            raised: dict[str, Any] = {"type": failure.type, "value": failure.message}
            if frames := _frames(failure.traceback):
                raised["stacktrace"] = {"frames": frames}
            return {"exception": {"values": [raised]}}, {}
        from sentry_sdk.utils import event_from_exception

        return event_from_exception(
            failure.error, client_options=self._client.options, mechanism={"type": "nbactl", "handled": True}
        )


def _client(dsn: str, send: float, *, server_name: str, release: str, environment: str) -> Client:
    try:
        from sentry_sdk import Client
        from sentry_sdk.transport import HttpTransport
        from sentry_sdk.utils import BadDsn
    except ImportError as error:
        raise ConfigError(
            "NBACTL_SENTRY_DSN is set, but Sentry's client is not installed",
            cause=str(error),
            next_step="Install it with pip install 'nbactl[sentry]', or unset the variable.",
        ) from error

    class Transport(HttpTransport):
        TIMEOUT = send  # type: ignore[assignment] # it says int, and hands it to urllib3

        def _get_pool_options(self) -> dict[str, Any]:
            # One attempt: each further one logs a warning, and there would be thousands while a server is down.
            return {**super()._get_pool_options(), "retries": False}

        def on_dropped_event(self, reason: str) -> None:
            _LOG.warning("Sentry did not get a failure: %s", reason)

    try:
        return Client(
            dsn=dsn,
            transport=Transport,
            before_send=_masked,
            default_integrations=False,
            auto_enabling_integrations=False,
            include_local_variables=False,  # they hold secrets that have no name
            include_source_context=False,  # as may the lines around
            send_client_reports=False,
            auto_session_tracking=False,
            enable_backpressure_handling=False,
            spotlight=False,
            debug=False,
            server_name=server_name,
            release=release,
            environment=environment,
        )
    except BadDsn as error:
        raise ConfigError(
            "NBACTL_SENTRY_DSN is not the address of a Sentry project",
            cause=str(error),
            next_step="Copy it from the project's settings, Client Keys: https://KEY@HOST/NUMBER.",
        ) from error


def _masked(event: Event, _: Hint) -> Event:
    """Mask secrets in all that is sent."""
    masked: Event = mask_within(dict(event))
    return masked


def _frames(text: str) -> list[dict[str, Any]]:
    """Return the frames of the last exception of a traceback that was written down."""
    last = text.rpartition(_HEAD)[2]
    return [{"filename": file, "lineno": int(line), "function": name} for file, line, name in _FRAME.findall(last)]
