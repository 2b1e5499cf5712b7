"""What is looked at, and what was found.

The statuses are those of Irakli Nadareishvili, "Health Check Response Format for HTTP APIs", an Internet draft
(draft-inadarei-api-health-check-06).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

Status = Literal["pass", "warn", "fail"]

Probe = Callable[[], str | None]
"""Looks at a dependency once: returns None if all is well, a sentence if it has a flaw; raises if it does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """A dependency. Without a critical one the service is of no use, and says that it fails.

    `component_type` is a word of the draft: component, datastore or system. `timeout` is in seconds.
    """

    name: str
    probe: Probe
    timeout: float
    critical: bool = True
    component_type: str = "datastore"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a dependency. `took` is in milliseconds, None without an answer; `output` is what is amiss."""

    status: Status
    took: float | None
    at: datetime
    output: str | None = None
