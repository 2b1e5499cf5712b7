"""Public helpers for tests: fake clock, sequential ids, fault points, stores in memory."""

from nbactl.testing import faults
from nbactl.testing.clock import FakeClock
from nbactl.testing.ids import SequentialIds
from nbactl.testing.stores import memory_documents

__all__ = ["FakeClock", "SequentialIds", "faults", "memory_documents"]
