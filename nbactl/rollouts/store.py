"""Rollouts in the document store: each step in one commit with the change of its flag, decided by version."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nbactl.core._support.faults import reach
from nbactl.core.flags.moves import Position, move, position_of
from nbactl.errors import DataError, NotFoundError, PreconditionError
from nbactl.ports.documents import Query, Set
from nbactl.rollouts.decisions import moved_by_hand
from nbactl.rollouts.model import (
    COLLECTION,
    Rollout,
    RolloutAction,
    RolloutEntry,
    RolloutStatus,
    fields_of,
    path_of,
    rollout_of,
)
from nbactl.rollouts.rules import first_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nbactl.core.flags.model import State
    from nbactl.core.flags.store import FlagStore
    from nbactl.ports.documents import DocumentStore, Transaction
    from nbactl.rollouts.model import RolloutStage
    from nbactl.rollouts.rules import RolloutRules


@dataclass(frozen=True, slots=True)
class RolloutStart:
    """What a start would do: `percent` is the stage it begins at. `paused` is the rollout that it resumes, if any."""

    key: str
    percent: float
    paused: Rollout | None


class RolloutStore:
    """Reads, starts and moves rollouts. A change by somebody else is never overwritten (PreconditionError)."""

    def __init__(
        self, documents: DocumentStore, flags: FlagStore, now: Callable[[], datetime], rules: RolloutRules
    ) -> None:
        self._documents = documents
        self._flags = flags
        self._now = now
        self._rules = rules

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

    def get_open(self, key: str) -> Rollout:
        """Return a rollout that is running or paused. Raises NotFoundError, or PreconditionError if it has ended."""
        rollout = self.get(key)
        if rollout is None:
            raise unknown_rollout(key)
        if not rollout.is_open:
            raise PreconditionError(
                f"the rollout of {key} is {rollout.status.value}",
                next_step=f"Start another one: nbactl flags rollout start {key}",
            )
        return rollout

    def plan_start(self, keys: Sequence[str], *, force: bool = False) -> list[RolloutStart]:
        """Return what starting these flags would do, in their order; nothing is changed.

        Raises NotFoundError for a flag that is not declared, and PreconditionError for a start that the rules refuse.
        `force` overrules the rules, but not the end of the plan.
        """
        rollouts = {rollout.key: rollout for rollout in self.all()[0]}
        stored, now = self._flags.read(), self._now()
        under_way = {key for key, rollout in rollouts.items() if rollout.is_open}
        planned = []
        for key in keys:
            rollout, (stages, _) = rollouts.get(key), self._rules.plan(key)
            if rollout is not None and rollout.status is RolloutStatus.PAUSED:
                planned.append(RolloutStart(key, rollout.percent, rollout))
                continue
            if rollout is not None and not force:
                _refuse_second(rollout)
            state = self._flags.get(key) if key in stored.unreadable else stored.states.get(key)
            percent = stages[0 if state is None else first_stage(key, stages, state) - 1].percent
            if not force:
                self._rules.check_start(key, percent, stored, under_way, now)
            first_stage(key, stages, state, self._rules.definition(key))  # a flag may be on before it is set
            under_way.add(key)
            planned.append(RolloutStart(key, percent, None))
        if not force:
            self._rules.check_health()
        return planned

    def start(self, key: str, *, by: str, why: str, force: bool = False) -> Rollout:
        """Begin with the stage where the flag is, else the first one above it, or resume a paused rollout at its stage.

        Raises what `plan_start` raises; with `force` a rollout that is running starts again.
        """
        [planned] = self.plan_start([key], force=force)
        if planned.paused is not None:
            return self._take(planned.paused, RolloutAction.RESUME, by=by, why=why)
        stages, guards = self._rules.plan(key)

        def begin(transaction: Transaction) -> Rollout:
            before = self._read(transaction, key, tolerant=force)
            if before is not None and not force:
                _refuse_second(before)
            state = self._flags.look(transaction, key)
            stage, now = first_stage(key, stages, state, self._rules.definition(key)), self._now()
            percent = stages[stage - 1].percent
            flag = self._move(transaction, key, state, Position(percent, enabled=True), stages, by=by, why=why)
            version = 1 if before is None else before.version + 1
            rollout = Rollout(
                key=key,
                status=RolloutStatus.RUNNING,
                stages=stages,
                guards=guards,
                stage=stage,
                entered_at=now,
                started_at=now,
                before=0.0 if state is None else state.percent,
                was_enabled=True if state is None else state.enabled,
                flag_version=flag.version,
                version=version,
                alerted_version=version,
                history=(RolloutEntry(now, RolloutAction.START, percent, by, why),),
            )
            transaction.write(Set(path_of(key), fields_of(rollout)))
            return rollout

        return self._commit(begin)

    def take(self, rollout: Rollout, action: RolloutAction, *, by: str, why: str) -> Rollout:
        """Advance, complete, pause or abort a rollout from where it was seen.

        Raises PreconditionError if it has changed since. A paused rollout is resumed by `start`.
        """
        if action in (RolloutAction.START, RolloutAction.RESUME, RolloutAction.HOLD):
            raise ValueError(f"{action.value} is not a step of a rollout")
        return self._take(rollout, action, by=by, why=why)

    def mark_alerted(self, rollout: Rollout) -> None:
        """Note that the alert of the last step was sent; nothing if another step came since."""

        def note(transaction: Transaction) -> None:
            stored = self._read(transaction, rollout.key)
            if stored is not None and stored.version == rollout.version:
                marked = replace(stored, alerted_version=rollout.version)
                transaction.write(Set(path_of(rollout.key), fields_of(marked)))

        self._documents.transaction(note)

    def _take(self, rollout: Rollout, action: RolloutAction, *, by: str, why: str) -> Rollout:
        def step(transaction: Transaction) -> Rollout:
            stored = self._read(transaction, rollout.key)
            state = self._flags.look(transaction, rollout.key)
            if stored is None or stored.version != rollout.version:
                raise PreconditionError(
                    f"the rollout of {rollout.key} was changed by somebody else meanwhile; nothing was changed",
                    next_step=f"nbactl flags rollout status {rollout.key}",
                )
            if action in (RolloutAction.ADVANCE, RolloutAction.COMPLETE) and (moved := moved_by_hand(rollout, state)):
                raise PreconditionError(f"{rollout.key} was moved by hand: {moved}; nothing was changed")
            after = self._after(transaction, rollout, state, action, by=by, why=why)
            percent = position_of(state).percent if action is RolloutAction.PAUSE else after.percent
            if action is RolloutAction.ABORT:
                percent = after.before
            entry = RolloutEntry(self._now(), action, percent, by, why)
            done = replace(after, version=rollout.version + 1, history=(*rollout.history, entry))
            transaction.write(Set(path_of(rollout.key), fields_of(done)))
            return done

        return self._commit(step)

    def _after(
        self,
        transaction: Transaction,
        rollout: Rollout,
        state: State | None,
        action: RolloutAction,
        *,
        by: str,
        why: str,
    ) -> Rollout:
        """Move the flag as the action requires, and return the rollout after it."""
        if action is RolloutAction.PAUSE:
            return replace(rollout, status=RolloutStatus.PAUSED)
        if action is RolloutAction.COMPLETE:
            return replace(rollout, status=RolloutStatus.COMPLETED)
        if action is RolloutAction.ABORT:
            back = Position(rollout.before, enabled=True) if rollout.was_enabled else Position(0.0, enabled=False)
            here = position_of(state)
            if here.enabled and (not back.enabled or back.percent < here.percent):  # an abort only takes back
                flag = self._move(transaction, rollout.key, state, back, rollout.stages, by=by, why=why)
                rollout = replace(rollout, flag_version=flag.version)
            return replace(rollout, status=RolloutStatus.ABORTED)
        stage = rollout.stage + 1 if action is RolloutAction.ADVANCE else rollout.stage
        to = Position(rollout.stages[stage - 1].percent, enabled=True)
        flag = self._move(transaction, rollout.key, state, to, rollout.stages, by=by, why=why)
        return replace(
            rollout, status=RolloutStatus.RUNNING, stage=stage, entered_at=self._now(), flag_version=flag.version
        )

    def _move(
        self,
        transaction: Transaction,
        key: str,
        state: State | None,
        to: Position,
        stages: Sequence[RolloutStage],
        *,
        by: str,
        why: str,
    ) -> State:
        percents = [stage.percent for stage in stages]
        planned = move(key, state, to, salt=self._rules.salt(key), stages=percents)
        [flag] = self._flags.write(transaction, [planned.change], by=by, reason=why)
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


def _refuse_second(rollout: Rollout) -> None:
    if rollout.is_open:
        raise PreconditionError(
            f"{rollout.key} is being rolled out already: {rollout.status.value} at {rollout.percent:g} %",
            next_step=f"nbactl flags rollout status {rollout.key}",
        )


def unknown_rollout(key: str) -> NotFoundError:
    """Return the error for a flag without a rollout."""
    return NotFoundError(f"{key} is not being rolled out", next_step=f"nbactl flags rollout start {key}")
