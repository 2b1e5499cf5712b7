"""A query gateway over a real warehouse file, with a count of what the engine was asked."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.ports.warehouse import Column, Rows, TableSchema
from nbactl.testing import FakeClock
from nbactl.warehouse.gateway import QueryGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from nbactl.core.observe.events import Event
    from nbactl.errors import NbactlError
    from nbactl.ports.warehouse import QueryResult

TIMEOUT: Final = 30.0
DAY: Final = date(2024, 1, 15)
GAMES: Final = TableSchema(
    "nba_raw.games", (Column("game_date", "DATE"), Column("game_id", "STRING")), partition_by="game_date"
)


def _nothing() -> None:
    return None


class AskedWarehouse(DuckDbWarehouse):
    """Notes each query that comes through to the engine, with the arguments beside it; `before` may come between."""

    def __init__(self, path: Path, **others: Any) -> None:
        super().__init__(path, **others)
        self.asked: list[dict[str, Any]] = []
        self.described: list[str] = []
        self.refuses: NbactlError | None = None
        self.before: Callable[[], None] = _nothing

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None, **others: Any) -> QueryResult:
        self.asked.append({"sql": sql, "parameters": parameters, **others})
        self.before()
        return super().query(sql, parameters, **others)

    def table(self, name: str) -> Any:
        self.described.append(name)
        if self.refuses is not None:
            raise self.refuses
        return super().table(name)


class GatewayLab:
    """The gateway with its flag on, unless `on` is set to False."""

    def __init__(self, folder: Path, *, ttl: float = 3600.0) -> None:
        self.clock = FakeClock()
        self.engine = AskedWarehouse(folder / "w.duckdb", clock=self.clock, lock_wait=5.0, holder="test")
        self.on = True
        self.ttl = ttl
        self.requests: list[str] = []
        self.events: list[Event] = []
        self.gateway = QueryGateway(
            self.engine, self.clock, enabled=self._enabled, ttl=lambda _: self.ttl, hook=self.events.append
        )
        self.gateway.create_table(GAMES)

    def _enabled(self, request: str) -> bool:
        self.requests.append(request)
        return self.on

    def load(self, *games: str) -> None:
        """Add games, and let a moment pass."""
        self.gateway.load(GAMES.name, Rows(("game_date", "game_id"), [(DAY, game) for game in games]), timeout=TIMEOUT)
        self.clock.advance(1.0)

    def ask(self, sql: str, parameters: Mapping[str, Any] | None = None, **others: Any) -> list[tuple[Any, ...]]:
        return self.gateway.query(sql, parameters, **{"timeout": TIMEOUT, **others}).rows

    @property
    def answered(self) -> Counter[str]:
        """How often each one answered."""
        return Counter(event.fields["answered_by"] for event in self.events if event.kind == "warehouse.queried")
