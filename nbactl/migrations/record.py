"""The record of a migration: every change of it is one commit, under its lease."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nbactl.core._support.faults import reach
from nbactl.errors import DataError, NotAuthorisedError, PreconditionError
from nbactl.migrations.model import Checkpoint, MigrationState, Pause, StageChange, Validation
from nbactl.ports.documents import Set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from nbactl.core._support.clock import Clock
    from nbactl.core.lease.leases import Lease, Leases
    from nbactl.migrations.model import Operator
    from nbactl.ports.documents import Document, DocumentStore, Transaction

    T = TypeVar("T")

MIGRATIONS = "migrations"


def state_path(name: str) -> str:
    """Return the path of a migration's document."""
    return f"{MIGRATIONS}/{name}"


def chunk_path(name: str, number: int) -> str:
    """Return the path of a chunk of the running action; the first has the number 1."""
    return f"{state_path(name)}/chunks/{number:06d}"


def state_document(state: MigrationState) -> dict[str, Any]:
    """Return a migration as a document."""
    return {
        "name": state.name,
        "project": state.project,
        "stage": state.stage,
        "changed_at": state.changed_at,
        "settle_until": state.settle_until,
        "paused": _fields(state.paused),
        "pending": state.pending,
        "checkpoint": _fields(state.checkpoint),
        "last_validation": _fields(state.last_validation),
        "drift_at": state.drift_at,
        "history": [
            {
                "at": change.at,
                "who": change.who,
                "why": change.why,
                "from": change.before,
                "to": change.after,
                "forced": list(change.forced),
            }
            for change in state.history
        ],
    }


def read_state(document: Document, name: str) -> MigrationState:
    """Return the migration that a document holds. Raises DataError if it is not a migration."""
    data = document.data
    try:
        return MigrationState(
            name=name,
            stage=data["stage"],
            project=data["project"],
            changed_at=data["changed_at"],
            settle_until=data["settle_until"],
            paused=_read(Pause, data["paused"]),
            pending=data["pending"],
            checkpoint=_read(Checkpoint, data["checkpoint"]),
            last_validation=_read(Validation, data["last_validation"]),
            drift_at=data["drift_at"],
            history=tuple(_read_change(entry) for entry in data["history"]),
        )
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{document.path} cannot be read",
            cause=f"It is not a migration document of nbactl: {type(error).__name__} {error}.",
            next_step="Find out what wrote it. nbactl does not guess the stage.",
            details={"path": document.path},
        ) from error


def _fields(record: Pause | Checkpoint | Validation | None) -> dict[str, Any] | None:
    return None if record is None else asdict(record)


def _read(kind: Callable[..., T], data: Mapping[str, Any] | None) -> T | None:
    return None if data is None else kind(**data)


def _read_change(data: Mapping[str, Any]) -> StageChange:
    return StageChange(data["at"], data["who"], data["why"], data["from"], data["to"], tuple(data["forced"]))


_PAGE = 100


class MigrationRecord:
    """Reads and changes `migrations/{name}` of one project.

    A change that moves the migration needs its lease, and raises StaleFenceError once another process holds it.
    """

    def __init__(
        self, store: DocumentStore, clock: Clock, leases: Leases, *, name: str, first: str, project: str
    ) -> None:
        self.name = name
        self._store = store
        self._clock = clock
        self._leases = leases
        self._first = first
        self._project = project

    def read(self) -> MigrationState:
        """Return the migration as it is; one that has not started is in its first stage.

        Raises NotAuthorisedError if the store belongs to another project.
        """
        return self._state(self._store.get(state_path(self.name)))

    def change_stage(
        self,
        lease: Lease,
        operator: Operator,
        *,
        before: str,
        after: str,
        settle: float,
        forced: tuple[str, ...] = (),
        pending: str | None = None,
        proof: Validation | None = None,
        beside: Sequence[Set] = (),
    ) -> MigrationState:
        """Move from stage `before` to `after`, with its entry in the history, in one commit.

        For `settle` seconds the next step is refused, so that every writer learns of this one. The checkpoint of the
        stage before is dropped; `proof` is the validation that led to the new stage. `beside` is written in the same
        commit.
        """
        now = self._clock.now()

        def move(state: MigrationState) -> MigrationState:
            if state.stage != before:
                raise PreconditionError(
                    f"{self.name} is in stage {state.stage}, no longer in {before}",
                    cause="Another process moved it meanwhile.",
                    next_step=f"See the stage: nbactl migrate {self.name} --status",
                )
            change = StageChange(now, operator.who, operator.why, before, after, forced)
            return replace(
                state,
                stage=after,
                changed_at=now,
                settle_until=now + timedelta(seconds=settle),
                pending=pending,
                checkpoint=None,
                last_validation=proof,
                history=(*state.history, change),
            )

        reach("migration.before_stage")
        state = self._change(move, lease, beside)
        reach("migration.stage_changed")
        return state

    def save(self, lease: Lease, checkpoint: Checkpoint, chunk: Mapping[str, Any]) -> None:
        """Record that a chunk is done: the checkpoint, and the chunk's own document, in one commit.

        Chunks are numbered from 1 and replace those of the action before.
        """
        now = self._clock.now()

        def note(transaction: Transaction) -> None:
            state = self._read_in(transaction, lease)
            written = replace(state, checkpoint=checkpoint)
            transaction.write(
                Set(state_path(self.name), state_document(written)),
                Set(chunk_path(self.name, checkpoint.chunks), {**chunk, "action": checkpoint.action, "at": now}),
            )

        reach("migration.before_checkpoint")
        self._store.transaction(note)
        reach("migration.checkpointed")

    def chunks(self, checkpoint: Checkpoint) -> Iterator[Document]:
        """Yield the documents of the chunks up to `checkpoint`, in order."""
        paths = [chunk_path(self.name, number + 1) for number in range(checkpoint.chunks)]
        for start in range(0, len(paths), _PAGE):
            yield from (found for found in self._store.get_all(paths[start : start + _PAGE]) if found is not None)

    def end_action(self, lease: Lease, *, pending: str | None = None) -> MigrationState:
        """Drop the checkpoint of a finished action, and set what is still `pending`."""
        return self._change(lambda state: replace(state, checkpoint=None, pending=pending), lease)

    def end_pending(self, action: str, *, stage: str) -> MigrationState:
        """Record that `action` is no longer pending, if the stage is `stage`. Needs no lease."""

        def end(state: MigrationState) -> MigrationState:
            return replace(state, pending=None) if (state.pending, state.stage) == (action, stage) else state

        return self._change(end)

    def note_validation(self, validation: Validation) -> MigrationState:
        """Record what a full validation found, if the migration is still in the stage that was validated."""

        def note(state: MigrationState) -> MigrationState:
            if state.stage != validation.stage:
                return state
            drift = state.drift_at if validation.consistent else validation.finished_at
            return replace(state, last_validation=validation, drift_at=drift)

        return self._change(note)

    def note_drift(self) -> None:
        """Record that an inconsistency was seen now."""
        now = self._clock.now()
        self._change(lambda state: replace(state, drift_at=now))

    def pause(self, operator: Operator) -> MigrationState:
        """Make the running action wait after its chunk."""
        pause = Pause(self._clock.now(), operator.who, operator.why)
        return self._change(lambda state: replace(state, paused=state.paused or pause))

    def resume(self) -> MigrationState:
        """Let it continue."""
        return self._change(lambda state: replace(state, paused=None))

    def _change(
        self,
        change: Callable[[MigrationState], MigrationState],
        lease: Lease | None = None,
        beside: Sequence[Set] = (),
    ) -> MigrationState:
        def run(transaction: Transaction) -> MigrationState:
            before = self._read_in(transaction, lease)
            after = change(before)
            if after != before:
                transaction.write(Set(state_path(self.name), state_document(after)), *beside)
            return after

        return self._store.transaction(run)

    def _read_in(self, transaction: Transaction, lease: Lease | None) -> MigrationState:
        if lease is not None:
            self._leases.check(transaction, lease)
        return self._state(transaction.get(state_path(self.name)))

    def _state(self, document: Document | None) -> MigrationState:
        if document is None:
            return MigrationState(self.name, self._first, self._project)
        state = read_state(document, self.name)
        if state.project != self._project:
            raise NotAuthorisedError(
                f"this store holds the migration {self.name} of project '{state.project}', not of '{self._project}'",
                cause=f"{document.path} was written for another project; its stage must not move this one's writers.",
                next_step="Check --project, --target and --state-dir.",
                details={"project": state.project, "expected": self._project},
            )
        return state
