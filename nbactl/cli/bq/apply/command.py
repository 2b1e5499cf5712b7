"""Applying plans of tables, and undoing them: every action as a function of a request."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from nbactl.cli.ask import Question, operator, proceed
from nbactl.cli.bq.apply.question import few, question
from nbactl.cli.bq.apply.request import KEEP
from nbactl.cli.bq.plan.command import PlanRequest, plan_tables
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.durations import parse_duration
from nbactl.errors import InterruptedRunError, NbactlError, NotFoundError, PreconditionError
from nbactl.frozen import frozen
from nbactl.warehouse.apply.job import APPLY, UNDO

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.cli.bq.apply.request import ApplyRequest
    from nbactl.migrations.model import MigrationState
    from nbactl.migrations.work import ProgressEvent
    from nbactl.warehouse.apply.engine import Caller, Outcome, TableChanges
    from nbactl.warehouse.apply.job import Job
    from nbactl.warehouse.apply.plan_file import Plan, PlannedTable
    from nbactl.warehouse.plan.changes import Change

    Observer = Callable[[ProgressEvent], None]


@frozen
class TableResult:
    """What became of one table: `applied`, `resumed`, `undone`, `unchanged`, `planned` in a dry run, or `failed`."""

    table: str
    status: str
    outcome: Outcome | None = None
    error: NbactlError | None = None
    refused: tuple[Change, ...] = ()


@frozen
class ApplyResult:
    """What became of the tables, in the order in which they were changed."""

    tables: tuple[TableResult, ...]
    action: str
    dry_run: bool = False


@frozen
class TableStatus:
    """How far the last plan of a table is."""

    state: MigrationState
    job: Job | None


def apply(
    app: Container,
    request: ApplyRequest,
    *,
    confirm: Confirm = proceed,
    observer: Observer | None = None,
    cancellation: Cancellation | None = None,
) -> ApplyResult:
    """Apply a plan, or what was begun before; all tables are checked before anything is changed.

    A table that fails is named with its error, and does not keep the others. Raises PreconditionError for a stale
    plan, DataError for a file that is no plan, NotAuthorisedError for a plan of another place, InterruptedRunError if
    it was cancelled.
    """
    changes = app.table_changes(rate=request.rate, max_bytes=request.max_bytes)
    caller = _caller(app, request, observer, cancellation)
    begun = [] if request.file is not None else [name for name in changes.unfinished(APPLY) if _chosen(request, name)]
    keep = parse_duration(KEEP) if request.keep is None else request.keep
    results: list[TableResult] = []
    todo: list[tuple[PlannedTable, Callable[[], Outcome]]] = []
    resumed = set(begun)
    for plan, planned in _plans(app, request, without=begun):
        if not planned.made or changes.is_applied(planned):
            results.append(TableResult(planned.name, "unchanged", refused=_refused(planned)))
        else:
            if changes.check(plan, planned):
                resumed.add(planned.name)
            run = partial(changes.apply, plan, planned, keep=keep, caller=caller)
            todo.append((planned, run))
    if request.dry_run or not (todo or begun):
        results += [TableResult(one.name, "planned", refused=_refused(one)) for one, _ in todo]
        return ApplyResult((*results, *(TableResult(name, "planned") for name in begun)), "apply", request.dry_run)
    confirm(question([one for one, _ in todo], begun, resumed))
    for name in begun:
        results.append(_done(name, partial(changes.resume, name, caller=caller), ()))
    results += [_done(planned.name, run, _refused(planned)) for planned, run in todo]
    return ApplyResult(tuple(results), "apply")


def undo(
    app: Container,
    request: ApplyRequest,
    *,
    confirm: Confirm = proceed,
    observer: Observer | None = None,
    cancellation: Cancellation | None = None,
) -> ApplyResult:
    """Undo the last plan of tables, those of a file or those named; all are checked before anything is changed."""
    changes = app.table_changes(rate=request.rate, max_bytes=request.max_bytes)
    caller = _caller(app, request, observer, cancellation)
    names = [name for name in _undone_tables(app, request, changes) if changes.is_changed(name)]
    for name in names:
        changes.check_undo(name, caller=caller)
    if request.dry_run:
        return ApplyResult(tuple(TableResult(name, "planned") for name in names), "undo", dry_run=True)
    if names:
        lines = ("Rows that were written since are kept.",)
        confirm(Question(f"Undo the last plan of {few(names)}?", lines))
    return ApplyResult(tuple(_done(name, partial(changes.undo, name, caller=caller), ()) for name in names), "undo")


def show_status(app: Container, request: ApplyRequest) -> tuple[TableStatus, ...]:
    """Return how far the plans of tables are, of those named or of all. Raises NotFoundError for one without a plan."""
    changes = app.table_changes()
    found = {_table_of(state): TableStatus(state, changes.job(_table_of(state))) for state in changes.states()}
    if not request.tables:
        return tuple(found.values())
    for name in request.tables:
        if name not in found:
            raise _never_applied(name)
    return tuple(found[name] for name in request.tables)


def _never_applied(table: str) -> NotFoundError:
    return NotFoundError(f"no plan was applied to {table}", next_step="To see all: nbactl bq apply --status")


def pause(app: Container, request: ApplyRequest, *, confirm: Confirm = proceed) -> tuple[TableStatus, ...]:
    """Make the running applications wait after their statement. Raises NotFoundError if there are none."""
    from nbactl.migrations.model import Operator  # noqa: PLC0415 - help needs none of it

    changes = app.table_changes()
    who = Operator(operator(), request.reason)
    names = _under_way(changes, request)
    confirm(Question(f"Make the plans of {few(names)} wait?", never=True))
    return tuple(TableStatus(changes.record(name).pause(who), changes.job(name)) for name in names)


def resume(app: Container, request: ApplyRequest, *, confirm: Confirm = proceed) -> tuple[TableStatus, ...]:
    """Let those that were paused continue. Raises NotFoundError if there are none."""
    changes = app.table_changes()
    names = _under_way(changes, request)
    confirm(Question(f"Let the plans of {few(names)} continue?", never=True))
    return tuple(TableStatus(changes.record(name).resume(), changes.job(name)) for name in names)


def _under_way(changes: TableChanges, request: ApplyRequest) -> list[str]:
    names = [name for name in changes.unfinished(APPLY, UNDO) if _chosen(request, name)]
    if not names:
        raise NotFoundError("no plan is being applied", next_step="To see the tables: nbactl bq apply --status")
    return names


def _plans(app: Container, request: ApplyRequest, *, without: Sequence[str]) -> list[tuple[Plan, PlannedTable]]:
    """Return the tables of the file, each with its plan, or of a plan made now of those that are not begun."""
    import json  # noqa: PLC0415 - help needs none of it

    from nbactl.cli.bq.plan.view import file_text  # noqa: PLC0415
    from nbactl.warehouse.apply.plan_file import check_place, read_plan, read_plan_file  # noqa: PLC0415

    if request.file is None:
        wanted = tuple(name for name in request.tables if name not in without)
        if request.tables and not wanted:
            return []  # they need not be declared: the record of a table has its plan
        found = plan_tables(app, PlanRequest(wanted, request.schemas, request.drop_columns))
        plan = read_plan(json.loads(file_text(found)), "the plan")
        return [(plan, one) for one in plan.tables if one.name not in without]
    plan = read_plan_file(request.file)
    on_gcp = app.settings.target == "gcp"
    project, location = (app.settings.project or "", app.settings.dataset_location) if on_gcp else ("", "")
    check_place(plan, app.settings.target, project, location)
    for name in request.tables:
        if name not in [one.name for one in plan.tables]:
            raise NotFoundError(f"{name} is not in {request.file}", next_step="Name a table that the plan changes.")
    return [(plan, one) for one in plan.tables if _chosen(request, one.name)]


def _undone_tables(app: Container, request: ApplyRequest, changes: TableChanges) -> list[str]:
    """Return the tables, the one that was changed last first."""
    if request.file is None:
        for name in request.tables:
            if changes.job(name) is None:
                raise _never_applied(name)
        return list(dict.fromkeys(request.tables))
    planned = [one for _, one in _plans(app, request, without=())]
    for one in planned:
        job = changes.job(one.name)
        if job is not None and job.plan != one.digest:
            raise PreconditionError(
                f"the last plan of {one.name} is not that of {request.file}",
                cause="A plan is undone before those that came before it.",
                next_step=f"To undo the last one, whichever it is: nbactl bq apply --undo --table {one.name}",
            )
    return [one.name for one in reversed(planned)]


def _done(name: str, run: Callable[[], Outcome], refused: tuple[Change, ...]) -> TableResult:
    try:
        outcome = run()
    except InterruptedRunError:
        raise
    except NbactlError as error:
        return TableResult(name, "failed", error=error, refused=refused)
    if not outcome.changed:
        return TableResult(name, "unchanged", outcome, refused=refused)
    return TableResult(name, outcome.state.stage, outcome, refused=refused)


def _refused(planned: PlannedTable) -> tuple[Change, ...]:
    return tuple(change for change in planned.changes if change.how == "refused")


def _chosen(request: ApplyRequest, name: str) -> bool:
    return not request.tables or name in request.tables


def _table_of(state: MigrationState) -> str:
    return state.name.partition(":")[2]


def _caller(
    app: Container, request: ApplyRequest, observer: Observer | None, cancellation: Cancellation | None
) -> Caller:
    from nbactl.migrations.model import Operator  # noqa: PLC0415 - help needs none of it
    from nbactl.warehouse.apply.engine import Caller  # noqa: PLC0415

    return Caller(
        Operator(operator(), request.reason),
        observer or (lambda _event: None),
        cancellation or Cancellation(),
        started=partial(before_first_change, app),
        applied=partial(after_last_change, app),
        undone=partial(after_undo, app),
    )


def before_first_change(app: Container, job: Job) -> None:
    """Capture what the queries of a table cost before it is changed, so that the gain can be shown later."""
    from nbactl.warehouse.costs.baseline import capture_baseline, store_baseline  # noqa: PLC0415 - help needs none

    if app.settings.target != "gcp" or job.before is None:
        return
    timeout = app.config.timeouts["warehouse.query_large"]
    try:
        found = capture_baseline(app.job_history, job.table, now=app.clock.now(), timeout=timeout)
        store_baseline(app.documents, found)
    except NbactlError as error:
        app.notice(f"what queries of {job.table} cost before is not known: {error.message}")


def after_last_change(app: Container, job: Job) -> None:
    """Record that a table was changed, from when on its queries are compared."""
    from nbactl.warehouse.costs.baseline import record_applied  # noqa: PLC0415 - help needs none of it

    with suppress(NotFoundError):  # there was nothing to compare with
        record_applied(app.documents, job.table, at=app.clock.now())


def after_undo(app: Container, job: Job) -> None:
    """Record that a change was undone, so that no gain is claimed for it."""
    from nbactl.warehouse.costs.baseline import record_undone  # noqa: PLC0415 - help needs none of it

    with suppress(NotFoundError):  # there was nothing to compare with
        record_undone(app.documents, job.table, at=app.clock.now())
