"""The completions migration: what each action does, which gates it needs, and what it leaves behind."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nbactl.core.completions.documents import BATCHES
from nbactl.core.completions.participants import read_participants
from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import NbactlError, PreconditionError
from nbactl.migrations.completions.absent import TAKES_PART_IN, Absent, absent_services
from nbactl.migrations.completions.backfill import Backfill
from nbactl.migrations.completions.cleanup import CleanUp, Restored, preview_restore, restore_arrays, saved_arrays
from nbactl.migrations.completions.compare import WITHOUT_ARRAY
from nbactl.migrations.completions.export import Export
from nbactl.migrations.completions.gates import COMMAND, gates_of
from nbactl.migrations.completions.plan import make_plan
from nbactl.migrations.completions.repair import RepairExecutor, RepairPlan, RepairResult
from nbactl.migrations.completions.rollback import Refilled, RolledBack, acknowledge, roll_back, stages_back
from nbactl.migrations.completions.selection import Selection, no_batches
from nbactl.migrations.completions.validate import Validator
from nbactl.migrations.gates import pass_gates
from nbactl.migrations.record import MigrationRecord, state_path
from nbactl.migrations.work import MigrationWork, hold_lease, stopped
from nbactl.ports.documents import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from nbactl.core._support.aio import Cancellation
    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.bulk import BulkWriter
    from nbactl.core.lease.leases import Leases
    from nbactl.migrations.completions.backfill import BackfillReport
    from nbactl.migrations.completions.cleanup import Cleaned
    from nbactl.migrations.completions.limits import MigrationLimits
    from nbactl.migrations.completions.plan import MigrationPlan
    from nbactl.migrations.completions.validate import ValidationReport
    from nbactl.migrations.gates import Gate
    from nbactl.migrations.model import Checkpoint, MigrationState, Operator
    from nbactl.migrations.work import ProgressEvent
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.services import DeployedService

NAME: Final = "completions"
LEASE: Final = f"migrations/{NAME}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls an action, what observes it, and what cancels it."""

    operator: Operator
    observe: Callable[[ProgressEvent], None]
    cancellation: Cancellation


class CompletionsMigration:
    """Every action of `nbactl migrate completions`.

    What moves the migration holds its lease. An action that was killed resumes when it is called again.
    """

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        leases: Leases,
        *,
        owner: Callable[[], str],
        project: str,
        limits: MigrationLimits,
        bulk_writer: Callable[[float | None], BulkWriter],
        exports: Path,
        services: Callable[[], Sequence[DeployedService]] = tuple,
        recorders: Collection[str] = (),
    ) -> None:
        """With `services`, the deployed ones, gates name those that do not take part.

        `recorders` are the names of those that record completions even without a variable for it.
        """
        self.limits = limits
        self.record = MigrationRecord(store, clock, leases, name=NAME, first=CompletionStage.LEGACY, project=project)
        self._store = store
        self._clock = clock
        self._leases = leases
        self._owner = owner
        self._bulk_writer = bulk_writer
        self._exports = exports
        self._services = services
        self._recorders = recorders

    @property
    def stage(self) -> CompletionStage:
        """The stage now."""
        return CompletionStage(self.record.read().stage)

    def plan(self, selection: Selection, rate: float, caller: Caller) -> MigrationPlan:
        """Return what the migration would do, and cost; changes nothing. Raises NotFoundError without batches."""
        plan = make_plan(
            self._store,
            self._clock,
            selection,
            rate=rate,
            array_expected=self.stage not in WITHOUT_ARRAY,
            observe=caller.observe,
            check=_check(caller),
        )
        if not plan.batches:
            raise no_batches(selection)
        return plan

    def gates(self, action: str, *, max_age: float | None = None, compare_active: bool = False) -> list[Gate]:
        """Return the gates of an action as they are now; `compare_active` includes a comparison of open batches."""
        state = self.record.read()
        active = None
        if compare_active and action == "switch-reads" and state.stage == CompletionStage.VALIDATED:
            active = self._validator(_silent).active(CompletionStage.VALIDATED)
        age = self.limits.max_age if max_age is None else max_age
        now, absent = self._clock.now(), list[Absent]()
        if action in TAKES_PART_IN and state.stage == TAKES_PART_IN[action]:
            absent = self._absent(action, now)
        return gates_of(action, state, self.limits, now, max_age=age, active=active, absent=absent)

    def _absent(self, action: str, now: datetime) -> list[Absent]:
        unknown: list[Absent] = []
        deployed: Sequence[DeployedService] = ()
        try:
            deployed = self._services()
        except NbactlError as error:
            why = f"cannot be listed ({error.message})"
            unknown = [Absent("the deployed services", why, "check the access of this account to Cloud Run")]
        marks, forgotten = read_participants(self._store), self.limits.mark_forgotten
        return [*unknown, *absent_services(action, marks, deployed, self._recorders, now=now, forgotten=forgotten)]

    def skip_if_empty(self, caller: Caller) -> bool:
        """Go to the last stage if there is no batch yet, so that completions are documents from the first one on.

        Only for a store that no other program writes. Returns whether this call did it; a migration that has begun
        stays where it is.
        """
        if self._store.get(state_path(NAME)) is not None or next(self._store.query(Query(BATCHES, limit=1)), None):
            return False
        with self._working(caller) as work:
            if self._store.get(state_path(NAME)) is not None:
                return False
            self._move(work, CompletionStage.LEGACY, CompletionStage.CLEANED)
        return True

    def start_dual_write(self, caller: Caller, *, force: bool = False) -> MigrationState:
        """Have writers write both sides. Raises PreconditionError unless the gates hold.

        Like the other steps, it does nothing if it was already taken.
        """
        return self._step("start-dual-write", CompletionStage.LEGACY, CompletionStage.DUAL_WRITE, caller, force=force)

    def switch_reads(self, caller: Caller, *, force: bool = False, max_age: float | None = None) -> MigrationState:
        """Have readers read the subcollection, which was just validated."""
        return self._step(
            "switch-reads",
            CompletionStage.VALIDATED,
            CompletionStage.READS_SWITCHED,
            caller,
            force=force,
            max_age=max_age,
        )

    def stop_dual_write(self, caller: Caller, *, force: bool = False, max_age: float | None = None) -> MigrationState:
        """Have writers write the subcollection alone, which was read for long enough."""
        after = CompletionStage.DUAL_WRITE_STOPPED
        return self._step(
            "stop-dual-write", CompletionStage.READS_SWITCHED, after, caller, force=force, max_age=max_age
        )

    def backfill(self, selection: Selection, caller: Caller, *, rate: float | None = None) -> BackfillReport:
        """Create the missing documents; moves to `backfilled` when nothing is left to do in any batch.

        Raises NotFoundError for a part that has no batches.
        """
        with self._working(caller) as work:
            pass_gates("--backfill", self.gates("backfill"), force=False)
            stage = self.stage
            report = Backfill(self._store, self._bulk_writer(rate), work, stage, selection, rate=rate).run()
            if stage is CompletionStage.DUAL_WRITE and selection.is_all and not report.refused:
                self._move(work, CompletionStage.DUAL_WRITE, CompletionStage.BACKFILLED)
            else:
                work.record.end_action(work.lease)
            if not report.counts.batches and not selection.is_all:
                raise no_batches(selection)
            return report

    def validate(self, selection: Selection, caller: Caller) -> ValidationReport:
        """Compare both sides; a full comparison is recorded, and moves from `backfilled` to `validated`.

        A comparison of a part needs no lease and proves nothing for a gate, but an inconsistency is recorded. One of
        no batches is not consistent, and not recorded.
        """
        if not selection.is_all:
            return self.compare(selection, caller)
        with self._working(caller) as work:
            stage = self.stage
            report = self._validator(caller.observe).run_recorded(work, stage, selection, young=self.limits.max_age)
            work.record.end_action(work.lease)
            if stage is CompletionStage.BACKFILLED and report.consistent:
                self._move(work, stage, CompletionStage.VALIDATED, proof=report)
            elif report.validation.batches:
                work.record.note_validation(report.validation)
            return report

    def compare(self, selection: Selection, caller: Caller) -> ValidationReport:
        """Compare both sides without the lease; only an inconsistency is recorded."""
        stage = self.stage
        report = self._validator(caller.observe).run(stage, selection, _check(caller))
        if report.findings and stage is not CompletionStage.LEGACY:
            self.record.note_drift()
        return report

    def plan_repair(self, selection: Selection, caller: Caller) -> tuple[RepairPlan, ValidationReport]:
        """Return what a repair would change; changes nothing. Raises NotFoundError without batches."""
        stage = self.stage
        report = self._validator(caller.observe).run(stage, selection, _check(caller))
        if not report.validation.batches:
            raise no_batches(selection)
        plan = RepairPlan()
        for comparison in report.inconsistent:
            plan.add(comparison, stage)
        return plan, report

    def repair(self, plan: RepairPlan, caller: Caller) -> tuple[RepairResult, str | None]:
        """Carry out a plan; returns what was done, and the file with what was overwritten, if anything was."""
        with self._working(caller) as work:
            done, export = RepairResult(), Export(self._export_path("repair"))
            executor = RepairExecutor(self._store, self.stage, export)
            for path in plan.paths:
                work.wait_if_paused()
                executor.repair_batch(path, done)
            return done, str(export.path) if export.documents else None

    def clean_up(self, caller: Caller, *, force: bool = False) -> Cleaned:
        """Remove the arrays after a last full validation, with all of them saved; `undo_clean_up` brings them back."""
        with self._working(caller) as work:
            gates = self.gates("cleanup")
            forced = pass_gates("--cleanup", gates, force=force)
            checkpoint = self._cleanup_checkpoint(work)
            if checkpoint.chunks == 0:
                report = self._validator(caller.observe).run_recorded(
                    work, CompletionStage.DUAL_WRITE_STOPPED, Selection(), young=self.limits.max_age
                )
                work.record.end_action(work.lease)
                work.record.note_validation(report.validation)
                if report.findings:
                    raise PreconditionError(
                        f"--cleanup is refused: the final validation found {len(report.findings)} inconsistencies",
                        cause="A completion that only the array has would be lost with it.",
                        next_step=f"{COMMAND} --repair",
                        details={"findings": report.findings.counts()},
                    )
            clean = CleanUp(self._store, work, self._exports / str(checkpoint.cursor["export"]))
            if checkpoint.chunks == 0:
                clean.save_all()
                # From here on the same command resumes with this file.
                checkpoint = work.save(checkpoint, checkpoint.cursor, {"export": checkpoint.cursor["export"]})
            cleaned = clean.remove_all(checkpoint)
            noted = _with_note(work.operator, f"arrays saved in {cleaned.export}")
            self._move(
                replace(work, operator=noted),
                CompletionStage.DUAL_WRITE_STOPPED,
                CompletionStage.CLEANED,
                forced=forced,
            )
            return cleaned

    def undo_clean_up(self, file: Path, selection: Selection, caller: Caller, *, dry_run: bool = False) -> Restored:
        """Restore the arrays that a clean-up saved; once all of them are restored, the stage is the one before it.

        Raises PreconditionError in stages in which nothing was removed.
        """
        state = self.record.read()
        if state.stage not in WITHOUT_ARRAY or state.pending is not None:
            raise PreconditionError(
                f"nothing was cleaned up in stage {state.stage}", next_step=f"See the stage: {COMMAND} --status"
            )
        arrays = saved_arrays(file, selection)
        if dry_run:
            return preview_restore(self._store, file, arrays)
        with self._working(caller) as work:
            restored = restore_arrays(self._store, work, file, arrays)
            if self.stage is CompletionStage.CLEANED and selection.is_all:
                noted = _with_note(work.operator, f"arrays restored from {file}")
                self._move(replace(work, operator=noted), CompletionStage.CLEANED, CompletionStage.DUAL_WRITE_STOPPED)
            else:
                work.record.end_action(work.lease)  # a clean-up that was killed starts over
            return restored

    def roll_back(self, caller: Caller, *, to: CompletionStage | None = None, acknowledged: bool = True) -> RolledBack:
        """Go back to the stage whose readers and writers are as they were before the last change of them, or to `to`.

        Unless it is `acknowledged` at once, it stays pending until `acknowledge_rollback` is called: if the process is
        killed before its caller has seen the outcome, the next call reports this rollback and does not repeat it.
        """
        with self._working(caller) as work:
            state = self.record.read()
            before, after, put_back = state.stage, state.stage, Refilled(0, 0)
            for number, _ in enumerate(stages := stages_back(state, to)):
                rolled = roll_back(self._store, work, self.limits)
                before, after = rolled.before if number == 0 else before, rolled.after
                put_back += rolled.put_back
                if acknowledged or number + 1 < len(stages):
                    acknowledge(self.record, rolled)
            return RolledBack(before, after, put_back)

    def acknowledge_rollback(self, rolled: RolledBack) -> None:
        """Record that the operator has seen the outcome of a rollback."""
        acknowledge(self.record, rolled)

    def pause(self, operator: Operator) -> MigrationState:
        """Make the running action wait after its chunk."""
        return self.record.pause(operator)

    def resume(self) -> MigrationState:
        """Let it continue."""
        return self.record.resume()

    def _step(
        self,
        action: str,
        before: CompletionStage,
        after: CompletionStage,
        caller: Caller,
        *,
        force: bool,
        max_age: float | None = None,
    ) -> MigrationState:
        with self._working(caller) as work:
            state = self.record.read()
            if state.stage == after and state.pending is None:
                return state  # already taken, perhaps by a call that was killed before it could report it
            forced = pass_gates(f"--{action}", self.gates(action, max_age=max_age, compare_active=True), force=force)
            return self._move(work, before, after, settle=self.limits.settle, forced=forced)

    def _move(
        self,
        work: MigrationWork,
        before: CompletionStage,
        after: CompletionStage,
        *,
        settle: float = 0.0,
        forced: tuple[str, ...] = (),
        proof: ValidationReport | None = None,
    ) -> MigrationState:
        return work.record.change_stage(
            work.lease,
            work.operator,
            before=before,
            after=after,
            settle=settle,
            forced=forced,
            proof=None if proof is None else proof.validation,
        )

    def _cleanup_checkpoint(self, work: MigrationWork) -> Checkpoint:
        fresh = {"after": None, "more": True, "seen": 0, "removed": 0, "export": self._export_path("cleanup").name}
        return work.begin("cleanup", str(Selection()), cursor=fresh)

    def _validator(self, observe: Callable[[ProgressEvent], None]) -> Validator:
        return Validator(
            self._store,
            self._clock,
            observe=observe,
            second_look=self.limits.second_look,
            retry_pause=self.limits.recheck,
        )

    def _export_path(self, action: str) -> Path:
        return self._exports / f"completions-{action}-{self._clock.now():%Y%m%dT%H%M%S}.jsonl"

    @contextmanager
    def _working(self, caller: Caller) -> Iterator[MigrationWork]:
        limits = self.limits
        with hold_lease(
            self._leases,
            LEASE,
            self._owner(),
            ttl=limits.lease_ttl,
            renew_every=limits.lease_renew,
            clock=self._clock,
        ) as held:
            yield MigrationWork(
                self.record, held, caller.operator, self._clock, caller.observe, caller.cancellation, limits.poll
            )


def _check(caller: Caller) -> Callable[[], None]:
    def check() -> None:
        if caller.cancellation.requested:
            raise stopped(NAME)

    return check


def _with_note(operator: Operator, note: str) -> Operator:
    return replace(operator, why=f"{operator.why}; {note}" if operator.why else note)


def _silent(_event: ProgressEvent) -> None:
    """Watch nothing."""
