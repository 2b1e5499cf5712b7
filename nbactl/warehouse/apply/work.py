"""What the steps of a plan work with: the warehouse, the record of the migration, and the limits of the operator."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.errors import ContentionError, NotFoundError, PreconditionError
from nbactl.migrations.work import Meter
from nbactl.warehouse.plan.steps import RANGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from nbactl.migrations.work import MigrationWork
    from nbactl.ports.warehouse import Modified, QueryResult, TableLayout, Warehouse
    from nbactl.warehouse.apply.job import Job

_TRIES: Final = 8
"""How often a statement that lost against a writer of the same table is run, each after the call policy gave up."""
_PAUSE: Final = 2.0
_ANY_BYTES: Final = 2**62
UPDATES: Final = 5
_WINDOW: Final = 10.5
"""Updates of one table's metadata in so many seconds, a little more than the ten of
https://cloud.google.com/bigquery/quotas#standard_tables."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How carefully a plan is applied.

    `rate` is in bytes a second, `max_bytes` those that one statement may be billed, `query` and `statement` limits of
    a call in seconds.
    """

    query: float
    statement: float
    rate: float | None = None
    max_bytes: int | None = None


@dataclass(slots=True)
class TableWork:
    """A table whose plan is being applied."""

    warehouse: Warehouse
    work: MigrationWork
    job: Job
    limits: Limits
    engine_seconds: float = 0.0
    bytes_billed: int = 0
    rows: int = 0
    notes: tuple[str, ...] = ()
    _updates: deque[float] = field(default_factory=deque)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its jobs."""
        return {"table": self.job.table, "apply": self.job.run}

    @property
    def range_bytes(self) -> int:
        """The bytes that a range may have; a statement is billed for more: whole MiB, and columns that it reads again.

        https://cloud.google.com/bigquery/pricing#on_demand_pricing
        """
        return RANGE_BYTES if self.limits.max_bytes is None else self.limits.max_bytes // 2

    def find(self, name: str) -> TableLayout | None:
        """Return a table as it is now, None if it is not there."""
        known = replace(self.job.known, schema=replace(self.job.known.schema, name=name))
        try:
            return self.warehouse.layout(known, timeout=self.limits.query)
        except NotFoundError:
            return None

    def table(self) -> TableLayout:
        """Return the table as it is now. Raises PreconditionError if it is gone."""
        found = self.find(self.job.table)
        if found is None:
            raise PreconditionError(
                f"{self.job.table} is gone",
                cause="Another program dropped or renamed it while its plan was applied.",
                next_step="Bring it back under its name, then run the same command again.",
            )
        return found

    def define(self, *statements: str) -> None:
        """Run definitions, each of them seen by the fault points."""
        for statement in statements:
            self.before_update()
            reach("apply.before_statement")
            self.warehouse.apply_ddl([statement], timeout=self.limits.query)
            reach("apply.statement_done")

    def before_update(self) -> None:
        """Wait until the metadata of the table may be updated once more; stop if it is cancelled."""
        self.work.check()
        now = self.work.clock.monotonic
        while self._updates and self._updates[0] <= now() - _WINDOW:
            self._updates.popleft()
        if len(self._updates) >= UPDATES:
            self.work.wait(self._updates.popleft() + _WINDOW - now())
        self._updates.append(now())

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> QueryResult:
        """Run a query, which no cache answers. What it reads is in the plan, so that no other limit is in force."""
        return self.warehouse.query(
            sql, parameters, timeout=self.limits.statement, labels=self.labels, cache=False, max_bytes=_ANY_BYTES
        )

    def change(self, statements: Sequence[str], parameters: Mapping[str, Any], key: str) -> Modified:
        """Run DML once, however often it is called with this key. A writer that was faster is waited for.

        Raises ContentionError if writers of the table never pause.
        """
        for attempt in range(1, _TRIES + 1):
            self.work.check()
            reach("apply.before_statement")
            try:
                done = self.warehouse.run_dml(
                    statements,
                    parameters,
                    key=f"nbactl-{self.job.run}-{key}",
                    timeout=self.limits.statement,
                    labels=self.labels,
                    max_bytes=self.limits.max_bytes,
                )
            except ContentionError:
                if attempt == _TRIES:
                    raise
                self.work.wait(_PAUSE * attempt)
                continue
            except PreconditionError as error:
                raise self._too_small(error) from error
            reach("apply.statement_done")
            self.engine_seconds += done.seconds
            self.bytes_billed += done.bytes_billed or 0
            return done
        raise AssertionError("unreachable")

    def _too_small(self, error: PreconditionError) -> PreconditionError:
        """Return the error of a statement that would be billed more than `max_bytes`; another one as it is."""
        needed = error.details.get("bytes")
        if self.limits.max_bytes is None or not isinstance(needed, int):
            return error
        return PreconditionError(
            f"a statement on {self.job.table} would be billed {needed:,} bytes, more than --max-bytes allows",
            cause="A statement handles one partition at least, or the whole table if it has none.",
            next_step=f"Run the same command again with --max-bytes {needed} or more, or without it.",
            details=error.details,
        )

    def throttle(self, size: int, seconds: float) -> None:
        """Wait until `size` bytes that took `seconds` are within the rate."""
        if self.limits.rate is not None:
            self.work.wait(size / self.limits.rate - seconds)

    def pause_point(self, meter: Meter | None = None) -> None:
        """Wait while it is paused, which is always shown; stop if it is cancelled."""
        self.work.wait_if_paused(meter or Meter(self.work.clock, "apply", self.job.table, done=0, total=1))

    def note(self, text: str) -> None:
        """Tell the operator something beside the outcome."""
        self.notes = (*self.notes, text)


def literal_time(at: datetime) -> str:
    """Return a time as an SQL expression."""
    return f"TIMESTAMP '{at.isoformat()}'"
