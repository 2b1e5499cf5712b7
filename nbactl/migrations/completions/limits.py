"""The durations of the migration, from timeouts.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbactl.config.timeouts import TimeoutsFile


@dataclass(frozen=True, slots=True)
class MigrationLimits:
    """All in seconds.

    `settle`: how long after a step some writer may not know of it. `max_age`: how old the validation of a gate may be.
    `reads_bake` and `cleanup_bake`: how long a stage must have lasted without an inconsistency before the next step.
    `mark_forgotten`: how old the mark of a service may be; a service that left no other since is gone.
    """

    settle: float
    max_age: float
    reads_bake: float
    cleanup_bake: float
    poll: float
    second_look: float
    recheck: float
    lease_ttl: float
    lease_renew: float
    mark_forgotten: float


def limits_from(timeouts: TimeoutsFile) -> MigrationLimits:
    """Read the limits."""
    # A writer may have read the stage just before the step, and then needs the time of one write to act on it.
    settle = timeouts["completions.stage_ttl"] + timeouts["documents.write"] + timeouts["migration.settle_margin"]
    return MigrationLimits(
        settle=settle,
        max_age=timeouts["migration.validation_max_age"],
        reads_bake=timeouts["migration.reads_bake"],
        cleanup_bake=timeouts["migration.cleanup_bake"],
        poll=timeouts["migration.poll"],
        second_look=timeouts["migration.second_look"],
        recheck=timeouts["migration.recheck"],
        lease_ttl=timeouts.leases["run"].ttl,
        lease_renew=timeouts.leases["run"].renew_every,
        mark_forgotten=timeouts["migration.mark_forgotten"],
    )
