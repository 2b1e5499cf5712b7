"""Look at SQL with the rules: in files, in Python, in the views and scheduled queries of the project."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbactl.cli.check.command import CodeChecked, CodeRequest, check_code
from nbactl.cli.query.command import prices_of
from nbactl.errors import NbactlError, PreconditionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    from nbactl.bootstrap import Container
    from nbactl.checks.code.engine import Checked, Finding
    from nbactl.checks.sql.tables import KnownTable, Tables
    from nbactl.ports.warehouse import TableLayout

DAYS: Final = 7
"""Of how many days the scheduled queries are looked at."""
_SCHEDULED: Final = "scheduled_query"
"""The label `data_source_id` of a job of the Data Transfer Service that is a scheduled query."""


@dataclass(frozen=True, slots=True)
class LintRequest:
    """What to look at, the DDL of tables that are not in tables.yaml, and what to ask of BigQuery.

    `live` takes tables, views and scheduled queries from the project; `estimate` asks for a price.
    """

    check: CodeRequest
    schemas: tuple[Path, ...] = ()
    live: bool = False
    estimate: bool = False


@dataclass(frozen=True, slots=True)
class Priced:
    """What a dry run says of the statement around a finding. `usd` is None where nothing is billed."""

    bytes_processed: int
    usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found, and the price of the statements that a dry run knows."""

    checked: CodeChecked
    prices: Mapping[Finding, Priced] = field(default_factory=dict)


def lint_sql(app: Container, request: LintRequest) -> Linted:
    """Look at SQL with the rules.

    Raises NotFoundError for a path, a revision or a baseline that is not there, UsageError for an unknown rule and for
    DDL that cannot be read, PreconditionError if `live` or `estimate` is asked for on local.
    """
    if (request.live or request.estimate) and app.settings.target == "local":
        raise PreconditionError(
            f"{'--live' if request.live else '--estimate'} needs BigQuery",
            cause="The target is local, where nothing is billed.",
            next_step="Add --target gcp --project PROJECT.",
        )
    tables = _known(app, request)

    def more(checked: Checked) -> None:
        _look_at_live(app, checked, tables, request.check)

    checked = check_code(request.check, tables, more if request.live else None)
    return Linted(checked, _prices(app, checked) if request.estimate else {})


def _known(app: Container, request: LintRequest) -> Tables:
    """Return tables.yaml, what the project has, and what DDL declares; the later replace the earlier."""
    from nbactl.checks.sql.tables import Tables, known_table  # noqa: PLC0415 - help needs none of it
    from nbactl.warehouse.tables import load_tables  # noqa: PLC0415 - as above

    tables = Tables(known_table(schema) for schema in load_tables().values())
    if request.live:
        tables = tables.add(_live_tables(app))
    if request.schemas:
        from nbactl.checks.sql.declared import read_tables  # noqa: PLC0415 - brings the parser of SQL

        tables = tables.add(read_tables(request.schemas))
    return tables


def _live_tables(app: Container) -> Iterator[KnownTable]:
    from nbactl.checks.sql.tables import known_table  # noqa: PLC0415 - as above

    timeout = app.config.timeouts["warehouse.query"]
    views = dict(_views(app))
    by_dataset: dict[str, list[str]] = {}
    for name in app.warehouse.list_tables():
        by_dataset.setdefault(name.partition(".")[0], []).append(name)
    for dataset, names in by_dataset.items():
        for layout in app.warehouse.layouts(dataset, names, timeout=timeout).values():
            known = known_table(layout.schema, layout.bytes, views.get(layout.schema.name))
            yield known._replace(partition=partition_of(layout) or known.partition)


def partition_of(layout: TableLayout) -> tuple[str, ...]:
    """Return what a table is partitioned by that has no time column for it."""
    from nbactl.checks.sql.tables import INGESTION  # noqa: PLC0415 - as above

    kind, _, column = layout.partitioned_otherwise.partition(" of ")
    return (column.lower(),) if kind == "ranges" else INGESTION if kind == "time" else ()


def _views(app: Container) -> Iterator[tuple[str, str]]:
    """Yield the views of the location, by `dataset.view`, with their queries."""
    region = f"region-{app.settings.dataset_location.lower()}"
    sql = f"SELECT table_schema, table_name, view_definition FROM `{region}`.INFORMATION_SCHEMA.VIEWS"  # noqa: S608
    result = app.warehouse.query(sql, timeout=app.config.timeouts["warehouse.query"])
    for dataset, name, query in result.rows:
        yield f"{dataset}.{name}", query


def _look_at_live(app: Container, checked: Checked, tables: Tables, request: CodeRequest) -> None:
    """Add the findings of views and scheduled queries, under paths that say which one it is."""
    from nbactl.checks.code.engine import check_text  # noqa: PLC0415 - as above

    for name, query in _views(app):
        text = f"CREATE VIEW {name} AS\n{query}\n"
        check_text(checked, Path("views", name), text, tables, request.rules)
    for name, text in _scheduled(app):
        check_text(checked, Path("scheduled", name), text, tables, request.rules)


def _scheduled(app: Container) -> Iterator[tuple[str, str]]:
    """Yield the texts of scheduled queries that ran in the last days, by what they write or their hash."""
    timeout = app.config.timeouts["warehouse.job_history"]
    until = app.clock.now()
    since = until - timedelta(days=DAYS)
    found: dict[str, str] = {}
    for job in app.job_history.jobs(since, until, timeout=timeout):
        if job.labels.get("data_source_id") == _SCHEDULED and job.query_hash is not None:
            found.setdefault(job.query_hash, job.destination or job.query_hash[:12])
    if found:
        texts = app.job_history.query_texts(list(found), since, until, timeout=timeout)
        yield from ((found[query_hash], text) for query_hash, text in texts.items())


def _prices(app: Container, checked: CodeChecked) -> dict[Finding, Priced]:
    """Return what dry runs say of the statements with findings; of one that BigQuery refuses nothing."""
    from nbactl.checks.sql.statements import statements_in  # noqa: PLC0415 - brings the parser of SQL

    prices, timeout = prices_of(app), app.config.timeouts["warehouse.query"]
    found: dict[Finding, Priced] = {}
    known: dict[str, Priced | None] = {}
    for path in dict.fromkeys(finding.path for finding in checked.findings):
        texts = statements_in(path) if path.exists() else {}
        for finding in checked.findings:
            if finding.path != path or (text := texts.get(finding.span)) is None:
                continue
            if text not in known:
                known[text] = None
                with suppress(NbactlError):
                    count = app.warehouse.dry_run(text, timeout=timeout).bytes_processed
                    known[text] = None if count is None else Priced(count, None if prices is None else prices.of(count))
            priced = known[text]
            if priced is not None:
                found[finding] = priced
    return found
