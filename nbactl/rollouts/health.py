"""Health of the services: a stage begins only while all are healthy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.core.calls.deadline import remaining
from nbactl.core.calls.http import translated
from nbactl.errors import ConfigError, NbactlError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "NBACTL_HEALTH_URLS"
_FINE, _GOOD = "pass", 200


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """The health of a service; `detail` says why it is not green."""

    name: str
    green: bool
    detail: str


def parse_urls(text: str) -> dict[str, str]:
    """Return addresses by name from `name=url,name=url`. Raises ConfigError."""
    urls: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, url = item.partition("=")
        if not equals or not name.strip() or not url.strip().startswith(("http://", "https://")):
            raise ConfigError(
                f"{VARIABLE}: '{item}' is not NAME=URL", next_step="Write worker=https://worker.example, …"
            )
        urls[name.strip()] = url.strip().rstrip("/")
    return urls


def check_services(urls: Mapping[str, str], *, timeout: float) -> list[ServiceHealth]:
    """Ask each service's `/health`; one that does not answer within `timeout` seconds is not green."""
    return [_check(name, url, timeout) for name, url in urls.items()]


def _check(name: str, url: str, timeout: float) -> ServiceHealth:
    import httpx2

    try:
        with translated(name):
            answer = httpx2.get(f"{url}/health", timeout=remaining(timeout))
    except NbactlError as error:
        return ServiceHealth(name, False, error.message)  # noqa: FBT003
    try:
        content = answer.json()
        status = content["status"]
        output = content.get("output", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServiceHealth(name, False, f"answered {answer.status_code} without a health report")  # noqa: FBT003
    green = answer.status_code == _GOOD and status == _FINE
    return ServiceHealth(name, green, "" if green else f"{status}: {output}".strip(": "))
