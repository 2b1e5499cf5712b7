"""The address of an incoming webhook of Slack, which is a secret."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from nbactl.errors import ConfigError

VARIABLE: Final = "NBACTL_SLACK_WEBHOOK_URL"


def check_url(url: str) -> None:
    """Refuse what is no webhook's address. Raises ConfigError, which does not show it."""
    parts = urlsplit(url)
    is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or (parts.scheme != "https" and not (is_local and parts.scheme == "http")):
        raise ConfigError(
            f"{VARIABLE} is no address of a webhook",
            cause="It begins with https:// and names Slack's host; it is a secret and is not shown here.",
            next_step="Copy it from the app's page, Incoming Webhooks.",
        )
