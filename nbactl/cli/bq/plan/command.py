"""What would make the tables of the warehouse what they are declared to be. Nothing is changed."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.cli.ask import proceed
from nbactl.cli.query.command import prices_of, run_priced
from nbactl.errors import DataError, NotFoundError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.ports.warehouse import QueryResult, TableSchema
    from nbactl.warehouse.plan.planner import TablePlan
    from nbactl.warehouse.prices import Prices
    from nbactl.warehouse.suggest.advice import Suggestion
    from nbactl.warehouse.suggest.sample import Estimate

DAYS: Final = 30
"""Of how many days the queries are read that clustering is suggested from."""
_DRY_RUNS: Final = 5


DRIFT: Final = 0.05


@frozen
class PlanRequest:
    """Which tables to plan: those named, or all that are declared in tables.yaml, or in the DDL files `schemas`.

    `drift` is by what share the rows of a table may differ from the plan when it is applied.
    """

    tables: tuple[str, ...] = ()
    schemas: tuple[Path, ...] = ()
    drop_columns: bool = False
    drift: float = DRIFT


@frozen
class BqPlan:
    """The plans by name of table. `project` is empty and `prices` are None on local; `notes` are about the DDL.

    `gate` is the size in bytes from which a partition is rewritten.
    """

    plans: tuple[TablePlan, ...]
    made_at: datetime
    target: str
    project: str
    location: str
    prices: Prices | None
    drift: float
    drop_columns: bool
    gate: int
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> tuple[TablePlan, ...]:
        """The tables that differ from their declaration."""
        return tuple(plan for plan in self.plans if plan.changes)


@frozen
class Advice:
    """A suggestion. `upper_bound` is what a dry run says of a dear query: None where it says nothing."""

    suggestion: Suggestion
    upper_bound: int | None = None
    estimate: Estimate | None = None


def plan_tables(app: Container, request: PlanRequest) -> BqPlan:
    """Compare declared tables with those of the warehouse.

    Raises NotFoundError for a table that is not declared, or a dataset that is not there and was asked for by name or
    by DDL; DataError for DDL that cannot be read; PreconditionError for a dataset in another location.
    """
    from nbactl.warehouse.plan import changes  # noqa: PLC0415 - help needs none of it
    from nbactl.warehouse.plan.planner import make_plans  # noqa: PLC0415 - help needs none of it
    from nbactl.warehouse.plan.steps import Target  # noqa: PLC0415 - as above

    settings = app.settings
    declared, notes = _declared(request, settings.project)
    prices = prices_of(app)
    plans = make_plans(
        app.warehouse,
        declared,
        Target(settings.project or "", prices),
        timeout=app.config.timeouts["warehouse.query"],
        missing_datasets=not request.tables and not request.schemas,
        drop_columns=request.drop_columns,
    )
    on_gcp = settings.target == "gcp"
    return BqPlan(
        plans,
        app.clock.now(),
        settings.target,
        (settings.project or "") if on_gcp else "",
        settings.dataset_location if on_gcp else "",
        prices,
        request.drift,
        request.drop_columns,
        changes.GAINS_FROM,
        notes,
    )


def suggest_clustering(
    app: Container, plan: BqPlan, *, estimates: bool, confirm: Confirm = proceed
) -> tuple[Advice, ...]:
    """Return advice on the tables of a plan, from the queries of the last 30 days.

    With `estimates` a sample of each suggested table is read, which costs something: `confirm` is asked where that is
    more than `query_ask_usd`. Raises PreconditionError on a target without a history, NotAuthorisedError without the
    right to read it.
    """
    from nbactl.warehouse.suggest.advice import advise  # noqa: PLC0415 - help needs none of it
    from nbactl.warehouse.suggest.queries import dearest_queries  # noqa: PLC0415 - as above
    from nbactl.warehouse.suggest.sample import estimate  # noqa: PLC0415 - as above

    timeout = app.config.timeouts["warehouse.query_large"]
    now = app.clock.now()
    queries = dearest_queries(app.job_history, now - timedelta(days=DAYS), now, timeout=timeout)
    layouts = {one.layout.schema.name: one.layout for one in plan.plans if one.layout is not None}

    def read(sql: str) -> QueryResult:
        return run_priced(app, sql, timeout=timeout, confirm=confirm)

    advice = []
    for found in advise(layouts.values(), queries, app.settings.project):
        if found.verdict != "suggested":
            advice.append(Advice(found))
            continue
        estimated = estimate(found, layouts[found.table], read) if estimates else None
        advice.append(Advice(found, _upper_bound(app, found), estimated))
    return tuple(advice)


def _upper_bound(app: Container, found: Suggestion) -> int | None:
    """Return the bytes that a dry run of the dearest query names that can be run without its parameters."""
    dearest = sorted(found.queries, key=lambda query: query.bytes_billed, reverse=True)
    timeout = app.config.timeouts["warehouse.query"]
    for one in dearest[:_DRY_RUNS]:
        with suppress(DataError, NotFoundError):
            return app.warehouse.dry_run(one.query.sql, timeout=timeout).bytes_processed
    return None


def _declared(request: PlanRequest, project: str | None) -> tuple[Sequence[TableSchema], tuple[str, ...]]:
    from nbactl.warehouse.tables import declared_table, load_tables  # noqa: PLC0415 - brings the reader of YAML

    known: Mapping[str, TableSchema] = load_tables()
    notes: tuple[str, ...] = ()
    where = "tables.yaml"
    if request.schemas:
        from nbactl.warehouse.plan.declared import read_schemas  # noqa: PLC0415 - brings the parser of SQL

        known, notes = read_schemas(request.schemas, project)
        where = ", ".join(map(str, request.schemas))
    if not request.tables:
        return list(known.values()), notes
    return [declared_table(name, known, where=where) for name in dict.fromkeys(request.tables)], notes
