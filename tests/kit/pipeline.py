"""What the tests of processors share: resources over real, embedded stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.config.loader import load_config
from nbactl.pipeline import registry
from nbactl.pipeline.processor import ProcessorResources
from nbactl.pipeline.rawstore import RawStore
from nbactl.pipeline.sources import open_source
from nbactl.ports.compute import TaskCall, TaskContext, TaskOutcome, Work
from nbactl.testing import FakeClock
from nbactl.warehouse.tables import declared_table, ensure_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from nbactl.pipeline.sources.base import GameSource, RawRecord


@dataclass
class PlainFence:
    """The right to write, as a lease gives it."""

    token: int = 1
    holder: str = "test"

    def guard(self, commit: Callable[[], None]) -> None:
        commit()


class Pipeline:
    """Processors over a source, raw files and a warehouse in one folder."""

    def __init__(self, folder: Path, source: GameSource) -> None:
        self.source = source
        self.raw = RawStore(folder / "raw")
        self.warehouse = DuckDbWarehouse(folder / "warehouse.duckdb", clock=FakeClock(), lock_wait=5.0, holder="test")
        self.resources = ProcessorResources(
            warehouse=lambda: self.warehouse,
            source=lambda: self.source,
            raw=self.raw,
            exports=folder / "exports",
            timeouts=load_config(None).timeouts,
            create_tables=ensure_tables,
            schema_of=declared_table,
        )

    def run(self, name: str, day: date, *, token: int = 1, **parameters: object) -> TaskOutcome:
        """Run one processor."""
        return registry.run(name, self.resources, self._context(name, day, token, parameters))

    def run_set(self, name: str, days: Sequence[date], *, token: int = 1) -> Sequence[TaskOutcome | Exception]:
        """Run one processor for many dates at once."""
        return registry.run_set(name, self.resources, [self._context(name, day, token, {}) for day in days])

    def _context(self, name: str, day: date, token: int, parameters: Mapping[str, object]) -> TaskContext:
        work = Work("processor", name, parameters)
        call = TaskCall("run-test", "test", name, day, 1, 60.0, work, "test", self.source.name)
        return TaskContext(call, PlainFence(token))

    def collect(self, day: date, *datasets: str) -> None:
        """Run phase 1 for these datasets, or for schedule and box scores."""
        for dataset in datasets or ("schedule", "player_boxscores"):
            self.run("collect", day, dataset=dataset)

    def collect_records(self, day: date, schedule: list[RawRecord], boxscores: list[RawRecord]) -> None:
        """Put records where phase 1 would."""
        for dataset, records in (("schedule", schedule), ("player_boxscores", boxscores)):
            self.raw.write(dataset, day, records, source="test", fence=PlainFence())  # type: ignore[arg-type]

    def rows(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        """Query the warehouse."""
        return self.warehouse.query(sql, parameters, timeout=30.0).dicts()


def pipeline(folder: Path, spec: str) -> Iterator[Pipeline]:
    """Open a pipeline for a fixture."""
    opened = Pipeline(folder, open_source(spec, FakeClock()))
    try:
        yield opened
    finally:
        opened.warehouse.close()
