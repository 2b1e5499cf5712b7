"""Phases 5 and 6 as services on this machine: real data, the embedded bus, and messages pushed into the apps."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from nbactl.bootstrap.service import ServiceContainer
from nbactl.bootstrap.services import make_services
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import encode_id
from nbactl.errors import UnavailableError
from nbactl.ports.bus import Subscription
from nbactl.ports.documents import Delete
from nbactl.services.batch_documents import batch_id_of
from nbactl.services.routes import push_routes
from nbactl.testing import faults
from tests.kit.asgi_client import ask, post, push
from tests.kit.called import call_nbactl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from nbactl.core.service.service import Service

DAY: Final = GameDate.iso("2024-10-24")
BATCH: Final = batch_id_of(DAY, 1)
TABLE: Final = "nba_predictions.player_prop_predictions"
TRIGGER: Final = {"game_date": str(DAY), "correlation_id": "corr-1", "attempt": 1, "mode": "overnight"}
COUNT: Final = f"SELECT COUNT(*), COUNT(DISTINCT player_lookup) FROM {TABLE} WHERE game_date = @day"  # noqa: S608


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory in which phases 1 to 4 of the date are done."""
    folder = tmp_path_factory.mktemp("computed")
    for phase in ("phase1", "phase2", "phase3", "phase4"):
        command = ["--state-dir", str(folder), "run", phase, "--date", str(DAY)]
        done = call_nbactl(command, cwd=folder, env={"NBACTL_NO_INPUT": "1"})
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Floor:
    """The three services of one machine, and the messages between them."""

    def __init__(self, app: ServiceContainer, services: dict[str, Service]) -> None:
        self.app, self.services = app, services
        self.routes = push_routes(app.config.workflows)

    def create(self) -> None:
        for route in self.routes:
            self.app.bus.create_topic(route.topic)  # type: ignore[attr-defined]
            self.app.bus.create_topic(route.dead_letter_topic)  # type: ignore[attr-defined]
        for route in self.routes:
            subscription = Subscription(route.subscription, route.topic, route.dead_letter_topic, least_backoff=0.0)
            self.app.bus.create_subscription(subscription)  # type: ignore[attr-defined]

    def deliver(self, *, twice: bool = False) -> dict[str, list[int]]:
        """Push what waits for these services until nothing does; returns the answers by path."""
        answers: dict[str, list[int]] = {}
        while True:
            delivered = 0
            for route in (route for route in self.routes if route.service in self.services):
                pulled = self.app.bus.pull(route.subscription, limit=1_000, timeout=0.0)  # type: ignore[attr-defined]
                for message in pulled:
                    delivered += 1
                    for _ in range(2 if twice else 1):
                        answer = self.push(route.service, route.path, json.loads(message.data), message.message_id)
                        answers.setdefault(route.path, []).append(answer)
                self.app.bus.ack(route.subscription, [message.ack_id for message in pulled])  # type: ignore[attr-defined]
            if not delivered:
                return answers

    def push(self, service: str, path: str, data: Any, message_id: str = "1") -> int:
        return push(self.services[service], path, data, message_id=message_id).status

    def announced(self, phase: str) -> list[dict[str, Any]]:
        topic = self.app.config.workflows.phases[phase].topic
        return [json.loads(message.data) for message in self.app.bus.messages(topic)]  # type: ignore[attr-defined]

    def marked(self) -> dict[bool, float]:
        """Return the sum of the confidences of the predictions that are partial, and of those that are not."""
        sql = f"SELECT is_partial, SUM(confidence) FROM {TABLE} WHERE game_date = @day GROUP BY 1"  # noqa: S608
        return dict(self.app.warehouse.query(sql, {"day": DAY.day}, timeout=30.0).rows)

    def rows(self) -> tuple[Any, ...]:
        return self.app.warehouse.query(COUNT, {"day": DAY.day}, timeout=30.0).rows[0]


@contextmanager
def floor_in(folder: Path, environ: Mapping[str, str] | None = None, *more: str) -> Iterator[Floor]:
    names = ("coordinator", "worker", "exporter", *more)
    with ServiceContainer("test", load_settings({"state_dir": str(folder)}, {}, folder), environ=environ or {}) as app:
        yield Floor(app, {name: make_services(app, [name]) for name in names})


@pytest.fixture
def floor(computed: Path) -> Iterator[Floor]:
    """The services, without batches, messages and predictions."""
    for left in ("documents.db", "documents.db-wal", "documents.db-shm", "bus.db", "bus.db-wal", "bus.db-shm"):
        (computed / left).unlink(missing_ok=True)
    with floor_in(computed) as floor:
        floor.create()
        if TABLE in floor.app.warehouse.list_tables("nba_predictions"):
            floor.app.warehouse.apply_ddl([f"DROP TABLE {TABLE}"], timeout=30.0)
        yield floor


def test_a_trigger_leads_to_predictions_an_export_and_one_completion_of_each_task(floor: Floor) -> None:
    assert floor.push("coordinator", "/trigger", TRIGGER) == 204
    answers = floor.deliver(twice=True)
    players = len(answers["/predict"]) // 2
    assert players > 20
    assert set(answers["/predict"] + answers["/complete"]) == {204}
    assert floor.rows() == (3 * players, players)
    [done] = floor.announced("phase5")
    assert (done["status"], done["record_count"]) == ("success", 3 * players)
    assert (done["execution_id"], done["correlation_id"]) == (BATCH, "corr-1")

    phase6 = {**TRIGGER, "export_types": ["predictions"], "target_date": str(DAY)}
    assert [floor.push("exporter", path, phase6) for path in ("/export", "/grade", "/export")] == [204] * 3
    ended = {one["processor_name"]: one for one in floor.announced("phase6")}
    assert len(floor.announced("phase6")) == 2
    assert (ended["predictions_export"]["status"], ended["predictions_export"]["record_count"]) == (
        "success",
        3 * players,
    )
    assert ended["prediction_accuracy"]["status"] == "no_data"
    assert floor.app.ledger.list(name="phase6")[0].game_date == DAY


@pytest.mark.usefixtures("floor")
def test_a_processor_of_phase_2_that_came_as_partial_marks_the_predictions(computed: Path) -> None:
    with floor_in(computed, None, "orchestrator") as night:
        for phase in ("phase2", "phase3", "phase4"):
            for task in night.app.expectations[phase].of("overnight").names:
                status = "partial" if task == "p2_player_boxscores" else "success"
                done = {"processor_name": task, "game_date": str(DAY), "status": status, "record_count": 9}
                assert night.push("orchestrator", f"/completions/{phase}", done, message_id=task) == 204
        night.deliver()
        marked = night.marked()
        assert list(marked) == [True]
        assert post(night.services["coordinator"], "/start", {"game_date": str(DAY), "force": True}).status == 200
        night.deliver()
        assert night.marked() == marked, "a start by hand rests on the same data"
        documents = night.app.documents
        documents.commit([Delete(f"phase4_completion/{DAY}")])
        assert post(night.services["coordinator"], "/start", {"game_date": str(DAY), "force": True}).status == 200
        night.deliver()
        assert list(night.marked()) == [False]
        assert night.marked()[False] > marked[True]


def test_a_start_by_http_answers_as_production_does(floor: Floor) -> None:
    coordinator = floor.services["coordinator"]
    started = post(coordinator, "/start", {"game_date": str(DAY)}).json()
    assert (started["status"], started["batch_id"]) == ("started", BATCH)
    status = ask(coordinator, f"/status?batch_id={BATCH}").json()
    assert (status["status"], status["expected_players"]) == ("running", started["expected_players"])
    assert (status["completed_count"], status["missing_players"]) == (0, started["expected_players"])
    floor.deliver()
    assert ask(coordinator, "/status").json()["status"] == "complete"
    assert post(coordinator, "/start", {"game_date": str(DAY)}).json()["status"] == "finished"
    assert post(coordinator, "/start", {"game_date": str(DAY), "force": True}).json()["batch_id"].endswith("_2")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"game_date": "tonight"}, 400),
        ({"game_date": str(DAY), "force": "yes"}, 400),
        ({"game_date": 20241024}, 400),
    ],
)
def test_a_start_that_says_something_else_is_refused(floor: Floor, body: dict[str, Any], status: int) -> None:
    answer = post(floor.services["coordinator"], "/start", body)
    assert answer.status == status
    assert answer.json()["error"]["message"]


def test_the_status_of_a_batch_that_there_is_not_is_not_found(floor: Floor) -> None:
    assert ask(floor.services["coordinator"], "/status?batch_id=batch_x").status == 404


@pytest.mark.parametrize(
    ("service", "path", "message"),
    [
        ("worker", "/predict", {"player_lookup": "a", "game_date": str(DAY)}),
        ("worker", "/predict", {"batch_id": BATCH, "game_date": str(DAY)}),
        ("coordinator", "/complete", {"player_lookup": "a", "predictions_generated": 3}),
        ("coordinator", "/complete", {"player_lookup": "a", "batch_id": BATCH, "predictions_generated": "3"}),
        ("coordinator", "/trigger", {"game_date": "tonight"}),
        ("coordinator", "/trigger", {}),
        ("exporter", "/export", {"target_date": None}),
        ("exporter", "/grade", {"target_date": "2024-02-31"}),
    ],
)
def test_a_message_that_can_never_be_worked_on_is_400(
    floor: Floor, service: str, path: str, message: dict[str, Any]
) -> None:
    assert floor.push(service, path, message) == 400


def test_incident_06_what_fails_for_good_is_acknowledged_and_recorded(floor: Floor) -> None:
    floor.push("coordinator", "/trigger", TRIGGER)
    request = {"player_lookup": "stranger", "game_date": str(DAY), "batch_id": BATCH}
    assert floor.push("worker", "/predict", request) == 204
    failure = floor.app.documents.get(f"prediction_batches/{BATCH}/failures/stranger")
    assert failure is not None
    assert "not expected to play" in failure.data["reason"]
    unknown = {"player_lookup": "stranger", "batch_id": BATCH, "predictions_generated": 3}
    assert floor.push("coordinator", "/complete", unknown) == 204
    assert len(list(floor.app.documents.list_ids("rejected_messages"))) == 1


@pytest.mark.usefixtures("floor")
def test_with_idempotency_keys_the_same_work_in_another_message_is_acknowledged(computed: Path) -> None:
    with floor_in(computed, {"ENABLE_IDEMPOTENCY_KEYS": "true"}) as keyed:
        _twice_in_two_messages(keyed)


def _twice_in_two_messages(floor: Floor) -> None:
    assert floor.push("coordinator", "/trigger", TRIGGER, "1") == 204
    assert floor.push("coordinator", "/trigger", {**TRIGGER, "trigger_reason": "again"}, "2") == 204
    player = {"batch_id": BATCH, "player_lookup": "stranger", "game_date": str(DAY), "predictions_generated": 3}
    for number, path in enumerate(("/predict", "/complete")):
        service = "worker" if path == "/predict" else "coordinator"
        answers = [floor.push(service, path, {**player, "timestamp": text}, f"{number}{text}") for text in "ab"]
        assert answers == [204, 204]
    floor.deliver()
    assert len(floor.announced("phase5")) == 1
    assert floor.app.documents.get(f"message_dedup/{encode_id(f'phase5/{DAY}/1')}") is not None


def test_a_task_that_may_succeed_later_comes_again(floor: Floor) -> None:
    floor.push("coordinator", "/trigger", TRIGGER)
    floor.deliver()
    phase6 = {**TRIGGER, "target_date": str(DAY)}
    with faults.failing("export.before_rename", UnavailableError("the disk is away"), times=10):
        assert floor.push("exporter", "/export", phase6) == 503
    assert floor.push("exporter", "/export", phase6) == 204
    assert "success" in [one["status"] for one in floor.announced("phase6")]


def test_incident_05_a_table_without_a_column_is_found_before_the_night(
    floor: Floor, caplog: pytest.LogCaptureFixture
) -> None:
    coordinator, worker = floor.services["coordinator"], floor.services["worker"]
    worker.self_test()
    assert TABLE in floor.app.warehouse.list_tables("nba_predictions")
    worker.self_test()
    floor.app.warehouse.apply_ddl([f"ALTER TABLE {TABLE} DROP COLUMN low"], timeout=30.0)
    for service, route in ((coordinator, "POST /start"), (make_services(floor.app, ["worker"]), "POST /predict")):
        with pytest.raises(UnavailableError, match=f"{route} does not work: .*cannot take predictions: low"):
            service.self_test()
        assert f"{TABLE} cannot take predictions: low" in caplog.text
        caplog.clear()
    floor.app.warehouse.apply_ddl([f"ALTER TABLE {TABLE} ADD COLUMN low FLOAT64"], timeout=30.0)
    coordinator.self_test()
