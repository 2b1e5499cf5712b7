"""Public helpers for tests: fake clock, repeatable ids, fault points, stores and a bus in memory, orders of steps.

docs/testing.md documents every name.
"""

from nbactl.testing import faults
from nbactl.testing.clock import FakeClock, SequentialIds
from nbactl.testing.emulators import firestore_emulator
from nbactl.testing.interleaving import BrokenByOrderError, FaultRates, explore
from nbactl.testing.proxy import FaultProxy
from nbactl.testing.stores import emulator_documents, memory_bus, memory_documents

__all__ = [
    "BrokenByOrderError",
    "FakeClock",
    "FaultProxy",
    "FaultRates",
    "SequentialIds",
    "emulator_documents",
    "explore",
    "faults",
    "firestore_emulator",
    "memory_bus",
    "memory_documents",
]
