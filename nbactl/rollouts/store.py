"""Rollouts in the document store: each step in one commit with the change of its flag, decided by version."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nbactl.core._support.faults import reach
from nbactl.core.flags.moves import Position, move, position_of
from nbactl.errors import DataError, NotFoundError, PreconditionError
from nbactl.ports.documents import Query, Set
from nbactl.rollouts.decisions import moved_by_hand
from nbactl.rollouts.model import COLLECTION, RolloutAction, RolloutEntry, Rollout, RolloutStatus, fields_of, path_of, rollout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nbactl.core.flags.model import State
    from nbactl.core.flags.store import FlagStore
    from nbactl.ports.documents import DocumentStore, Transaction
    from nbactl.rollouts.model import RolloutGuard, RolloutStage


@dataclass(frozen=True, slots=True)
class _Signed:
    """Who changes a flag and why, and the salt that flags.yaml gives it."""

    salt: str
    by: str
    why: str


class RolloutStore:
    """Reads and moves rollouts. What somebody else changed meanwhile is never overwritten (PreconditionError)."""

    def __init__(self, documents: DocumentStore, flags: FlagStore, now: Callable[[], datetime]) -> None:
        self._documents = documents
        self._flags = flags
        self._now = now

    def all(self) -> tuple[list[Rollout], dict[str, str]]:
        """Return all rollouts by key, and why others cannot be read."""
        rollouts, unreadable = [], {}
        for document in self._documents.query(Query(COLLECTION)):
            try:
                rollouts.append(rollout_of(document.path, dict(document.data)))
            except DataError as error:
                unreadable[document.id] = error.message
        return rollouts, unreadable

    def get(self, key: str) -> Rollout | None:
        """Return the rollout of a flag. Raises DataError for one that cannot be read."""
        document = self._documents.get(path_of(key))
        return None if document is None else rollout_of(document.path, dict(document.data))

    def start(
        self, key: str, stages: Sequence[RolloutStage], guards: Sequence[RolloutGuard], *, salt: str, by: str, why: str, force: bool
    ) -> Rollout:
        """Put the flag into the first stage above where it stands.

        Raises PreconditionError if a rollout is under way, or the flag is beyond the plan; `force` begins anew.
        """

        def begin(transaction: Transaction) -> Rollout:
            before = self._read(transaction, key, tolerant=force)
            if before is not None and before.is_open and not force:
                raise PreconditionError(
                    f"{key} is being rolled out already: {before.status.value} at {before.percent:g} %",
                    next_step=f"nbactl flags rollout status {key}",
                )
            state = self._flags.look(transaction, key)
            here = position_of(state)
            at = next((n for n, stage in enumerate(stages, start=1) if stage.percent > here.percent), None)
            if at is None:
                raise PreconditionError(
                    f"{key} is {here.place} already, and its plan ends there", next_step=f"nbactl flags show {key}"
                )
            now = self._now()
            percent = stages[at - 1].percent
            flag = self._move(transaction, key, state, Position(percent, enabled=True), stages, _Signed(salt, by, why))
            rollout = Rollout(
                key=key,
                status=RolloutStatus.RUNNING,
                stages=tuple(stages),
                guards=tuple(guards),
                stage=at,
                entered_at=now,
                started_at=now,
                before=0.0 if state is None else state.percent,
                was_enabled=True if state is None else state.enabled,
                flag_version=flag.version,
                version=1 if before is None else before.version + 1,
                alerted_version=1 if before is None else before.version + 1,
                history=(RolloutEntry(now, RolloutAction.START, percent, by, why),),
            )
            transaction.write(Set(path_of(key), fields_of(rollout)))
            return rollout

        return self._commit(begin)

    def take(self, rollout: Rollout, action: RolloutAction, *, salt: str, by: str, why: str) -> Rollout:
        """Take a step from where the rollout was seen. Raises PreconditionError if it is not there any more."""

        def step(transaction: Transaction) -> Rollout:
            now_there = self._read(transaction, rollout.key)
            state = self._flags.look(transaction, rollout.key)
            if now_there is None or now_there.version != rollout.version:
                raise PreconditionError(
                    f"the rollout of {rollout.key} was changed by somebody else meanwhile; nothing was changed",
                    next_step=f"nbactl flags rollout status {rollout.key}",
                )
            if action in (RolloutAction.ADVANCE, RolloutAction.COMPLETE) and (moved := moved_by_hand(rollout, state)):
                raise PreconditionError(f"{rollout.key} was moved by hand: {moved}; nothing was changed")
            after = self._after(transaction, rollout, state, action, _Signed(salt, by, why))
            percent = position_of(state).percent if action is RolloutAction.PAUSE else after.percent
            entry = RolloutEntry(self._now(), action, after.before if action is RolloutAction.ABORT else percent, by, why)
            done = replace(after, version=rollout.version + 1, history=(*rollout.history, entry))
            transaction.write(Set(path_of(rollout.key), fields_of(done)))
            return done

        return self._commit(step)

    def mark_alerted(self, rollout: Rollout) -> None:
        """Note that the last step was told; nothing if another step came since."""

        def note(transaction: Transaction) -> None:
            there = self._read(transaction, rollout.key)
            if there is not None and there.version == rollout.version:
                transaction.write(Set(path_of(rollout.key), fields_of(replace(there, told=rollout.version))))

        self._documents.transaction(note)

    def _after(
        self, transaction: Transaction, rollout: Rollout, state: State | None, action: RolloutAction, signed: _Signed
    ) -> Rollout:
        """Return what becomes of the rollout, and write what becomes of the flag."""
        if action is RolloutAction.PAUSE:
            return replace(rollout, status=RolloutStatus.PAUSED)
        if action is RolloutAction.COMPLETE:
            return replace(rollout, status=RolloutStatus.COMPLETED)
        if action is RolloutAction.ABORT:
            back = Position(rollout.before, enabled=True) if rollout.was_enabled else Position(0.0, enabled=False)
            here = position_of(state)
            if here.enabled and (not back.enabled or back.percent < here.percent):  # it only ever takes back
                flag = self._move(transaction, rollout.key, state, back, rollout.stages, signed)
                rollout = replace(rollout, flag_version=flag.version)
            return replace(rollout, status=RolloutStatus.ABORTED)
        stage = rollout.stage + 1 if action is RolloutAction.ADVANCE else rollout.stage
        percent = rollout.stages[stage - 1].percent
        flag = self._move(transaction, rollout.key, state, Position(percent, enabled=True), rollout.stages, signed)
        return replace(rollout, status=RolloutStatus.RUNNING, stage=stage, entered_at=self._now(), flag_version=flag.version)

    def _move(  # noqa: PLR0917 - one place, two callers
        self,
        transaction: Transaction,
        key: str,
        state: State | None,
        to: Position,
        stages: Sequence[RolloutStage],
        signed: _Signed,
    ) -> State:
        planned = move(key, state, to, salt=signed.salt, stages=[stage.percent for stage in stages])
        [flag] = self._flags.write(transaction, [planned.change], by=signed.by, reason=signed.why)
        return flag

    def _read(self, transaction: Transaction, key: str, *, tolerant: bool = False) -> Rollout | None:
        document = transaction.get(path_of(key))
        if document is None:
            return None
        try:
            return rollout_of(document.path, dict(document.data))
        except DataError:
            if tolerant:
                return None
            raise

    def _commit(self, work: Callable[[Transaction], Rollout]) -> Rollout:
        reach("rollout.before_step")
        done = self._documents.transaction(work)
        reach("rollout.after_step")
        return done


def unknown_rollout(key: str) -> NotFoundError:
    """Return the error for a flag without a rollout."""
    return NotFoundError(f"{key} is not being rolled out", next_step=f"nbactl flags rollout start {key}")
