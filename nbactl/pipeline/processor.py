"""What a processor is, and what it is given besides the task itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.pipeline.rawstore import RawStore
    from nbactl.pipeline.sources.base import Source
    from nbactl.ports.compute import TaskContext, TaskOutcome
    from nbactl.ports.warehouse import Warehouse


class Timeouts(Protocol):
    """Durations by name, in seconds (timeouts.yaml)."""

    def __getitem__(self, name: str) -> float:
        """Return one."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What processors work with; `warehouse`, `source` and `tables` are opened by the first call."""

    warehouse: Callable[[], Warehouse]
    source: Callable[[], Source]
    raw: RawStore
    timeouts: Timeouts
    tables: Callable[[], Mapping[str, object]]


class Processor(Protocol):
    """A unit of the pipeline: reads, computes and replaces its date's partition; returns the rows it wrote."""

    def __call__(self, services: Services, context: TaskContext) -> TaskOutcome:
        """Process `context.call.game_date`."""
        ...
