"""What `nbactl bq apply` takes beside its statements: of a rewrite, and of a rebuild."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import Line
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.lease.leases import Leases
from nbactl.migrations.model import Operator
from nbactl.testing import bigquery_server
from nbactl.warehouse.apply.engine import Caller, Durations, TableChanges
from nbactl.warehouse.apply.plan_file import read_plan
from nbactl.warehouse.apply.work import Limits
from nbactl.warehouse.plan import changes
from nbactl.warehouse.plan.declared import read_schemas
from nbactl.warehouse.plan.document import FORM, table_document
from nbactl.warehouse.plan.planner import make_plans
from nbactl.warehouse.plan.steps import Target
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse

ROWS = {"rewrite": 6_000_000, "rebuild": 1_500_000}
_DAYS = 6
_AT_MOST = 3.0
"""Percent of the statements' own time."""
_COLUMNS = "CREATE TABLE {0} (day DATE, team STRING, n {1}) PARTITION BY day"
_FILL = f"""INSERT INTO {{0}} SELECT DATE_ADD(DATE '2024-01-01', INTERVAL MOD(n, {_DAYS}) DAY),
CONCAT('T', CAST(MOD(n, 30) AS STRING)), n FROM UNNEST(GENERATE_ARRAY(1, {{1}})) AS n"""  # noqa: S608
_DECLARED = {
    "rewrite": f"{_COLUMNS} CLUSTER BY team".format("d.rewrite", "INT64"),
    "rebuild": _COLUMNS.format("d.rebuild", "STRING"),
}


class _Timed:
    """A warehouse that adds up the time of its statements: of DML as the engine has it, of queries as they take."""

    def __init__(self, warehouse: Any) -> None:  # noqa: ANN401 - all other verbs are passed on
        self._warehouse = warehouse
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        return getattr(self._warehouse, name)

    def run_dml(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        done = self._warehouse.run_dml(*arguments, **options)
        self.seconds += done.seconds
        return done

    def query(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        began = time.monotonic()
        try:
            return self._warehouse.query(*arguments, **options)
        finally:
            self.seconds += time.monotonic() - began


def measure() -> list[Line]:
    """Measure a rewrite and a rebuild once; each takes a minute of statements."""
    with bigquery_server(project=PROJECT, location=LOCATION) as server:
        server.store.create_dataset("d", {})
        with closing(bigquery_warehouse(server.address, total=300.0)) as warehouse:
            for how in _DECLARED:
                warehouse.apply_ddl([_COLUMNS.format(f"d.{how}", "INT64")], timeout=60)
                warehouse.run_dml([_FILL.format(f"d.{how}", ROWS[how])], timeout=300)
        command = [sys.executable, "-m", "benchmarks.bq_apply", server.address]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
    return [
        Line(
            f"bq apply, {how}",
            100 * (wall - seconds) / seconds,
            "% overhead",
            _AT_MOST,
            f"{ROWS[how]:,} rows, {seconds:.1f} s of statements",
        )
        for how, (wall, seconds) in json.loads(done.stdout).items()
    ]


def apply_all(address: str) -> dict[str, tuple[float, float]]:
    """Apply both plans; returns the seconds that each took, and those of its statements."""
    changes.GAINS_FROM = 1  # type: ignore[misc]
    clock, found = SystemClock(), {}
    ids = TimeSortedIds(clock)
    with TemporaryDirectory() as folder, closing(bigquery_warehouse(address, total=300.0)) as opened:
        from nbactl.adapters.sqlite.documents import SqliteDocuments  # noqa: PLC0415

        for how, declared in _DECLARED.items():
            (file := Path(folder) / "t.sql").write_text(declared)
            schemas, _ = read_schemas([file], PROJECT)
            plans = make_plans(opened, schemas.values(), Target(PROJECT, None), timeout=60)
            head = {"form": FORM, "made_at": "now", "target": "gcp", "project": PROJECT, "location": LOCATION}
            limits = {"drift": 0.0, "drop_columns": False, "rewrite_above_bytes": 1}
            document = {**head, **limits, "tables": [table_document(one) for one in plans]}
            plan = read_plan(json.loads(json.dumps(document, default=str)), "the plan")
            documents = SqliteDocuments(Path(folder) / f"{how}.db", clock=clock, busy_timeout=10.0)
            timed = _Timed(opened)
            tables = TableChanges(
                timed,
                documents,
                Leases(documents, clock),
                clock=clock,
                ids=ids,
                owner=lambda: ids.new("apply"),
                project=PROJECT,
                durations=Durations(30.0, 10.0, 1.0),
                limits=Limits(60.0, 300.0),
            )
            caller = Caller(Operator("me"), lambda _: None, Cancellation(), *[lambda _: None] * 3)
            began = time.monotonic()
            tables.apply(plan, plan.tables[0], keep=3600.0, caller=caller)
            found[how] = (time.monotonic() - began, timed.seconds)
    return found


if __name__ == "__main__":
    print(json.dumps(apply_all(sys.argv[1])))
