"""Applies plans, table by table: each under its own lease and record, so that a killed one is resumed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from nbactl.errors import PreconditionError
from nbactl.frozen import frozen
from nbactl.migrations.record import MIGRATIONS, MigrationRecord, read_state
from nbactl.migrations.work import MigrationWork, hold_lease
from nbactl.ports.documents import Query, Set
from nbactl.warehouse.apply import undo
from nbactl.warehouse.apply.check import check_fresh
from nbactl.warehouse.apply.job import (
    APPLIED,
    APPLY,
    FIRST,
    UNDO,
    UNDONE,
    Job,
    job_document,
    job_path,
    read_job,
    record_name,
)
from nbactl.warehouse.apply.stages import APPLY_STAGES, FIRST_STAGES, UNDO_FIRST, UNDO_STAGES
from nbactl.warehouse.apply.work import Limits, TableWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbactl.core._support.aio import Cancellation
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.core.lease.leases import Leases
    from nbactl.migrations.model import MigrationState, Operator
    from nbactl.migrations.work import ProgressEvent
    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.warehouse import Warehouse
    from nbactl.warehouse.apply.plan_file import Plan, PlannedTable


@frozen
class Durations:
    """Seconds: of the lease, until it is renewed, and between two looks whether a paused table may go on."""

    lease_ttl: float
    lease_renew: float
    poll: float


@frozen
class Caller:
    """Who applies, what sees the progress, and what stops it.

    `started` is called before the first change of a table, `applied` after its last, `undone` after that of its undo.
    """

    operator: Operator
    observe: Callable[[ProgressEvent], None]
    cancellation: Cancellation
    started: Callable[[Job], None]
    applied: Callable[[Job], None]
    undone: Callable[[Job], None]


@frozen
class Outcome:
    """What was done to a table. `seconds` are those of the engine's statements; bytes are what was billed."""

    table: str
    state: MigrationState
    job: Job | None
    resumed: bool = False
    changed: bool = True
    rows: int = 0
    seconds: float = 0.0
    bytes_billed: int = 0
    notes: tuple[str, ...] = ()


class TableChanges:
    """Applies plans to tables, and undoes them."""

    def __init__(
        self,
        warehouse: Warehouse,
        store: DocumentStore,
        leases: Leases,
        *,
        clock: Clock,
        ids: IdGenerator,
        owner: Callable[[], str],
        project: str,
        durations: Durations,
        limits: Limits,
    ) -> None:
        self._warehouse = warehouse
        self._store = store
        self._leases = leases
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._project = project
        self._durations = durations
        self._limits = limits

    def record(self, table: str) -> MigrationRecord:
        """Return the record of a table."""
        return MigrationRecord(
            self._store,
            self._clock,
            self._leases,
            name=record_name(table),
            first=FIRST,
            project=self._project,
        )

    def unfinished(self, *pending: str) -> list[str]:
        """Return the tables of which a plan (APPLY) or an undo (UNDO) is not finished, by name."""
        return [state.name.removeprefix(record_name("")) for state in self.states() if state.pending in pending]

    def states(self) -> list[MigrationState]:
        """Return the records of all tables, by name."""
        prefix = record_name("")
        found = [
            read_state(document, document.id)
            for document in self._store.query(Query(MIGRATIONS))
            if document.id.startswith(prefix)
        ]
        return sorted((one for one in found if one.project == self._project), key=lambda state: state.name)

    def is_changed(self, table: str) -> bool:
        """Say whether a plan was begun or applied to a table, and not undone."""
        return self.record(table).read().stage not in (FIRST, UNDONE)

    def is_applied(self, planned: PlannedTable) -> bool:
        """Say whether exactly this plan was the last one of its table, and is finished."""
        state, job = self.record(planned.name).read(), self.job(planned.name)
        return state.stage == APPLIED and job is not None and job.plan == planned.digest

    def job(self, table: str) -> Job | None:
        """Return the last job of a table, None if no plan was ever applied to it."""
        found = self._store.get(job_path(table))
        return None if found is None else read_job(found)

    def check(self, plan: Plan, planned: PlannedTable) -> bool:
        """Check that a plan may be applied to a table; says whether it is one to resume.

        Raises PreconditionError for a stale plan, and if another plan of the table is not finished.
        """
        state = self.record(planned.name).read()
        if state.pending is None:
            check_fresh(self._warehouse, plan, planned, timeout=self._limits.query)
            return False
        job = self.job(planned.name)
        if state.pending != APPLY or job is None or job.plan != planned.digest:
            raise _unfinished(planned.name, state)
        return True

    def apply(self, plan: Plan, planned: PlannedTable, *, keep: float, caller: Caller) -> Outcome:
        """Apply a plan to a table, or resume it. Raises as `check` does, LeaseHeldError, and what the engine raises."""
        with self._working(planned.name, caller) as work:
            if resumed := self.check(plan, planned):
                job = self._job(planned.name)
            else:
                job = self._begin(work, plan, planned, keep, caller)
            return self._drive(work, job, APPLY_STAGES, caller, resumed=resumed)

    def resume(self, table: str, *, caller: Caller) -> Outcome:
        """Finish the plan that was begun on a table."""
        with self._working(table, caller) as work:
            return self._drive(work, self._job(table), APPLY_STAGES, caller, resumed=True)

    def undo(self, table: str, *, caller: Caller) -> Outcome:
        """Undo the last plan of a table, finished or not; nothing to do if it was undone, or never applied."""
        with self._working(table, caller) as work:
            state = work.state()
            if state.stage in (FIRST, UNDONE):
                return Outcome(table, state, self.job(table), changed=False)
            job = self._job(table)
            if resumed := state.pending == UNDO:
                return self._drive(work, job, UNDO_STAGES, caller, resumed=resumed)
            undo.check_undo(self._table(work, job))
            self._move(work, state.stage, UNDO_FIRST, job)
            return self._drive(work, job, UNDO_STAGES, caller, resumed=False)

    def check_undo(self, table: str, *, caller: Caller) -> None:
        """Raise PreconditionError if the last plan of a table cannot be undone."""
        if self.is_changed(table) and self.record(table).read().pending != UNDO:
            with self._working(table, caller) as work:
                undo.check_undo(self._table(work, self._job(table)))

    def _begin(self, work: MigrationWork, plan: Plan, planned: PlannedTable, keep: float, caller: Caller) -> Job:
        found = check_fresh(self._warehouse, plan, planned, timeout=self._limits.query)
        job = Job(
            table=planned.name,
            plan=planned.digest,
            run=self._ids.new("apply"),
            declared=planned.declared,
            before=None if found is None else found.schema,
            changes=planned.changes,
            gate=plan.gate,
            keep=keep,
            started_at=self._clock.now(),
            bytes=None if found is None else found.bytes,
        )
        caller.started(job)
        self._move(work, work.state().stage, FIRST_STAGES[job.how], job)
        return job

    def _drive(
        self,
        work: MigrationWork,
        job: Job,
        stages: Mapping[str, Callable[[TableWork], tuple[str, Job]]],
        caller: Caller,
        *,
        resumed: bool,
    ) -> Outcome:
        table = self._table(work, job)
        while (stage := work.state().stage) in stages:
            table.pause_point()
            following, table.job = stages[stage](table)
            if following in (APPLIED, UNDONE):
                (caller.applied if following == APPLIED else caller.undone)(table.job)
            self._move(work, stage, following, table.job)
        return Outcome(
            job.table,
            work.state(),
            table.job,
            resumed=resumed,
            rows=table.rows,
            seconds=table.engine_seconds,
            bytes_billed=table.bytes_billed,
            notes=table.notes,
        )

    def _move(self, work: MigrationWork, before: str, after: str, job: Job) -> None:
        pending = None if after in (APPLIED, UNDONE) else UNDO if after in UNDO_STAGES else APPLY
        operator = replace(work.operator, why=work.operator.why or f"plan {job.plan}")
        work.record.change_stage(
            work.lease,
            operator,
            before=before,
            after=after,
            settle=0.0,
            pending=pending,
            beside=(Set(job_path(job.table), job_document(job)),),
        )

    def _table(self, work: MigrationWork, job: Job) -> TableWork:
        return TableWork(self._warehouse, work, job, self._limits)

    def _job(self, table: str) -> Job:
        job = self.job(table)
        if job is None:
            raise PreconditionError(
                f"no plan was applied to {table}", next_step=f"Plan it first: nbactl bq plan {table} --out FILE"
            )
        return job

    @contextmanager
    def _working(self, table: str, caller: Caller) -> Iterator[MigrationWork]:
        durations = self._durations
        with hold_lease(
            self._leases,
            record_name(table),
            self._owner(),
            ttl=durations.lease_ttl,
            renew_every=durations.lease_renew,
            clock=self._clock,
        ) as held:
            yield MigrationWork(
                self.record(table),
                held,
                caller.operator,
                self._clock,
                caller.observe,
                caller.cancellation,
                durations.poll,
            )


def _unfinished(table: str, state: MigrationState) -> PreconditionError:
    doing = "an undo" if state.pending == UNDO else "another plan"
    finish = "nbactl bq apply --undo" if state.pending == UNDO else "nbactl bq apply"
    undo_it = "" if state.pending == UNDO else f" Or undo it: nbactl bq apply --undo --table {table}"
    return PreconditionError(
        f"{doing} of {table} is not finished: it is in stage {state.stage}",
        cause="One plan of a table is finished or undone before the next one begins.",
        next_step=f"Finish it: {finish} --table {table}.{undo_it}",
        details={"table": table, "stage": state.stage, "pending": state.pending},
    )
