"""What a processor is, and what it is given besides the task itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nbactl.pipeline.aliases import Aliases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date
    from pathlib import Path

    from nbactl.pipeline.rawstore import RawStore
    from nbactl.pipeline.sources.base import GameSource
    from nbactl.ports.compute import TaskContext, TaskOutcome
    from nbactl.ports.warehouse import TableSchema, Warehouse


class Timeouts(Protocol):
    """Durations by name, in seconds (timeouts.yaml)."""

    def __getitem__(self, name: str) -> float:
        """Return one."""
        ...


@dataclass(frozen=True, slots=True)
class ProcessorResources:
    """What processors work with; `warehouse` and `source` are opened by the first call.

    `create_tables` makes those of the named tables that are not there, as they are declared; `schema_of` gives the
    declaration of one. `aliases` reads the players' other names. `exports` is the folder of the files for the site.
    """

    warehouse: Callable[[], Warehouse]
    source: Callable[[], GameSource]
    raw: RawStore
    exports: Path
    timeouts: Timeouts
    create_tables: Callable[[Warehouse, Sequence[str]], None]
    schema_of: Callable[[str], TableSchema]
    aliases: Callable[[], Aliases] = Aliases
    _ensured: set[str] = field(default_factory=set, init=False)
    _names_before: dict[int, dict[date, set[Any]]] = field(default_factory=dict, init=False)

    def ensure_tables(self, *names: str) -> None:
        """Make these tables as they are declared; each is checked once, however many dates are processed."""
        if new := [name for name in names if name not in self._ensured]:
            self.create_tables(self.warehouse(), new)
            self._ensured.update(new)

    def names_before(self, token: int) -> dict[date, set[Any]]:
        """Return whom the box scores of dates named before the runs under this fencing token replaced them."""
        if token not in self._names_before:
            self._names_before.clear()
        return self._names_before.setdefault(token, {})


class Processor(Protocol):
    """A unit of the pipeline: reads, computes and replaces its date's partition; returns the rows it wrote."""

    def __call__(self, resources: ProcessorResources, context: TaskContext) -> TaskOutcome:
        """Process `context.call.game_date`."""
        ...


class SetProcessor(Protocol):
    """A processor of many dates at once."""

    def __call__(
        self, resources: ProcessorResources, contexts: Sequence[TaskContext]
    ) -> Sequence[TaskOutcome | Exception]:
        """Process the game date of each context; returns for each what it gives or raises.

        Raises what concerns no single date; nothing is written then.
        """
        ...
