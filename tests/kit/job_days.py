"""A history of jobs on the loopback BigQuery server, whose clock the test moves from day to day up to now."""

from __future__ import annotations

import uuid
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from nbactl.adapters.bigquery.jobs import BigQueryJobs
from nbactl.ports.warehouse import Column, Rows, TableSchema
from nbactl.testing import FakeClock, bigquery_server
from tests.kit.bigquery import LOCATION, bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
    from nbactl.testing.bigquery import BigQueryServer

TIMEOUT = 30.0
GIB = 2**30
DECISIONS = "nba_orchestration.workflow_decisions"


class JobDays:
    """The server, its warehouse and its history. `read` runs a query that is billed for so many bytes."""

    def __init__(self, server: BigQueryServer, warehouse: BigQueryWarehouse, clock: FakeClock, project: str) -> None:
        self.server = server
        self.warehouse = warehouse
        self.clock = clock
        self.start = clock.now()
        self.project = project
        self.history = BigQueryJobs(warehouse._calls)
        columns = (Column("game_date", "DATE"), Column("workflow_name", "STRING"))
        warehouse.create_table(TableSchema(DECISIONS, columns, "game_date"))
        warehouse.load(DECISIONS, Rows(("game_date", "workflow_name"), [(date(2024, 1, 15), "a")]), timeout=TIMEOUT)

    def go_to(self, days: float) -> None:
        """Set the clock so many days after the start."""
        self.clock.set(self.start + timedelta(days=days))

    def read(self, billed: int, text: str = "a", *, cache: bool = False, **labels: str) -> None:
        """Run a query that differs from others by a literal alone."""
        usual, self.server.limits.billed_minimum = self.server.limits.billed_minimum, billed
        sql = f"SELECT workflow_name FROM {DECISIONS} WHERE workflow_name = '{text}'"  # noqa: S608 - a test's own
        self.warehouse.query(sql, timeout=TIMEOUT, labels=labels, cache=cache)
        self.server.limits.billed_minimum = usual

    def jobs(self) -> list[Any]:
        """Return the jobs of the whole time."""
        return list(self.history.jobs(self.start - timedelta(days=1), self.clock.now(), timeout=TIMEOUT))


@contextmanager
def job_days(days: int, *, until: datetime | None = None, project: str = "") -> Iterator[JobDays]:
    """Serve the history of a project, by default a new one, that begins so many days ago and ends `until` or now."""
    project = project or f"test-{uuid.uuid4().hex[:20]}"
    end = until or datetime.now(UTC)
    clock = FakeClock(end - timedelta(days=days))
    with (
        bigquery_server(project=project, location=LOCATION, clock=clock) as server,
        closing(bigquery_warehouse(server.address, project=project)) as warehouse,
    ):
        yield JobDays(server, warehouse, clock, project)
