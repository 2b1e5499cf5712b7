"""What a line of a service says, read back from the payload that Cloud Logging or a file keeps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.addresses import split_url
from nbactl.core.observe.logging.cloud import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

_MESSAGES: Final = ("message", "msg", "event")
"""Where programs put the message; the first that is there counts."""
_LIFTED: Final = frozenset({"time", "severity", "@type", "serviceContext", "context"})
"""What Cloud Logging lifts out of a line, and what only Error Reporting needs."""


def read_payload(payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the message of a payload, and what was logged beside it."""
    name = next((name for name in _MESSAGES if isinstance(payload.get(name), str)), None)
    fields = {
        key: value
        for key, value in payload.items()
        if key != name and key not in _LIFTED and not key.startswith(PREFIX)
    }
    if name is not None:
        return payload[name], fields
    return json.dumps(payload, default=str), {}


def request_message(method: str, url: str, status: int, seconds: float | None) -> str:
    """Return the message of a request that only the platform logged, such as `POST /predict 500 in 1.2s`."""
    parts = split_url(url)
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    took = "" if seconds is None else f" in {seconds:.3g}s"
    return f"{method or '?'} {path} {status or 'unanswered'}{took}"
