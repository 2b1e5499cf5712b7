"""`nbactl load` of a batch, against workers in this process: what is lost, done twice or left behind is found."""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.core.completions.documents import COMPLETED_COUNT, batch_path
from nbactl.errors import AlreadyExistsError
from nbactl.pipeline.predict.model import parse_inputs, predict
from nbactl.ports.bus import Subscription
from nbactl.ports.documents import SERVER_TIME, Increment, Update
from nbactl.services.batch_documents import message_key, staged_write
from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.bus import PulledMessage

Defect = Literal["none", "loses", "counts twice", "starts twice", "never merges", "swallows poison"]
REQUESTS, TRIGGERS = "prediction-request-prod", "nba-phase6-export-trigger"
DEAD = f"{REQUESTS}-dead-letter"


@dataclass
class Pipeline:
    """What stands in for the services: it takes requests, and finishes their batch."""

    app: Container
    defect: Defect
    players: int
    deliveries: int = 0
    done: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        bus: Any = self.app.bus
        while not self.stopped.is_set():
            for message in bus.pull(REQUESTS, limit=50, timeout=0.05):
                self.deliveries += 1
                verb = bus.ack if self.handle(message) else bus.nack
                verb(REQUESTS, [message.ack_id])

    def handle(self, message: PulledMessage) -> bool:
        try:
            data = json.loads(message.data)
            batch_id, player = message_key(data)
        except Exception:  # noqa: BLE001 - whatever is wrong with poison
            return self.defect == "swallows poison"
        predictions = predict(parse_inputs(data["historical_games_batch"]), partial=False)
        if self.defect == "loses" and player.endswith("7"):
            return True
        with suppress(AlreadyExistsError):
            self.app.documents.commit([staged_write(batch_id, player, [{"stat": one.stat} for one in predictions])])
        recorded = self.app.completions.record_completion(batch_id, player, len(predictions))
        if self.defect == "counts twice" and not recorded.new:
            self.app.documents.commit([Update(batch_path(batch_id), {COMPLETED_COUNT: Increment(1)})])
        self.done.add(player)
        if recorded.became_complete and self.defect != "never merges":
            self.finish(batch_id, data["game_date"])
        return True

    def finish(self, batch_id: str, day: str) -> None:
        fields = {"merged_players": len(self.done), "merged_rows": 3 * len(self.done), "consolidated_at": SERVER_TIME}
        starts = 2 if self.defect == "starts twice" else 1
        triggers = [
            self.app.outbox.message(f"phase6/{day}/{number}", TRIGGERS, {"target_date": day})
            for number in range(starts)
        ]
        self.app.documents.commit([Update(batch_path(batch_id), dict(fields.items())), *triggers])


@contextmanager
def pipeline(folder: Path, defect: Defect, players: int) -> Iterator[Pipeline]:
    with Container(load_settings({"state_dir": str(folder / "state")}, {}, folder)) as app:
        bus: Any = app.bus
        bus.create_topic(DEAD)
        for topic in (REQUESTS, DEAD):
            bus.create_subscription(Subscription(topic, topic, DEAD, least_backoff=0.0, most_backoff=0.0))
        running = Pipeline(app, defect, players)
        up = {"pid": os.getpid(), "services": {"worker": {"pid": os.getpid(), "port": 9}}, "started_at": ""}
        (folder / "state" / "up.json").write_text(json.dumps(up))
        thread = threading.Thread(target=running.run)
        thread.start()
        try:
            yield running
        finally:
            running.stopped.set()
            thread.join()


def load(folder: Path, *words: str, code: int = 0, settle: str = "20s") -> Any:
    limits = {"NBACTL_TIMEOUT_LOAD_SETTLE": settle, "NBACTL_TIMEOUT_LOAD_POLL": "20ms"}
    line = ["load", *words, "--state-dir", str(folder / "state"), "-o", "json"]
    done = call_nbactl(line, cwd=folder, env=environment(limits))
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    return document["data"] if document["data"] is not None else document["error"]


WORDS = ("--players", "40", "--duration", "300ms", "--seed", "1")
HARD = (*WORDS, "--duplicates", "0.5", "--reorder", "0.5", "--poison", "0.25")


def test_every_player_is_done_once_and_poison_ends_in_the_dead_letter(tmp_path: Path) -> None:
    with pipeline(tmp_path, "none", 40) as running:
        found = load(tmp_path, *HARD)
        letters = list(running.app.dead_letters.all())
    assert found["problems"] == []
    assert found["sent"] == {"request": 40, "duplicate": 20, "poison": 10}
    assert running.deliveries == 40 + 20 + 10 * 5
    assert (found["done"], found["lost"], found["done_twice"], found["failed"]) == (40, 0, 0, [])
    assert (found["merged_rows"], found["phase6_triggers"], found["poisoned"]) == (120, 1, 10)
    assert {letter.state for letter in letters} == {"archived"}, "nobody needs to decide on it"
    assert 1960 <= int(found["game_date"][:4]) <= 1989
    assert found["throughput"] > 0
    assert 0 < found["latency_s"]["p50"] <= found["latency_s"]["max"]
    assert found["measured_to"] == "staged rows"  # the flags' default is the array, which has no times


@pytest.mark.parametrize(
    ("defect", "problem"),
    [
        ("loses", "4 of 40 players are lost"),
        ("counts twice", "20 players were counted twice"),
        ("starts twice", "phase 6 was started 2 times"),
        ("never merges", "the batch is not merged"),
        ("swallows poison", "10 of 10 poisonous messages are not in the dead letter"),
    ],
)
def test_a_pipeline_with_a_defect_fails_the_load(defect: Defect, problem: str, tmp_path: Path) -> None:
    with pipeline(tmp_path, defect, 40):
        found = load(tmp_path, *HARD, code=1, settle="1500ms")
    assert problem in found["problems"]


def test_each_load_has_a_date_of_its_own(tmp_path: Path) -> None:
    with pipeline(tmp_path, "none", 5) as running:
        days = {load(tmp_path, "--players", "5", "--duration", "50ms")["game_date"] for _ in range(3)}
        assert len(days) == 3
        assert running.app.batches.count() == 3


def test_the_same_seed_sends_the_same(tmp_path: Path) -> None:
    with pipeline(tmp_path, "none", 40):
        first, again = (load(tmp_path, *HARD, "--dry-run") for _ in range(2))
        assert first == again
        assert first["sent"] == {"request": 40, "duplicate": 20, "poison": 10}


def test_without_up_nothing_is_sent(tmp_path: Path) -> None:
    assert load(tmp_path, code=6)["next"].startswith("Start it in another terminal: nbactl up")
    assert not (tmp_path / "state" / "documents.db").exists()


def test_production_is_not_loaded(tmp_path: Path) -> None:
    found = load(tmp_path, "--target", "gcp", "--project", "nba-props-platform", code=6)
    assert found["message"] == "a load is not run on production"
