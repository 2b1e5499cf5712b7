"""Public helpers for tests: fake clock, sequential ids, fault points, stores in memory."""

from nbactl.testing import faults
from nbactl.testing.clock import FakeClock
from nbactl.testing.ids import SequentialIds
from nbactl.testing.stores import emulator_documents, memory_documents

__all__ = ["FakeClock", "SequentialIds", "emulator_documents", "faults", "memory_documents"]
