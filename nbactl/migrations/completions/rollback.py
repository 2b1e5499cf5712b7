"""Rollback: back to the readers and writers of the stage before, without losing a completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbactl.core._support.faults import reach
from nbactl.core.completions.documents import COMPLETED_PLAYERS
from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import PreconditionError
from nbactl.migrations.completions.compare import compare
from nbactl.migrations.completions.selection import Selection, next_chunk, number_of_batches
from nbactl.migrations.work import Meter
from nbactl.ports.documents import ArrayUnion, Update

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbactl.migrations.completions.batch import Batch
    from nbactl.migrations.completions.limits import MigrationLimits
    from nbactl.migrations.model import MigrationState
    from nbactl.migrations.record import MigrationRecord
    from nbactl.migrations.work import MigrationWork
    from nbactl.ports.documents import DocumentStore

PENDING: Final = "rollback"
_BACK_TO: Final = {
    CompletionStage.DUAL_WRITE: CompletionStage.LEGACY,
    CompletionStage.BACKFILLED: CompletionStage.LEGACY,
    CompletionStage.VALIDATED: CompletionStage.LEGACY,
    CompletionStage.READS_SWITCHED: CompletionStage.VALIDATED,
    CompletionStage.DUAL_WRITE_STOPPED: CompletionStage.READS_SWITCHED,
}
_AT_ONCE: Final = 500
"""Players that one commit adds: few enough for every limit."""


@dataclass(frozen=True, slots=True)
class Refilled:
    """How many players were added to the array, in how many batches."""

    batches: int
    players: int

    def __add__(self, other: Refilled) -> Refilled:
        """Return the sum."""
        return Refilled(self.batches + other.batches, self.players + other.players)


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The stages before and after, and how many players were added to the array."""

    before: str
    after: str
    put_back: Refilled


def target_of(state: MigrationState) -> CompletionStage:
    """Return the stage that a rollback leads to. Raises PreconditionError if there is none."""
    stage = CompletionStage(state.stage)
    if state.pending == PENDING:
        return stage
    if stage not in _BACK_TO:
        cause = "The arrays were removed." if stage is CompletionStage.CLEANED else "The migration has not started."
        raise PreconditionError(
            f"stage {stage} cannot be rolled back",
            cause=cause,
            next_step="First restore the arrays: nbactl migrate completions --cleanup --undo FILE"
            if stage is CompletionStage.CLEANED
            else "See the stage: nbactl migrate completions --status",
        )
    return _BACK_TO[stage]


def stages_back(state: MigrationState, to: CompletionStage | None) -> tuple[CompletionStage, ...]:
    """Return the stages of a rollback in order: as far as `to`, by default one.

    It is empty in stage `to`. Raises PreconditionError if no rollback leads to `to`.
    """
    if to is None:
        return (target_of(state),)
    if state.pending == PENDING and state.stage == to:
        return (to,)
    way = tuple(_way_back(CompletionStage(state.stage)))
    if to != state.stage and to not in way:
        raise PreconditionError(
            f"no rollback leads from stage {state.stage} to {to}",
            cause=f"From here it leads to {', then '.join(way)}." if way else "This stage cannot be rolled back.",
            next_step="See the stage: nbactl migrate completions --status",
        )
    way = way[: way.index(to) + 1] if to in way else ()
    return (CompletionStage(state.stage), *way) if state.pending == PENDING else way


def _way_back(stage: CompletionStage) -> Iterator[CompletionStage]:
    while stage in _BACK_TO:
        stage = _BACK_TO[stage]
        yield stage


def roll_back(store: DocumentStore, work: MigrationWork, limits: MigrationLimits) -> RolledBack:
    """Go back one stage; finishes a rollback that was killed.

    Readers of the array must find every player, so players who completed while the array was not written are added to
    it before the stage changes. Writers that do not know of the change yet still complete players without the array:
    these are added after the settling time, and until then the rollback is pending and no other step is possible.
    It is still pending when this returns: until `acknowledge` is called, running the command again (after a kill, say)
    reports this rollback, and does not go back another stage.
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


def acknowledge(record: MigrationRecord, rolled: RolledBack) -> None:
    """Record that the operator has seen the outcome of a rollback; the next one goes back further."""
    record.end_pending(PENDING, stage=rolled.after)
    reach("migration.rollback_acknowledged")


def _undoes_the_last_step(state: MigrationState, after: CompletionStage) -> bool:
    """Say whether writers that know of the last step and those that do not are in one of these two stages."""
    return bool(state.history) and state.history[-1].before == after


def _wait_until_settled(work: MigrationWork) -> None:
    until = work.state().settle_until
    if until is not None:
        work.wait((until - work.clock.now()).total_seconds())


def refill(store: DocumentStore, work: MigrationWork, phase: str) -> Refilled:
    """Add to the arrays every player with a document, a checkpoint per chunk; includes what was done before a kill."""
    selection = Selection()
    fresh = {"after": None, "more": True, "seen": 0, "batches": 0, "players": 0}
    checkpoint = work.begin("refill", phase, cursor=fresh)
    cursor = dict(checkpoint.cursor)
    total = number_of_batches(store, selection)
    meter = Meter(work.clock, "rollback", phase, done=cursor["seen"], total=total)
    while cursor["more"]:
        work.wait_if_paused(meter)
        with store.snapshot() as snapshot:
            chunk = next_chunk(snapshot, selection, cursor["after"], snapshot.read_time)
            compared = [
                compare(snapshot, batch, CompletionStage.DUAL_WRITE_STOPPED, payloads=False)
                for batch in chunk.documents
            ]
        for comparison in compared:
            lacking = sorted(comparison.completed - comparison.batch.players)
            if lacking:
                add_to_array(store, comparison.batch, lacking)
                cursor |= {"batches": cursor["batches"] + 1, "players": cursor["players"] + len(lacking)}
        cursor |= {"after": chunk.after, "more": chunk.more, "seen": cursor["seen"] + len(chunk.documents)}
        checkpoint = work.save(checkpoint, cursor, {"after": chunk.after})
        work.observe(meter.at(cursor["seen"], {"put back": cursor["players"]}))
    return Refilled(cursor["batches"], cursor["players"])


def add_to_array(store: DocumentStore, batch: Batch, players: Sequence[str]) -> None:
    """Add players to the array of a batch; those in it already are not changed."""
    for start in range(0, len(players), _AT_ONCE):
        added = ArrayUnion(tuple(players[start : start + _AT_ONCE]))
        store.commit([Update(batch.path, {COMPLETED_PLAYERS: added})])
        reach("migration.put_back")
