"""The BigQuery adapter over the loopback server."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from nbactl.adapters.bigquery.calls import Calls
from nbactl.adapters.bigquery.client import ClientHolder, Project
from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.observe.events import noop_hook

if TYPE_CHECKING:
    from nbactl.core.observe.events import Hook

PROJECT = "test-1"
LOCATION = "us-west2"


def bigquery_warehouse(
    address: str,
    *,
    project: str = PROJECT,
    location: str = LOCATION,
    total: float = 30.0,
    attempts: int = 4,
    hook: Hook = noop_hook,
) -> BigQueryWarehouse:
    """Return a warehouse whose calls are tried `attempts` times, with pauses that a test can wait for."""
    clock = SystemClock()
    policies = [
        CallPolicy(
            CallSettings(name, total, RetryPolicy(attempts=attempts, base=0.05, cap=0.2)),
            clock=clock,
            rng=random.Random(1),
            hook=hook,
        )
        for name in ("bigquery", "bigquery_dml")
    ]
    client = ClientHolder(Project(project, location, address), connect=5.0)
    calls = Calls(client, reads=policies[0], writes=policies[1], ids=TimeSortedIds(clock))
    return BigQueryWarehouse(calls, metadata=10.0)
