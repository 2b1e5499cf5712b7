"""A load of a running `nbactl up`: a batch of synthetic players on a date of its own, followed to its end."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from nbactl.checks.load.batch_plan import load_players, pick_date, plan_messages, poison_body
from nbactl.checks.load.batch_result import BatchReport, read_result
from nbactl.checks.load.open_loop import NoAnswerError, open_loop
from nbactl.checks.load.report import percentiles
from nbactl.checks.load.services import Chaos, find_up
from nbactl.cli.ask import Question, operator, proceed
from nbactl.cli.load.command import new_load_id
from nbactl.cli.load.synthetic import synthetic_inputs
from nbactl.core._support.gamedate import GameDate
from nbactl.core.completions.documents import BATCHES, batch_path
from nbactl.core.phases.messages import PhaseTrigger
from nbactl.errors import ConfigError, NbactlError, PreconditionError
from nbactl.ports.documents import SERVER_TIME, Filter, Query
from nbactl.services.batch_documents import (
    CONSOLIDATED_AT,
    PUBLISHED,
    PUBLISHED_AT,
    batch_id_of,
    player_lists,
    start_fields,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.checks.load.batch_plan import PlannedMessage
    from nbactl.checks.load.batch_result import BatchResult
    from nbactl.checks.load.services import Kill
    from nbactl.cli.ask import Confirm
    from nbactl.cli.load.command import BatchLoad

_NEXT: Final = "phase6"
_THREADS: Final = 16
_TRIES: Final = 3
_LOAD_ATTRIBUTE: Final = "load_id"
_LATER: Final = "1990-01-01"
"""All dates of loads are before."""


@dataclass(frozen=True, slots=True)
class BatchLoadResult:
    """What a load of a batch showed."""

    request: BatchLoad
    load_id: str
    batch_id: str
    game_date: GameDate
    report: BatchReport
    kills: tuple[Kill, ...]


class _Load:
    """One load: what it sends, and what it looks at."""

    def __init__(self, app: Container, request: BatchLoad, tell: Callable[[str], None]) -> None:
        phase = app.config.workflows.phases.get("phase5")
        if phase is None or phase.fan_out is None:
            raise ConfigError(
                "workflows.yaml: phases.phase5 has no fan_out", next_step="Name its request and ready topics."
            )
        following = app.config.workflows.phases.get(_NEXT)
        self.app, self.request, self.tell = app, request, tell
        self.topic = phase.fan_out.request_topic
        self.trigger_topic = None if following is None else following.trigger_topic
        self.load_id = new_load_id()
        taken = app.documents.query(Query(BATCHES, (Filter("game_date", "<", _LATER),)))
        day = pick_date({str(batch.data["game_date"]) for batch in taken}, random.SystemRandom())
        self.day = GameDate(day)
        self.batch_id = batch_id_of(self.day, 1)
        self.players = load_players(request.players)
        self.plan = plan_messages(self.players, request.duration, request.shares, request.seed)
        self.began = app.clock.now()

    def create_batch(self) -> None:
        """Begin the batch as the coordinator does, with all requests as published, so that it sends none itself."""
        now, timeouts = self.app.clock.now(), self.app.config.timeouts
        trigger = PhaseTrigger("phase5", self.day)
        fields = start_fields(
            trigger,
            trigger.key,
            mode="overnight",
            instance=operator(),
            next_check=now + timedelta(seconds=timeouts["batch.quiet"]),
        )
        self.app.completions.create_batch(
            self.batch_id,
            self.day,
            len(self.players),
            self.load_id,
            fields={**fields, PUBLISHED: len(self.players), PUBLISHED_AT: SERVER_TIME, "load_id": self.load_id},
            beside=player_lists(self.batch_id, self.players),
        )

    def publish(self) -> int:
        """Publish all messages at their instants, again what failed; returns how many could not be."""
        left = list(range(len(self.plan)))
        instants = [one.at for one in self.plan]
        for _ in range(_TRIES):
            outcomes = asyncio.run(self._publish(left, instants))
            left = [number for number, one in zip(left, outcomes, strict=True) if not one]
            if not left:
                return 0
            instants = [0.0] * len(left)
        return len(left)

    async def _publish(self, numbers: Sequence[int], instants: Sequence[float]) -> list[bool]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(_THREADS, "nbactl-load") as threads:

            async def send(index: int) -> str:
                try:
                    await loop.run_in_executor(threads, self._send, numbers[index])
                except NbactlError as error:
                    raise NoAnswerError(error.code) from error
                return "published"

            if len(numbers) == len(self.plan):
                self.began = self.app.clock.now()
            outcomes = await open_loop(instants, send, most_open=self.request.most_open)
        return [one.status is not None for one in outcomes]

    def _send(self, number: int) -> None:
        message = self.plan[number]
        data = poison_body(number, str(self.day)) if message.player is None else self._body(message.player)
        self.app.bus.publish(self.topic, data, {_LOAD_ATTRIBUTE: self.load_id})

    def _body(self, player: str) -> bytes:
        data = {
            "player_lookup": player,
            "game_date": str(self.day),
            "batch_id": self.batch_id,
            "correlation_id": self.load_id,
            "timestamp": self.began.isoformat(),
            "prediction_run_mode": "overnight",
            "partial": False,
            "historical_games_batch": synthetic_inputs(player, self.day.day, self.request.seed),
        }
        return json.dumps(data).encode()

    def follow(self) -> tuple[BatchResult, int]:
        """Wait until the batch is settled and poison is in the dead letter; returns both as they are at the end."""
        clock, timeouts = self.app.clock, self.app.config.timeouts
        end = clock.monotonic() + timeouts["load.settle"]
        poison = sum(one.kind == "poison" for one in self.plan)
        poisoned, shown = 0, ""
        while True:
            over = clock.monotonic() >= end
            batch = self.app.documents.get(batch_path(self.batch_id))
            if over or (batch is not None and batch.data.get(CONSOLIDATED_AT) is not None):
                poisoned = self._collect_poison() if poison else 0
                result = read_result(self.app.documents, self.batch_id, self.players, self.trigger_topic)
                if over or (result.is_settled and poisoned >= poison):
                    return result, poisoned
                words = f"merged {result.merged_rows:,} rows; waiting for phase 6 or poison ({poisoned} of {poison})"
            else:
                progress = self.app.completions.progress(self.batch_id)
                words = f"{progress.completed} of {progress.expected} players are done"
            if words != shown:
                self.tell(words)
                shown = words
            clock.sleep(timeouts["load.poll"])

    def _collect_poison(self) -> int:
        """Return how much poison is in the dead letter. It is archived there: nobody needs to decide on it."""
        letters = self.app.dead_letters
        letters.collect()
        for letter in list(letters.open(self.topic)):
            if letter.attributes.get(_LOAD_ATTRIBUTE) == self.load_id:
                letters.archive(letter, by=operator(), reason=f"poison of {self.load_id}")
        return sum(letter.attributes.get(_LOAD_ATTRIBUTE) == self.load_id for letter in letters.all(self.topic))

    def report(self, result: BatchResult, poisoned: int, unsent: int, restarts: int) -> BatchReport:
        """Return the report; a player who is not done is slower than every other."""
        intended: dict[str, float] = {}
        for message in self.plan:
            if message.player is not None:
                intended.setdefault(message.player, message.at)
        ended = {player: self._seconds(at) for player, at in result.ended.items() if player in intended}
        duration = max(ended.values(), default=0.0)
        return BatchReport(
            result=result,
            sent=dict(Counter(one.kind for one in self.plan)),
            unsent=unsent,
            poisoned=poisoned,
            latency=percentiles(ended[player] - at if player in ended else None for player, at in intended.items()),
            throughput=len(ended) / duration if duration else 0.0,
            duration=duration,
            restarts=restarts,
        )

    def _seconds(self, at: datetime) -> float:
        return (at - self.began).total_seconds()

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self._seconds(self.app.clock.now())


def plan_batch(request: BatchLoad) -> Sequence[PlannedMessage]:
    """Return what a load would send."""
    return plan_messages(load_players(request.players), request.duration, request.shares, request.seed)


def load_batch(
    app: Container, request: BatchLoad, *, confirm: Confirm = proceed, tell: Callable[[str], None] = lambda _: None
) -> BatchLoadResult:
    """Load the running `nbactl up` and follow its batch to the end; `tell` gets its progress.

    Raises PreconditionError if `nbactl up` is not running, or the target is Google's cloud itself.
    """
    if app.settings.target == "gcp" and not app.environ.get("PUBSUB_EMULATOR_HOST"):
        raise PreconditionError(
            "a load is not run on production", next_step="Use --target local, or set PUBSUB_EMULATOR_HOST."
        )
    find_up(app.settings.state_dir)
    load, timeouts = _Load(app, request, tell), app.config.timeouts
    killing = "; services are killed at random" if request.chaos else ""
    confirm(Question(f"Request {request.players:,} synthetic players on {load.day}{killing}?"))
    load.create_batch()
    chaos = Chaos(
        app.settings.state_dir,
        every=timeouts["load.chaos"],
        limit=timeouts["up.request"],
        seed=request.seed,
        seconds=load.elapsed,
        kills=request.chaos,
    )
    chaos.start()
    tell(f"{load.batch_id}: publishing {len(load.plan):,} messages in {request.duration:g}s.")
    tell(f"Watch it: nbactl status --date {load.day} --watch")
    try:
        unsent = load.publish()
        result, poisoned = load.follow()
    finally:
        chaos.stop()
    report = load.report(result, poisoned, unsent, chaos.restarts)
    return BatchLoadResult(request, load.load_id, load.batch_id, load.day, report, tuple(chaos.killed))
