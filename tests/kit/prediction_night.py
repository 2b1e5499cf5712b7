"""A night of predictions over any document store: coordinator and worker, with messages and merged rows as documents.

`deliver` gives each message to whom it belongs, as push delivery does; tests choose in which order, and how often.
The table of predictions is `merged/{batch}/rows`: a merge writes there, in a commit that may be repeated.
"""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import TimeSortedIds, encode_id
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.stages import CompletionStage, mode_of
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.core.lease.leases import Leases
from nbactl.core.outbox.outbox import Outbox
from nbactl.core.phases.messages import PhaseTrigger
from nbactl.pipeline.predict.model import PastGame, PlayerInputs
from nbactl.ports.documents import MAX_WRITES, Create, Increment, Set, Update
from nbactl.services.batch_documents import batch_id_of
from nbactl.services.batch_start import BatchLimits, BatchParts
from nbactl.services.batches import BatchCoordinator
from nbactl.services.worker import PredictionWorker
from tests.kit.stored_bus import StoredBus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from nbactl.core._support.clock import Clock
    from nbactl.core.observe.events import Event
    from nbactl.ports.alerts import Alert
    from nbactl.ports.bus import MessageBus
    from nbactl.ports.documents import DocumentStore
    from nbactl.testing import FakeClock

DAY: Final = GameDate(date(2024, 1, 15))
BATCH: Final = batch_id_of(DAY, 1)
TRIGGER: Final = PhaseTrigger("phase5", DAY, correlation_id="corr-1")
LIMITS: Final = BatchLimits(quiet=600.0, limit=1800.0, late=60.0, keep=604_800.0, lease=60.0, renew_every=20.0)
REQUESTS, READY, DONE = "requests", "ready", "done"
_SOON: Final = RetryPolicy("retry", attempts=8, base=0.01, jitter=False)


def player_inputs(player: str, *, games: int = 3) -> PlayerInputs:
    """Return the inputs of a player who has played so many games."""
    past = tuple(
        PastGame(DAY.day - timedelta(days=2 * number + 2), 30.0 + number, 20 + number, 5, 7) for number in range(games)
    )
    factors = {"points": 1.0, "rebounds": 1.0, "assists": 1.0}
    return PlayerInputs(
        player_lookup=player,
        game_id="0022300500",
        game_date=DAY.day,
        team_abbr="BOS",
        opponent_team_abbr="MIA",
        rest_days=1,
        opponent_factors=factors,
        games=past,
    )


class Night:
    """One process of the night. Several of them over one store are several processes."""

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        players: Mapping[str, PlayerInputs],
        *,
        games: bool = True,
        stage: CompletionStage = CompletionStage.CLEANED,
        owner: str | None = None,
        is_dead: Callable[[str], bool] = lambda _: False,
        bus: MessageBus | None = None,
        merge: Callable[[GameDate, Sequence[Mapping[str, Any]], str], int] | None = None,
        shards: int = 0,
        limits: BatchLimits = LIMITS,
    ) -> None:
        self.store, self.clock, self.players = store, clock, players
        self.alerts: list[Alert] = []
        self.events: list[Event] = []
        self.queries: list[Collection[str] | None] = []
        ids = TimeSortedIds(clock, random.Random(owner))
        self.stored = StoredBus(store, clock, ids)
        self.bus = bus or self.stored
        self.tracker = CompletionTracker(
            store, clock, mode=lambda _: mode_of(stage, {}), acting=1e6, retry=_SOON, rng=random.Random(1)
        )
        self.outbox = Outbox(store, self.bus, clock, redrive_after=120.0, keep=1e6)
        self.parts = BatchParts(
            store=store,
            tracker=self.tracker,
            bus=self.bus,
            outbox=self.outbox,
            leases=Leases(store, clock, is_dead=is_dead),
            clock=clock,
            limits=limits,
            owner=(lambda: owner) if owner else (lambda: ids.new("process")),
            alert=self.alerts.append,
            has_games=lambda _: games,
            load_inputs=self.load,
            merge=merge or self.merge,
            request_topic=REQUESTS,
            done_topic=DONE,
            shards=lambda _: shards,
        )
        self.coordinator = BatchCoordinator(self.parts)
        self.worker = PredictionWorker(
            store, self.tracker, self.bus, clock, ready_topic=READY, load_inputs=self.load, hook=self.events.append
        )

    def load(self, _: GameDate, players: Collection[str] | None) -> dict[str, PlayerInputs]:
        self.queries.append(players)
        return {name: found for name, found in self.players.items() if players is None or name in players}

    def merge(self, _: GameDate, rows: Sequence[Mapping[str, Any]], batch_id: str) -> int:
        writes = [
            Set(f"merged/{batch_id}/rows/{encode_id(row['player_lookup'])}-{row['stat']}", dict(row)) for row in rows
        ]
        for start in range(0, len(writes), MAX_WRITES):
            self.store.batch_write(writes[start : start + MAX_WRITES])
        if self.store.get(f"merges/{batch_id}") is None:
            self.store.batch_write([Create(f"merges/{batch_id}", {"n": 0})])
        self.store.commit([Update(f"merges/{batch_id}", {"n": Increment(1)})])
        return len(self.merged(batch_id))

    def merged(self, batch_id: str = BATCH) -> list[str]:
        """Return the rows of the table, `player-stat`."""
        return list(self.store.list_ids(f"merged/{batch_id}/rows"))

    def merges(self, batch_id: str = BATCH) -> int:
        """Return how often a batch was merged."""
        document = self.store.get(f"merges/{batch_id}")
        return 0 if document is None else int(document.data["n"])

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests that were published, by player: of one moment they have no order."""
        found = [json.loads(message.data) for message in self.stored.messages(REQUESTS)]
        return sorted(found, key=lambda request: str(request["player_lookup"]))

    def announced(self) -> list[dict[str, Any]]:
        """Return the completions of phase 5, each key once: consumers are idempotent on it."""
        found = {message.attributes["outbox_key"]: message.data for message in self.stored.messages(DONE)}
        return [json.loads(data) for data in found.values()]

    def ready_messages(self) -> list[dict[str, Any]]:
        """Return what workers announced."""
        return [json.loads(message.data) for message in self.stored.messages(READY)]

    def work(self, *requests: dict[str, Any]) -> None:
        """Have the worker do these requests, by default all."""
        for request in requests or self.requests():
            self.worker.work(request)

    def hear(self, *messages: dict[str, Any]) -> None:
        """Have the coordinator hear these ready messages, by default all."""
        for message in messages or self.ready_messages():
            self.coordinator.ready(message)

    def batch(self, batch_id: str = BATCH) -> dict[str, Any]:
        """Return the document of a batch."""
        document = self.store.get(f"prediction_batches/{batch_id}")
        assert document is not None
        return document.data


def roster(count: int) -> dict[str, PlayerInputs]:
    """Return the inputs of so many players."""
    return {name: player_inputs(name) for name in (f"player{number:05}" for number in range(count))}


def stall(night: Night, clock: FakeClock, done: int) -> None:
    """Start the batch, and have so many players done."""
    night.coordinator.start(TRIGGER)
    for request in night.requests()[:done]:
        night.work(request)
    night.hear()
    clock.advance(1.0)


def actions(night: Night) -> list[str]:
    """Have the clock look at the batches, and return what it did."""
    return [checked.action for checked in night.coordinator.sweep()]
