"""Checks of what most services stand on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from nbactl.core.service.health import Check
from nbactl.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nbactl.core.calls.breaker import Breaker
    from nbactl.core.flags.client import FlagsHealth
    from nbactl.ports.documents import DocumentStore

_NOWHERE: Final = "health/probe"
"""A document that nobody writes: that it is not there is an answer."""
_MIB: Final = 1024 * 1024


def documents(store: DocumentStore, timeout: float) -> Check:
    """Return the check of a document store: it reads a document that is not there."""

    def probe() -> None:
        store.get(_NOWHERE)

    return Check("documents", probe, timeout)


def breakers(in_use: Mapping[str, Breaker], timeout: float) -> Check:
    """Return the check of the breakers in use: one that is open is a flaw, for the others' work goes on."""

    def probe() -> str | None:
        stopped = sorted(name for name, breaker in dict(in_use).items() if breaker.state != "closed")
        return f"open: {', '.join(stopped)}" if stopped else None

    return Check("breakers", probe, timeout, critical=False, component_type="component")


def flags(health: Callable[[], FlagsHealth], timeout: float) -> Check:
    """Return the check of the flags: while the store does not answer, they stay as they were last known."""

    def probe() -> str | None:
        known = health()
        if known.failures:
            return f"not refreshed, {known.failures} times in a row"
        return "; ".join(known.problems) or None

    return Check("flags", probe, timeout, critical=False, component_type="component")


def disk(folder: Path, least: int, timeout: float) -> Check:
    """Return the check of the disk under `folder`, made or not, which needs at least `least` bytes free."""

    def probe() -> None:
        place = folder.absolute()
        free = shutil.disk_usage(next(each for each in (place, *place.parents) if each.exists())).free
        if free < least:
            raise UnavailableError(f"{free // _MIB} MiB are free, {least // _MIB} are needed")

    return Check("disk", probe, timeout, component_type="system")
