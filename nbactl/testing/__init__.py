"""Public helpers for tests: fake clock, repeatable ids, fault points, stores and a bus in memory, orders of steps.

docs/testing.md documents every name.
"""

from typing import TYPE_CHECKING, Any

from nbactl.testing import faults
from nbactl.testing.clock import FakeClock, SequentialIds
from nbactl.testing.emulators import firestore_emulator, pubsub_emulator
from nbactl.testing.interleaving import BrokenByOrderError, FaultRates, explore
from nbactl.testing.proxy import FaultProxy
from nbactl.testing.stores import emulator_documents, memory_bus, memory_documents

if TYPE_CHECKING:
    from nbactl.testing.bigquery import bigquery_server

__all__ = [
    "BrokenByOrderError",
    "FakeClock",
    "FaultProxy",
    "FaultRates",
    "SequentialIds",
    "bigquery_server",
    "emulator_documents",
    "explore",
    "faults",
    "firestore_emulator",
    "memory_bus",
    "memory_documents",
    "pubsub_emulator",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute
    """Load the BigQuery server when it is first asked for: it brings DuckDB and sqlglot with it."""
    if name != "bigquery_server":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nbactl.testing.bigquery import bigquery_server  # noqa: PLC0415

    return bigquery_server
