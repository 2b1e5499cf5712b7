"""A small query: `nbactl query` beside the bare client, each a process of its own.

On gcp both talk to the loopback BigQuery server. On local the bare client is DuckDB, which gets SQL of its own dialect;
what translating BigQuery's costs is in the second line, where the bare client loads the parser as well.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from datetime import date
from pathlib import Path

from benchmarks.measure import Command, Line, Sample, in_turn, nbactl
from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.core._support.clock import SystemClock
from nbactl.ports.warehouse import Column, Rows, TableSchema, Warehouse
from nbactl.testing import bigquery_server

_TABLE = TableSchema("nba_raw.small", (Column("day", "DATE"), Column("points", "INT64")), partition_by="day")
_SQL = "SELECT day, SUM(points) AS points FROM nba_raw.small GROUP BY day ORDER BY day LIMIT 5"
_PROJECT, _REGION = "bench-1", "us-west2"
_MOST = 1.3
_DUCKDB = f"""
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for row in connection.execute("{_SQL}").fetchall():
    print(*row)
"""
_PARSED = _DUCKDB.replace('"""', "").replace(f'"{_SQL}"', f'sqlglot.transpile("{_SQL}", "bigquery", "duckdb")[0]')
_CLIENT = f"""
import sys
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
options = ClientOptions(api_endpoint=sys.argv[1])
client = bigquery.Client("{_PROJECT}", credentials=AnonymousCredentials(), client_options=options, location="us-west2")
for row in client.query_and_wait("{_SQL}"):
    print(*row)
"""


def measure(runs: int) -> list[Line]:
    """Measure the time of the whole process, which has little to do but the first rows; both in turn."""
    with (
        tempfile.TemporaryDirectory() as name,
        bigquery_server(project=_PROJECT, location=_REGION) as server,
    ):
        folder = Path(name)
        file = folder / "state" / "data" / "sample" / "warehouse.duckdb"
        file.parent.mkdir(parents=True)
        with closing(DuckDbWarehouse(file, clock=SystemClock(), lock_wait=10.0, holder="benchmark")) as local:
            _fill(local)
        host = {"BIGQUERY_EMULATOR_HOST": server.address}
        place = {"target": "gcp", "project": _PROJECT, "region": _REGION}
        with Container(load_settings(place, {}, folder), environ=host) as app:
            _fill(app.warehouse)
        ours = nbactl("query", _SQL, "--state-dir", str(folder / "state"))
        on_gcp = [*ours, "--target", "gcp", "--project", _PROJECT, "--region", _REGION]
        commands = {
            "gcp": (on_gcp, host),
            "google-cloud-bigquery": ([sys.executable, "-c", _CLIENT, server.address], host),
            "local": (ours, {}),
            "DuckDB": ([sys.executable, "-c", _DUCKDB, str(file)], {}),
            "DuckDB + sqlglot": ([sys.executable, "-c", f"import sqlglot\n{_PARSED}", str(file)], {}),
        }
        taken = in_turn([Command(key, lambda argv=argv: argv, env) for key, (argv, env) in commands.items()], runs)  # type: ignore[misc]
    return [
        _line("query on gcp", taken, "gcp", "google-cloud-bigquery", _MOST),
        _line("query on local", taken, "local", "DuckDB + sqlglot", None),
        _line("query on local", taken, "local", "DuckDB", None),
    ]


def _fill(warehouse: Warehouse) -> None:
    warehouse.create_table(_TABLE)
    rows = [(date(2024, 1, 1 + number % 28), number) for number in range(1000)]
    warehouse.load(_TABLE.name, Rows(("day", "points"), rows), timeout=60.0)


def _line(name: str, taken: dict[str, Sample], ours: str, bare: str, target: float | None) -> Line:
    times = ", ".join(
        f"{key} {taken[key].wall * 1000:.0f} ms wall {taken[key].cpu * 1000:.0f} CPU" for key in (ours, bare)
    )
    return Line(name, taken[ours].wall / taken[bare].wall, "x bare client", target, times)
