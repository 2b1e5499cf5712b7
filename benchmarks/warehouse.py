"""Queries of BigQuery: what the adapter costs beside the bare client, in CPU time of this process.

Both ask the loopback server, which is a process of its own, in turns: a small query, whose results fit one answer.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
import uuid
from contextlib import closing
from statistics import median
from typing import IO, TYPE_CHECKING, Final, cast

from google.auth.credentials import AnonymousCredentials  # noqa: TID253 - the bare client
from google.cloud import bigquery  # noqa: TID253 - as above

from benchmarks.measure import Line
from nbactl.adapters.bigquery.calls import Calls
from nbactl.adapters.bigquery.client import ClientHolder, Project
from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
from nbactl.config.loader import load_config
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.calls.policies import CallPolicies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT: Final = "bench-1"
LOCATION: Final = "us-west2"
CALLS: Final = 30
SQL: Final = "SELECT n, CONCAT('player', CAST(n AS STRING)) AS name FROM UNNEST(GENERATE_ARRAY(1, 20)) AS n"
_SERVER: Final = """
import sys
from nbactl.testing import bigquery_server
with bigquery_server(project=sys.argv[1], location=sys.argv[2]) as server:
    print(server.address, flush=True)
    sys.stdin.read()
"""


def measure(runs: int) -> Iterator[Line]:
    """Yield the lines."""
    command = [sys.executable, "-c", _SERVER, PROJECT, LOCATION]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        started, stop = cast("IO[str]", server.stdout), cast("IO[str]", server.stdin)
        try:
            yield from _lines(started.readline().strip(), runs)
        finally:
            stop.close()


def _lines(address: str, runs: int) -> Iterator[Line]:
    clock = SystemClock()
    policies = CallPolicies(load_config(None).timeouts.calls(), clock=clock, rng=random.SystemRandom())
    calls = Calls(
        ClientHolder(Project(PROJECT, LOCATION, address), connect=5.0),
        reads=policies["bigquery"],
        writes=policies["bigquery_dml"],
        ids=TimeSortedIds(clock),
    )
    with (
        closing(BigQueryWarehouse(calls, metadata=60.0)) as warehouse,
        closing(
            bigquery.Client(
                project=PROJECT,
                location=LOCATION,
                credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
                client_options={"api_endpoint": address},
            )
        ) as client,
    ):

        def ours() -> object:
            return warehouse.query(SQL, timeout=60.0, labels={"run_id": "bench"}).rows

        def bare() -> object:
            config = bigquery.QueryJobConfig(labels={"run_id": "bench"})
            job_id = f"bench-{uuid.uuid4().hex}"
            return [tuple(row) for row in client.query(SQL, job_config=config, job_id=job_id, job_retry=None).result()]

        if ours() != bare():
            raise RuntimeError("the two give different rows")
        cpu: dict[str, list[float]] = {"ours": [], "bare": []}
        wall: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(max(1, runs)):
            for name, query in (("ours", ours), ("bare", bare)):
                spent, passed = _timed(query)
                cpu[name].append(spent)
                wall[name].append(passed)
    overhead = median(cpu["ours"]) - median(cpu["bare"])
    note = f"ms CPU a query: {median(cpu['ours']):.1f} against {median(cpu['bare']):.1f} of the bare client"
    yield Line("bigquery overhead", overhead, "ms CPU a query", 5.0, note)
    ratio = median(wall["ours"]) / median(wall["bare"])
    yield Line("bigquery small query", ratio, "x the bare client", 1.3, f"{median(wall['ours']):.1f} ms a query")


def _timed(query: Callable[[], object]) -> tuple[float, float]:
    """Return milliseconds of CPU and of time for one query."""
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(CALLS):
        query()
    return (time.process_time() - cpu) * 1000 / CALLS, (time.perf_counter() - began) * 1000 / CALLS
