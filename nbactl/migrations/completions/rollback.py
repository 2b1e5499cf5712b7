"""Rollback: back to how readers and writers were before, with nobody lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.core._support.faults import reach
from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import PreconditionError
from nbactl.migrations.completions.refill import Refilled, refill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.migrations.completions.limits import Limits
    from nbactl.migrations.model import MigrationState
    from nbactl.migrations.record import MigrationRecord
    from nbactl.migrations.work import Work
    from nbactl.ports.documents import DocumentStore

PENDING: Final = "rollback"
_BACK_TO: Final = {
    CompletionStage.DUAL_WRITE: CompletionStage.LEGACY,
    CompletionStage.BACKFILLED: CompletionStage.LEGACY,
    CompletionStage.VALIDATED: CompletionStage.LEGACY,
    CompletionStage.READS_SWITCHED: CompletionStage.VALIDATED,
    CompletionStage.DUAL_WRITE_STOPPED: CompletionStage.READS_SWITCHED,
}


@dataclass(frozen=True, slots=True)
class RolledBack:
    """From where to where, and who was put back into the array on the way."""

    before: str
    after: str
    put_back: Refilled


def target_of(state: MigrationState) -> CompletionStage:
    """Return the stage that a rollback leads to. Raises PreconditionError where there is none."""
    stage = CompletionStage(state.stage)
    if state.pending == PENDING:
        return stage
    if stage not in _BACK_TO:
        cause = "The arrays are gone." if stage is CompletionStage.CLEANED else "Nothing was begun."
        raise PreconditionError(
            f"there is no way back from stage {stage}",
            cause=cause,
            next_step="Put the arrays back first: --cleanup --undo FILE; --status names the file."
            if stage is CompletionStage.CLEANED
            else "nbactl migrate completions --status",
        )
    return _BACK_TO[stage]


def stages_back(state: MigrationState, to: CompletionStage | None) -> tuple[CompletionStage, ...]:
    """Return the stages that a rollback comes by: as far as `to`, or else one.

    Nothing is left to do in stage `to`. Raises PreconditionError where no rollback leads to `to`.
    """
    if to is None:
        return (target_of(state),)
    if state.pending == PENDING and state.stage == to:
        return (to,)
    way = tuple(_way_back(CompletionStage(state.stage)))
    if to != state.stage and to not in way:
        raise PreconditionError(
            f"no rollback leads from stage {state.stage} to {to}",
            cause=f"From here it goes back to {', then '.join(way)}." if way else "There is no way back from here.",
            next_step="nbactl migrate completions --status",
        )
    way = way[: way.index(to) + 1] if to in way else ()
    return (CompletionStage(state.stage), *way) if state.pending == PENDING else way


def _way_back(stage: CompletionStage) -> Iterator[CompletionStage]:
    while stage in _BACK_TO:
        stage = _BACK_TO[stage]
        yield stage


def roll_back(store: DocumentStore, work: Work, limits: Limits) -> RolledBack:
    """Go back a stage; finishes a rollback that was killed in the middle.

    Readers of the array must find everybody, so whoever completed while the array was not written is put back before
    the stage changes. For as long as a writer may not know of the change some complete without the array still: when
    that time is over they are put back too, and until then the rollback is pending and no other step is taken.
    It is pending still when this returns: until `tell` says that the operator knows of it, the command given again
    (after a kill, say) tells of this rollback, and does not go back one stage more.
    """
    state = work.state()
    after = target_of(state)
    done = Refilled(0, 0)
    if state.pending != PENDING:
        if not _undoes_the_last_step(state, after):
            _wait_until_settled(work)
        if state.stage == CompletionStage.DUAL_WRITE_STOPPED:
            done = refill(store, work, "before the stage changes")
        state = work.record.change_stage(
            work.lease, work.operator, before=state.stage, after=after, settle=limits.settle, pending=PENDING
        )
    before = state.history[-1].before
    if before == CompletionStage.DUAL_WRITE_STOPPED:
        _wait_until_settled(work)
        done += refill(store, work, "after it changed")
    work.record.end_action(work.lease, pending=PENDING)
    reach("migration.rolled_back")
    return RolledBack(before, after.value, done)


def tell(record: MigrationRecord, rolled: RolledBack) -> None:
    """Note that the operator was told of a rollback: from now on another one goes back further."""
    record.end_pending(PENDING, stage=rolled.after)
    reach("migration.rollback_told")


def _undoes_the_last_step(state: MigrationState, after: CompletionStage) -> bool:
    """Say whether writers that know the last step and those that do not are at most these two stages apart."""
    return bool(state.history) and state.history[-1].before == after


def _wait_until_settled(work: Work) -> None:
    until = work.state().settle_until
    if until is not None:
        work.wait((until - work.clock.now()).total_seconds())
