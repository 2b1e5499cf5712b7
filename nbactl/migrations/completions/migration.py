"""The completions migration: what each action does, on which gates it stands, and what it leaves behind."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from nbactl.core.completions.stages import CompletionStage
from nbactl.errors import PreconditionError
from nbactl.migrations.completions.backfill import Backfill
from nbactl.migrations.completions.cleanup import CleanUp, Restored, look_at_arrays, put_arrays_back, saved_arrays
from nbactl.migrations.completions.compare import WITHOUT_ARRAY
from nbactl.migrations.completions.export import Export
from nbactl.migrations.completions.gates import COMMAND, gates_of
from nbactl.migrations.completions.plan import make_plan
from nbactl.migrations.completions.refill import Refilled
from nbactl.migrations.completions.repair import Mended, Mender, RepairPlan
from nbactl.migrations.completions.rollback import RolledBack, roll_back, stages_back, tell
from nbactl.migrations.completions.selection import Selection
from nbactl.migrations.completions.validate import Validator
from nbactl.migrations.gates import pass_gates
from nbactl.migrations.record import MigrationRecord
from nbactl.migrations.work import Work, holding, stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.core._support.cancellation import Cancellation
    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.bulk import BulkWriter
    from nbactl.core.lease.leases import Leases
    from nbactl.migrations.completions.backfill import BackfillReport
    from nbactl.migrations.completions.cleanup import Cleaned
    from nbactl.migrations.completions.limits import Limits
    from nbactl.migrations.completions.plan import Plan
    from nbactl.migrations.completions.validate import Report
    from nbactl.migrations.gates import Gate
    from nbactl.migrations.model import Checkpoint, MigrationState, Operator
    from nbactl.migrations.progress import ProgressEvent
    from nbactl.ports.documents import DocumentStore

NAME: Final = "completions"
LEASE: Final = f"migrations/{NAME}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls an action, who watches it, and what stops it."""

    operator: Operator
    observe: Callable[[ProgressEvent], None]
    cancellation: Cancellation


class CompletionsMigration:
    """Every action of `nbactl migrate completions`.

    What moves the migration holds its lease. An action that was killed goes on when it is called again.
    """

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        leases: Leases,
        *,
        owner: Callable[[], str],
        project: str,
        limits: Limits,
        bulk_writer: Callable[[float | None], BulkWriter],
        exports: Path,
    ) -> None:
        self.limits = limits
        self.record = MigrationRecord(store, clock, leases, name=NAME, first=CompletionStage.LEGACY, project=project)
        self._store = store
        self._clock = clock
        self._leases = leases
        self._owner = owner
        self._bulk_writer = bulk_writer
        self._exports = exports

    @property
    def stage(self) -> CompletionStage:
        """The stage now."""
        return CompletionStage(self.record.read().stage)

    def plan(self, selection: Selection, rate: float, caller: Caller) -> Plan:
        """Return what the migration would do, and cost; changes nothing."""
        return make_plan(
            self._store,
            self._clock,
            selection,
            rate=rate,
            array_expected=self.stage not in WITHOUT_ARRAY,
            observe=caller.observe,
            check=_check(caller),
        )

    def gates(self, action: str, *, max_age: float | None = None, look: bool = False) -> list[Gate]:
        """Return the gates of an action as they are now; with `look` batches in progress are compared for it."""
        state = self.record.read()
        active = None
        if look and action == "switch-reads" and state.stage == CompletionStage.VALIDATED:
            active = self._validator(_silent).active(CompletionStage.VALIDATED)
        age = self.limits.max_age if max_age is None else max_age
        return gates_of(action, state, self.limits, self._clock.now(), max_age=age, active=active)

    def start_dual_write(self, caller: Caller, *, force: bool = False) -> MigrationState:
        """Have writers write both sides. Raises PreconditionError unless the gates hold.

        Like the other steps, it does nothing if it was taken already.
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
        """Make the documents that are missing; moves to `backfilled` when nothing of anything is left to do."""
        with self._working(caller) as work:
            pass_gates("--backfill", self.gates("backfill"), force=False)
            stage = self.stage
            report = Backfill(self._store, self._bulk_writer(rate), work, stage, selection, rate=rate).run()
            if stage is CompletionStage.DUAL_WRITE and selection.is_all and not report.refused:
                self._move(work, CompletionStage.DUAL_WRITE, CompletionStage.BACKFILLED)
            else:
                work.record.end_action(work.lease)
            return report

    def validate(self, selection: Selection, caller: Caller) -> Report:
        """Compare both sides; a full comparison is recorded, and moves from `backfilled` to `validated`.

        A comparison of a part needs no lease and proves nothing for a gate, but what it finds amiss is recorded.
        """
        if not selection.is_all:
            return self.look(selection, caller)
        with self._working(caller) as work:
            stage = self.stage
            report = self._validator(caller.observe).run_recorded(work, stage, selection, young=self.limits.max_age)
            work.record.end_action(work.lease)
            if stage is CompletionStage.BACKFILLED and report.consistent:
                self._move(work, stage, CompletionStage.VALIDATED, proof=report)
            else:
                work.record.note_validation(report.validation)
            return report

    def look(self, selection: Selection, caller: Caller) -> Report:
        """Compare both sides without the lease; an inconsistency is recorded, nothing else is."""
        stage = self.stage
        report = self._validator(caller.observe).run(stage, selection, _check(caller))
        if not report.consistent and stage is not CompletionStage.LEGACY:
            self.record.note_drift()
        return report

    def plan_repair(self, selection: Selection, caller: Caller) -> tuple[RepairPlan, Report]:
        """Return what a repair would change; changes nothing."""
        stage = self.stage
        report = self._validator(caller.observe).run(stage, selection, _check(caller))
        plan = RepairPlan()
        for comparison in report.amiss:
            plan.take(comparison, stage)
        return plan, report

    def repair(self, plan: RepairPlan, caller: Caller) -> tuple[Mended, str | None]:
        """Carry a plan out; returns what was done, and the file that has what was overwritten, if anything was."""
        with self._working(caller) as work:
            done, export = Mended(), Export(self._export_path("repair"))
            mender = Mender(self._store, self.stage, export)
            for path in plan.paths:
                work.may_go_on()
                mender.mend(path, done)
            return done, str(export.path) if export.documents else None

    def clean_up(self, caller: Caller, *, force: bool = False) -> Cleaned:
        """Remove the arrays, after a last full validation and with all of them saved; `undo_clean_up` leads back."""
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
                if not report.consistent:
                    raise PreconditionError(
                        f"--cleanup is refused: the final validation found {len(report.findings)} inconsistencies",
                        cause="What is only in the array would be lost with it.",
                        next_step=f"{COMMAND} --repair",
                        details={"findings": report.findings.counts()},
                    )
            clean = CleanUp(self._store, work, self._exports / str(checkpoint.cursor["export"]))
            if checkpoint.chunks == 0:
                clean.save_all()
                # From here on the same command goes on with this file.
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
        """Put the arrays back that a clean-up saved; with all of them the stage is again the one before it.

        Raises PreconditionError in stages in which nothing was removed.
        """
        state = self.record.read()
        if state.stage not in WITHOUT_ARRAY or state.pending is not None:
            raise PreconditionError(
                f"nothing was cleaned up in stage {state.stage}", next_step=f"{COMMAND} --status shows where it is."
            )
        arrays = saved_arrays(file, selection)
        if dry_run:
            return look_at_arrays(self._store, file, arrays)
        with self._working(caller) as work:
            restored = put_arrays_back(self._store, work, file, arrays)
            if self.stage is CompletionStage.CLEANED and selection.is_all:
                noted = _with_note(work.operator, f"arrays put back from {file}")
                self._move(replace(work, operator=noted), CompletionStage.CLEANED, CompletionStage.DUAL_WRITE_STOPPED)
            else:
                work.record.end_action(work.lease)  # a clean-up that was killed begins anew
            return restored

    def roll_back(self, caller: Caller, *, to: CompletionStage | None = None, told: bool = True) -> RolledBack:
        """Go back to the stage whose readers and writers are as they were before the last change of them, or to `to`.

        Without `told` it stays pending until `tell_rolled_back` is called, so that a call that is killed before its
        caller knew of the outcome is reported by the next one, and not repeated.
        """
        with self._working(caller) as work:
            state = self.record.read()
            before, after, put_back = state.stage, state.stage, Refilled(0, 0)
            for number, _ in enumerate(stages := stages_back(state, to)):
                rolled = roll_back(self._store, work, self.limits)
                before, after = rolled.before if number == 0 else before, rolled.after
                put_back += rolled.put_back
                if told or number + 1 < len(stages):
                    tell(self.record, rolled)
            return RolledBack(before, after, put_back)

    def tell_rolled_back(self, rolled: RolledBack) -> None:
        """Note that the operator knows of a rollback."""
        tell(self.record, rolled)

    def pause(self, operator: Operator) -> MigrationState:
        """Have whatever works on the migration hold on after its chunk."""
        return self.record.pause(operator)

    def resume(self) -> MigrationState:
        """Let it go on."""
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
                return state  # taken already, perhaps by a call that was killed before it could say so
            forced = pass_gates(f"--{action}", self.gates(action, max_age=max_age, look=True), force=force)
            return self._move(work, before, after, settle=self.limits.settle, forced=forced)

    def _move(
        self,
        work: Work,
        before: CompletionStage,
        after: CompletionStage,
        *,
        settle: float = 0.0,
        forced: tuple[str, ...] = (),
        proof: Report | None = None,
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

    def _cleanup_checkpoint(self, work: Work) -> Checkpoint:
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
    def _working(self, caller: Caller) -> Iterator[Work]:
        limits = self.limits
        with holding(
            self._leases,
            LEASE,
            self._owner(),
            ttl=limits.lease_ttl,
            renew_every=limits.lease_renew,
            clock=self._clock,
        ) as held:
            yield Work(
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
