"""Checks of the machine: Python, packages, time zones, the environment."""

from __future__ import annotations

import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nbactl.checks.doctor.context import Finding
from nbactl.config.base import TIMEOUT_PREFIX
from nbactl.config.variables import GIVEN, environment_variables, timeout_variables
from nbactl.core._support.names import closest
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.checks.doctor.context import CheckContext

Version = tuple[int, ...]

PYTHON: Final = (3, 11)
SQLITE: Final = (3, 37, 0)
"""STRICT tables came with this version."""


class Package(NamedTuple):
    """A dependency: its module, and the versions it may have, as in pyproject.toml."""

    module: str
    least: Version = ()
    below: Version = ()


PACKAGES: Final = {
    "cronsim": Package("cronsim", (2, 6)),
    "duckdb": Package("duckdb", (2, 0)),
    "httpx2": Package("httpx2", (2, 0)),
    "mmh3": Package("mmh3", (5, 1)),
    "orjson": Package("orjson", (3, 10)),
    "prometheus-client": Package("prometheus_client", (0, 22)),
    "pyyaml": Package("yaml", (6, 0, 2)),
    "rich": Package("rich", (14,)),
    "sqlglot": Package("sqlglot", (27,)),
    "starlette": Package("starlette", (1, 0)),
    "typer": Package("typer", (0, 29, 2), (0, 30)),
    "tzdata": Package("tzdata"),
    "uvicorn": Package("uvicorn", (0, 34)),
}
_SUMMER, _WINTER = datetime(2024, 7, 1, 12, tzinfo=UTC), datetime(2024, 1, 15, 12, tzinfo=UTC)


def python(_: CheckContext) -> Iterator[Finding]:
    """Check the interpreter and the SQLite that is built into it."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON:
        wanted = ".".join(map(str, PYTHON))
        yield Finding("python", "failed", version, f"nbactl needs {wanted}.", f"Install it with Python {wanted}.")
    elif sqlite3.sqlite_version_info < SQLITE:
        wanted = ".".join(map(str, SQLITE))
        cause = f"This Python has SQLite {sqlite3.sqlite_version}; the document store needs {wanted}."
        yield Finding("python", "failed", version, cause, "Use a Python built with a newer SQLite.")
    else:
        yield Finding("python", "ok", f"{version}, SQLite {sqlite3.sqlite_version}")


def dependencies(_: CheckContext) -> Iterator[Finding]:
    """Import every dependency and compare its version."""
    found: list[str] = []
    for name, package in PACKAGES.items():
        fix = f"Install it again: pip install '{name}{_range(package)}'"
        try:
            import_module(package.module)
            version = metadata.version(name)
        except ImportError as error:
            yield Finding("dependencies", "failed", f"{name} cannot be imported", str(error), fix)
            continue
        found.append(f"{name} {version}")
        parsed = _parse(version)
        if parsed < package.least or (package.below and parsed >= package.below):
            yield Finding("dependencies", "failed", f"{name} {version}", f"nbactl needs {name}{_range(package)}.", fix)
    yield Finding("dependencies", "ok", ", ".join(found))


def time_zone(_: CheckContext) -> Iterator[Finding]:
    """Check that Eastern time is known, daylight saving included."""
    fix = "Install the time zone data: pip install tzdata"
    try:
        eastern = ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError as error:
        yield Finding("time zone", "failed", "America/New_York is unknown", str(error), fix)
        return
    hours = [moment.astimezone(eastern).utcoffset() for moment in (_SUMMER, _WINTER)]
    if hours != [timedelta(hours=-4), timedelta(hours=-5)]:
        yield Finding("time zone", "failed", "America/New_York has the wrong offsets", f"Found {hours}.", fix)
    else:
        yield Finding("time zone", "ok", "America/New_York with daylight saving")


def clock(context: CheckContext) -> Iterator[Finding]:
    """Say what time it is; a clock that is far behind would order runs wrongly."""
    now = context.clock.now()
    eastern = now.astimezone(ZoneInfo("America/New_York"))
    message = f"{eastern:%Y-%m-%d %H:%M:%S %Z}"
    if now < _SUMMER:
        yield Finding(
            "clock", "failed", message, "The clock is years behind.", "Set it, or start time synchronisation."
        )
    else:
        yield Finding("clock", "ok", message)


def environment(context: CheckContext) -> Iterator[Finding]:
    """Look for misspelt variables, which would be ignored silently."""
    known = {**environment_variables(), **timeout_variables(context.settings.config_dir)}
    unknown = [name for name in context.environ if name.startswith("NBACTL_") and name not in {**known, **GIVEN}]
    refused = [name for name in unknown if name.startswith(TIMEOUT_PREFIX) and context.environ[name]]
    for name in refused:
        match = closest(name, known)
        fix = f"Did you mean {match}?" if match else "Remove it; `nbactl config explain timeouts` lists the names."
        yield Finding(
            "environment", "failed", f"{name} is set, but there is no such timeout", "No command starts.", fix
        )
    for name in unknown:
        if name in refused:
            continue
        match = closest(name, known)
        fix = f"Did you mean {match}?" if match else "Remove it; `nbactl help environment` lists what is read."
        yield Finding("environment", "warn", f"{name} is set and has no meaning", "It is ignored.", fix)
    if not unknown:
        used = sorted(name for name in known if context.environ.get(name))
        yield Finding("environment", "ok", ", ".join(used) if used else "no variable of nbactl is set")


def alerts(context: CheckContext) -> Iterator[Finding]:
    """Say where alerts go; nothing is sent."""
    try:
        where = "to console, log and Slack"
        if not context.has_slack():
            where = "to console and log; NBACTL_SLACK_WEBHOOK_URL is not set, so not to Slack"
    except NbactlError as error:
        yield Finding("alerts", "failed", error.message, error.cause, error.next_step)
    else:
        yield Finding("alerts", "ok", where)


def _parse(version: str) -> Version:
    parts = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        parts.append(int(part))
    return tuple(parts)


def _range(package: Package) -> str:
    least = ">=" + ".".join(map(str, package.least)) if package.least else ""
    below = "<" + ".".join(map(str, package.below)) if package.below else ""
    return ",".join(filter(None, (least, below)))
