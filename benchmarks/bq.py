"""`nbactl bq plan` over 300 tables of 40 columns in one dataset, without imports; and what apply takes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from benchmarks import bq_apply
from benchmarks.measure import Line
from nbactl.ports.warehouse import Column, TableSchema
from nbactl.testing import bigquery_server

TABLES = 300
_CHANGED = 3
_PROJECT, _REGION = "bench-1", "us-west2"
_PLAN = """
import time
from pathlib import Path
from benchmarks.bq import schemas
from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.warehouse.plan.planner import make_plans
from nbactl.warehouse.plan.steps import Target
with Container(load_settings({"target": "gcp", "project": "bench-1", "region": "us-west2"}, {}, Path())) as app:
    app.warehouse.list_tables("nba_raw")  # the client is made
    began = time.process_time()
    plans = make_plans(app.warehouse, schemas(changed=True), Target("bench-1", None), timeout=60.0)
    print(time.process_time() - began, sum(1 for plan in plans if plan.changes))
"""


def schemas(*, changed: bool = False) -> list[TableSchema]:
    """Return the tables; of the changed ones some are clustered otherwise."""
    columns = (Column("day", "DATE", required=True), *(Column(f"c{number}", "STRING") for number in range(39)))
    return [
        TableSchema(f"nba_raw.t{n:03}", columns, "day", ("c1",) if changed and n < _CHANGED else ("c0",))
        for n in range(TABLES)
    ]


def measure(runs: int) -> list[Line]:
    """Measure a plan of which three tables differ."""
    with bigquery_server(project=_PROJECT, location=_REGION) as server:
        server.store.create_dataset("nba_raw", {})
        for schema in schemas():
            fields = [
                {"name": one.name, "type": one.type, "mode": "REQUIRED" if one.required else "NULLABLE"}
                for one in schema.columns
            ]
            layout = {"timePartitioning": {"type": "DAY", "field": "day"}, "clustering": {"fields": ["c0"]}}
            server.store.create_table(("nba_raw", schema.name.partition(".")[2]), fields, layout)
        environ = {**os.environ, "BIGQUERY_EMULATOR_HOST": server.address}
        taken = []
        for _ in range(runs):
            before = len(server.requests)
            done = subprocess.run(
                [sys.executable, "-c", _PLAN], env=environ, capture_output=True, text=True, check=True, timeout=300
            )
            seconds, differing = done.stdout.split()
            taken.append(float(seconds))
            if int(differing) != _CHANGED:
                raise RuntimeError(f"{differing} tables differ, not {_CHANGED}")
        # Polling for the end of a query is no call of its own.
        sent = [path for _, path in server.requests[before + 1 :] if "/queries/" not in path and "/jobs/" not in path]
    calls = len(sent) - _CHANGED
    return [
        Line(f"bq plan, {TABLES} tables", statistics.median(taken), "s CPU", 1.0, f"{_CHANGED} of them differ"),
        Line(f"bq plan, {TABLES} tables", calls, "calls a dataset", 3, "and one for each table that differs"),
        *bq_apply.measure(),
    ]
