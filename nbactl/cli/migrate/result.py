"""What the actions of the completions migration return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core.lease.leases import Lease
    from nbactl.migrations.completions.backfill import BackfillReport
    from nbactl.migrations.completions.cleanup import Cleaned, Restored
    from nbactl.migrations.completions.plan import MigrationPlan
    from nbactl.migrations.completions.repair import RepairPlan, RepairResult
    from nbactl.migrations.completions.rollback import RolledBack
    from nbactl.migrations.gates import Gate
    from nbactl.migrations.model import MigrationState


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """A migration at `now`, the gates of its next step, and the lease if a process is working on it."""

    state: MigrationState
    gates: tuple[Gate, ...]
    lease: Lease | None
    now: datetime


@dataclass(frozen=True, slots=True)
class StageResult:
    """The outcome of an action that only moves or marks the migration.

    `message` says what was done, or would be with `dry_run`. `moved`: the stage was changed.
    """

    state: MigrationState
    message: str
    now: datetime
    moved: bool = False
    dry_run: bool = False
    forced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What the migration would do."""

    state: MigrationState
    plan: MigrationPlan


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """What a backfill did."""

    state: MigrationState
    report: BackfillReport


@dataclass(frozen=True, slots=True)
class RepairOutcome:
    """A repair: its plan, what was done unless it was a dry run, and the file with what was overwritten."""

    state: MigrationState
    plan: RepairPlan
    result: RepairResult | None
    export: str | None
    dry_run: bool

    @property
    def is_partial(self) -> bool:
        """Whether something is left to repair, by hand or because writers were active."""
        return bool(self.plan.by_hand or (self.result is not None and self.result.busy))


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """What a clean-up removed."""

    state: MigrationState
    cleaned: Cleaned


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What the undo of a clean-up restored, or would restore."""

    state: MigrationState
    restored: Restored


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """A rollback, and the state once it is acknowledged."""

    state: MigrationState
    rolled_back: RolledBack
    now: datetime
