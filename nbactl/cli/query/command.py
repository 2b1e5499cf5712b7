"""One read-only query of the warehouse: checked, priced where that costs money, run, and its errors pointed at."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.ask import Question, proceed
from nbactl.cli.query.parameters import parse_parameters, untyped
from nbactl.errors import DataError, NbactlError, NotFoundError, PreconditionError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.ports.warehouse import DryRun, QueryResult
    from nbactl.warehouse.prices import Prices

DEFAULT_LIMIT: Final = 100
_ROUNDS_UP: Final = 999.95
"""What would be shown as 1000.0."""
_PLACE: Final = re.compile(r"line (\d+), column (\d+)|\[(\d+):(\d+)\]")
"""Where an error is in the SQL, as the local warehouse and as BigQuery say it."""


@frozen
class QueryRequest:
    """A query of a person. `parameters` are `NAME=VALUE` or `NAME:TYPE=VALUE`; `timeout` is in seconds."""

    sql: str
    parameters: Sequence[str] = ()
    limit: int = DEFAULT_LIMIT
    dry_run: bool = False
    max_bytes: int | None = None
    timeout: float | None = None


@frozen
class QueryAnswer:
    """The first rows of a query; with `dry_run` there are none.

    `types` are BigQuery's names of the types of `columns`. `usd` is what it costs, or would: None where nothing is
    billed.
    """

    request: QueryRequest
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    bytes_processed: int | None
    cache_hit: bool
    truncated: bool
    usd: Decimal | None


def query(app: Container, request: QueryRequest, *, confirm: Confirm = proceed) -> QueryAnswer:
    """Run one read-only query, and return its first rows.

    On gcp a query that costs more than the setting `query_ask_usd` is run only after `confirm`. Raises UsageError for
    anything but a query, and what the warehouse raises.
    """
    from nbactl.warehouse.sql.statement import read_statement  # noqa: PLC0415 - help needs none of it

    with pointed_at(request.sql, request.parameters):
        statement = read_statement(request.sql)
        values = parse_parameters(request.parameters, statement.parameters, now=app.clock.now())
        timeout = request.timeout or app.config.timeouts["warehouse.query"]
        prices = prices_of(app)
        if request.dry_run:
            return _planned(request, app.warehouse.dry_run(statement.sql, values, timeout=timeout), prices)
        result = run_priced(
            app,
            statement.sql,
            values,
            max_rows=request.limit,
            max_bytes=request.max_bytes,
            timeout=timeout,
            confirm=confirm,
        )
    usd = None if prices is None else prices.of(0 if result.cache_hit else result.bytes_processed or 0)
    return QueryAnswer(
        request=request,
        columns=result.columns,
        types=result.types,
        rows=result.rows,
        bytes_processed=result.bytes_processed,
        cache_hit=result.cache_hit,
        truncated=result.truncated,
        usd=usd,
    )


def run_priced(
    app: Container,
    sql: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    max_rows: int | None = None,
    max_bytes: int | None = None,
    timeout: float,
    confirm: Confirm = proceed,
) -> QueryResult:
    """Run a query; one that costs more than `query_ask_usd` only after its price was confirmed.

    A cheap query is one job: BigQuery itself refuses, without a charge, to bill more than the limit that comes with
    the query, and only then the price is asked for.
    """
    from nbactl.warehouse.prices import billed_bytes  # noqa: PLC0415 - help needs none of it

    prices = prices_of(app)

    def run(most: int | None) -> QueryResult:
        return app.warehouse.query(sql, parameters, timeout=timeout, max_bytes=most, max_rows=max_rows)

    free = max_bytes if prices is None else prices.bytes_for(app.settings.query_ask_usd)
    if prices is None or free is None or (max_bytes is not None and max_bytes <= free):
        return run(max_bytes)
    try:
        return run(free)
    except PreconditionError as refusal:
        billed: int | None = refusal.details.get("bytes")
    read = billed or app.warehouse.dry_run(sql, parameters, timeout=timeout).bytes_processed or 0
    if max_bytes is None or read <= max_bytes:
        price = f"{size(read)}, about ${prices.of(read):.2f} (prices of {prices.as_of})"
        confirm(Question("Run this query?", (f"It reads up to {price}.",), always=True))
        max_bytes = max_bytes or billed_bytes(read)  # no more than what was shown
    return run(max_bytes)


def prices_of(app: Container) -> Prices | None:
    """Return what a query costs on the target, None where nothing is billed."""
    if app.settings.target == "local":
        return None
    from nbactl.warehouse.prices import prices_in  # noqa: PLC0415 - gcp alone has prices

    return prices_in(app.settings.dataset_location)


def size(count: int) -> str:
    """Return bytes in the unit that a person reads: `812 B`, `12.4 MB`, `2.0 TB`."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < _ROUNDS_UP:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"


@contextmanager
def pointed_at(sql: str, parameters: Sequence[str] = ()) -> Iterator[None]:
    """Show the place in the SQL under an error that names it, and what may be done about parameters without type."""
    try:
        yield
    except (DataError, NotFoundError) as error:
        _point(error, sql)
        loose = untyped(parameters)
        if loose and isinstance(error, DataError) and "STRING" in error.message:
            hint = f"@{loose[0]} is a STRING; another type: --param {loose[0]}:INT64=VALUE."
            error.next_step = f"{error.next_step} {hint}" if error.next_step else hint
        raise


def _point(error: NbactlError, sql: str) -> None:
    from nbactl.warehouse.sql.statement import marked  # noqa: PLC0415 - only errors need it

    found = _PLACE.search(error.message) or _PLACE.search(error.cause or "")
    if found is None:
        return
    line, column = (int(part) for part in found.groups() if part is not None)
    shown = marked(sql, line, column)
    error.cause = f"{error.cause}\n{shown}" if error.cause else shown
    if (error.next_step or "").startswith("Look near"):
        error.next_step = None  # the line itself is there


def _planned(request: QueryRequest, planned: DryRun, prices: Prices | None) -> QueryAnswer:
    read = planned.bytes_processed
    return QueryAnswer(
        request=request,
        columns=planned.columns,
        types=planned.types,
        rows=[],
        bytes_processed=read,
        cache_hit=False,
        truncated=False,
        usd=None if prices is None or read is None else prices.of(read),
    )
