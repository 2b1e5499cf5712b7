"""The model of `healing:` in workflows.yaml, and its checks: what is repaired, how often, and when to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, get_args

from nbactl.config.base import NO_ENTRIES, Seconds, Strict, Why, at_least, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.workflows import WorkflowsFile

KindName = Literal[
    "handoff_pending",
    "phase_not_triggered",
    "outbox_pending",
    "lease_stale",
    "batch_stalled",
    "completion_drift",
    "decision_orphan",
    "output_missing",
    "zero_rows",
    "ended_at_limit",
]
KINDS: Final[tuple[KindName, ...]] = get_args(KindName)
"""The kinds in the order in which they are repaired: what is on its way first, then what is computed again."""


class HealSpec(Strict):
    """How a kind of fault is repaired. A repair of an object ends in success, or after `attempts` in a final stop."""

    after: Seconds
    """How long something may be wrong before it is repaired: its own owner comes first."""
    attempts: Annotated[int, at_least(1), at_most(20)]
    """After so many attempts without effect the object is left to a person."""
    per_day: Annotated[int, at_least(1), at_most(100)]
    """Attempts per object and day (Eastern), those of faults that came back included."""
    backoff: Seconds
    """How long the first attempt has to show its effect; after each one twice as long."""
    auto: bool = True
    """Whether `heal --auto` repairs it."""
    why: Why

    def wait(self, attempts: int) -> float:
        """Return how many seconds the last of so many attempts has to show its effect."""
        return self.backoff * 2.0 ** (attempts - 1)


class HealingSpec(Strict):
    """What is healed. A kind that is left out is not looked for."""

    days: Annotated[int, at_least(1), at_most(30)] = 3
    """How many dates are looked at, the last one being today."""
    kinds: dict[str, HealSpec] = NO_ENTRIES


def check_healing(file: ConfigFile[WorkflowsFile]) -> Iterator[Problem]:
    """Yield the kinds that there are not."""
    from nbactl.config.problems import suggest  # noqa: PLC0415 - only a file that has changed is checked

    for name in {} if file.model.healing is None else file.model.healing.kinds:
        if name not in KINDS:
            path, message = ("healing", "kinds", name), f"'{name}' is not a kind of fault"
            yield file.positions.problem(path, message, suggest(name, KINDS), key=True)
