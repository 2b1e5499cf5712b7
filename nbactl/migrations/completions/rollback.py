"""Rollback: back to how readers and writers were before, with nobody lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.core.completions.stages import Stage
from nbactl.errors import PreconditionError
from nbactl.migrations.completions.refill import Refilled, refill

if TYPE_CHECKING:
    from nbactl.migrations.completions.limits import Limits
    from nbactl.migrations.model import MigrationState
    from nbactl.migrations.work import Work
    from nbactl.ports.documents import DocumentStore

PENDING: Final = "rollback"
_BACK_TO: Final = {
    Stage.DUAL_WRITE: Stage.LEGACY,
    Stage.BACKFILLED: Stage.LEGACY,
    Stage.VALIDATED: Stage.LEGACY,
    Stage.READS_SWITCHED: Stage.VALIDATED,
    Stage.DUAL_WRITE_STOPPED: Stage.READS_SWITCHED,
}


@dataclass(frozen=True, slots=True)
class RolledBack:
    """From where to where, and who was put back into the array on the way."""

    before: str
    after: str
    put_back: Refilled


def target_of(state: MigrationState) -> Stage:
    """Return the stage that a rollback leads to. Raises PreconditionError where there is none."""
    stage = Stage(state.stage)
    if state.pending == PENDING:
        return stage
    if stage not in _BACK_TO:
        cause = "The arrays are gone." if stage is Stage.CLEANED else "Nothing was begun."
        raise PreconditionError(
            f"there is no way back from stage {stage}",
            cause=cause,
            next_step="The last stage is left by nothing; the arrays are in the file that the history names."
            if stage is Stage.CLEANED
            else "nbactl migrate completions --status",
        )
    return _BACK_TO[stage]


def roll_back(store: DocumentStore, work: Work, limits: Limits) -> RolledBack:
    """Go back; finishes a rollback that was killed in the middle.

    Readers of the array must find everybody, so whoever completed while the array was not written is put back before
    the stage changes. For as long as a writer may not know of the change some complete without the array still: when
    that time is over they are put back too, and until then the rollback is pending and no other step is taken.
    """
    state = work.state()
    after = target_of(state)
    done = Refilled(0, 0)
    if state.pending != PENDING:
        if not _undoes_the_last_step(state, after):
            _wait_until_settled(work)
        if state.stage == Stage.DUAL_WRITE_STOPPED:
            done = refill(store, work, "before the stage changes")
        # Pending even if nothing follows: given again after a kill here, the command must not go back one more stage.
        state = work.record.change_stage(
            work.lease, work.operator, before=state.stage, after=after, settle=limits.settle, pending=PENDING
        )
    before = state.history[-1].before
    if before == Stage.DUAL_WRITE_STOPPED:
        _wait_until_settled(work)
        late = refill(store, work, "after it changed")
        done = Refilled(done.batches + late.batches, done.players + late.players)
    work.record.end_action(work.lease)
    return RolledBack(before, after.value, done)


def _undoes_the_last_step(state: MigrationState, after: Stage) -> bool:
    """Say whether writers that know the last step and those that do not are at most these two stages apart."""
    return bool(state.history) and state.history[-1].before == after


def _wait_until_settled(work: Work) -> None:
    until = work.state().settle_until
    if until is not None:
        work.wait((until - work.clock.now()).total_seconds())
