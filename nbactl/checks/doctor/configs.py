"""The check of the configuration that services use: the one that is committed, or another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.doctor.context import Finding
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbactl.checks.doctor.context import CheckContext

_NAME: Final = "config in use"
_MOST: Final = 3


def running_services(context: CheckContext) -> Iterator[Finding]:
    """Do the same with the services that `nbactl up` runs on this machine."""
    try:
        yield from examine_configs(context)
    except NbactlError as error:
        yield Finding(_NAME, "skipped", f"the services cannot be read: {error.message}", error.cause, error.next_step)


def examine_configs(context: CheckContext) -> Iterator[Finding]:
    """Compare the digest of the three files that each service reports with that of the repository."""
    found = context.service_configs()
    if found is None:
        yield Finding(_NAME, "skipped", "no service runs")
        return
    where = "the last commit" if found.in_repository else "the files here"
    again = "Deploy them from the last commit" if context.settings.target == "gcp" else "Start `nbactl up` again"
    other: dict[str, list[str]] = {}
    for service, digest in sorted(found.reported.items()):
        if digest != found.committed:
            other.setdefault(digest, []).append(service)
    for digest, services in other.items():
        cause = f"They report {digest}; that of {where} is {found.committed}."
        fix = f"{again}, or commit what they use. Limits set by NBACTL_TIMEOUT_… count too."
        message = f"{_listed(services)}: another configuration than that of {where}"
        yield Finding(_NAME, "warn", message, cause, fix)
    if found.unanswered:
        yield Finding(
            _NAME,
            "warn",
            f"not known of {_listed(sorted(found.unanswered))}",
            _first(found.unanswered),
            "nbactl services health",
        )
    same = len(found.reported) - sum(map(len, other.values()))
    if same or not (other or found.unanswered):
        silent = f"; not reported by {_listed(list(found.silent))}" if found.silent else ""
        use = "1 service uses" if same == 1 else f"{same} services use"
        yield Finding(_NAME, "ok", f"{use} that of {where}{silent}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def _first(reasons: Mapping[str, str]) -> str:
    service = min(reasons)
    return f"{service}: {reasons[service]}"
