"""The service of docs/example_service.py: forty lines that lose nothing and do nothing twice."""

from __future__ import annotations

import ast
import itertools
import json
import random
import re
import shutil
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.ports.documents import Create, Query
from nbactl.testing import emulator_documents
from tests.kit.paths import ROOT
from tests.kit.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore

EXAMPLE = ROOT / "docs" / "example_service.py"
APP = "docs.example_service:service"
DELIVERIES, CLIENTS = 5, 8


@dataclass(frozen=True)
class Engine:
    """Where the documents are, and how much is tried there: a process on Firestore takes longer to start."""

    environ: dict[str, str]
    open: Callable[[], DocumentStore]
    players: list[str]
    kills: int


@pytest.fixture(params=["sqlite", "firestore"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "sqlite":
        return Engine({}, lambda: open_documents(tmp_path), [f"player{number}" for number in range(60)], 6)
    address, project = request.getfixturevalue("firestore_address"), f"test-{uuid.uuid4().hex[:16]}"
    environ = {"NBACTL_TARGET": "gcp", "NBACTL_PROJECT": project, "FIRESTORE_EMULATOR_HOST": address}
    players = [f"player{number}" for number in range(25)]
    return Engine(environ, lambda: emulator_documents(address, project), players, 3)


@pytest.fixture
def form_service() -> Iterator[str]:
    """A dependency that is busy now and then."""
    turn = itertools.count(1)

    def answer(_: Request) -> Response:
        busy = next(turn) % 12 == 0
        return Response("", 503, {"Retry-After": "0"}) if busy else Response("25.5", 200)

    with HTTPServer(port=0) as server:
        server.expect_request(re.compile("/form/.*")).respond_with_handler(answer)
        yield f"127.0.0.1:{server.port}"


def open_documents(folder: Path) -> SqliteDocuments:
    (folder / "state").mkdir(exist_ok=True)
    return SqliteDocuments(folder / "state" / "documents.db", clock=SystemClock(), busy_timeout=10.0)


def test_it_is_forty_lines_and_imports_the_core_alone() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    code = [line for line in text.splitlines() if line.strip() and not line.strip().startswith('"""')]
    assert len(code) <= 40
    imported = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    ours = {module for module in imported if module is not None and module.startswith("nbactl")}
    assert ours == {"nbactl.core"}


def test_inv_05_floods_of_duplicates_and_kills_leave_each_player_predicted_and_counted_once(
    tmp_path: Path, form_service: str, engine: Engine
) -> None:
    with closing(engine.open()) as store:
        store.commit([Create("example_batches/b1", {"predictions": 0})])
    rng = random.Random(20240115)
    deliveries = engine.players * DELIVERIES
    rng.shuffle(deliveries)
    numbers, refusals = itertools.count(1), itertools.count()
    environ = {"FORM_SERVICE": form_service, "ENABLE_IDEMPOTENCY_KEYS": "true", **engine.environ}
    with ServiceProcess(APP, tmp_path, environ) as service:

        def deliver(player: str) -> None:
            """Deliver until it is acknowledged, as Pub/Sub does; each publish has an id of its own."""
            message_id = str(next(numbers))
            give_up = time.monotonic() + 90
            while time.monotonic() < give_up:
                try:
                    status, _ = service.push("/push", {"batch": "b1", "player": player}, message_id=message_id)
                except OSError:
                    status = 0
                if status == 204:
                    return
                next(refusals)
                time.sleep(0.05)
            raise AssertionError(f"{player} was never acknowledged: {service.output()[-3000:]}")

        def kill_now_and_then() -> None:
            for _ in range(engine.kills):
                time.sleep(rng.uniform(0.1, 0.5))
                service.kill()
                service.start()

        killer = threading.Thread(target=kill_now_and_then)
        killer.start()
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(deliver, deliveries))
        killer.join()
        assert service.stop() in (0, -signal.SIGTERM)
    assert next(refusals) > 0, "no kill met a message under way"
    with closing(engine.open()) as store:
        batch = store.get("example_batches/b1")
        predicted = sorted(document.id for document in store.query(Query("predictions")))
        states = [document.data["state"] for document in store.query(Query("message_dedup"))]
    assert batch is not None
    assert batch.data["predictions"] == len(engine.players)
    assert predicted == sorted(f"b1-{player}" for player in engine.players)
    assert states == ["done"] * len(engine.players)


def test_it_says_how_it_is_and_stops_in_time(tmp_path: Path, form_service: str) -> None:
    with ServiceProcess(APP, tmp_path, {"FORM_SERVICE": form_service}) as service:
        give_up = time.monotonic() + 20
        while service.get("/ready")[0] != 200:
            assert time.monotonic() < give_up, service.get("/ready")
            time.sleep(0.1)
        service.push("/push", {"batch": "b1"})
        time.sleep(1.1)
        status, body = service.get("/health")
        report = json.loads(body)
        assert (status, report["status"], report["serviceId"]) == (200, "pass", "example"), report
        looked_at = {f"{name}:responseTime" for name in ("documents", "breakers", "flags", "disk")}
        assert looked_at < set(report["checks"])
        assert report["checks"]["requests:count"][0]["observedValue"] == 1
        text = service.get("/metrics")[1].decode()
        assert 'nbactl_http_requests_total{route="/push",status="4xx"} 1.0' in text, text
        began = time.monotonic()
        service.stop()
        assert time.monotonic() - began < 10


def test_a_configuration_that_is_wrong_keeps_it_from_starting_with_the_place(tmp_path: Path, form_service: str) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        shutil.copy(ROOT / name, config)
    (config / "timeouts.yaml").write_text((ROOT / "timeouts.yaml").read_text() + "tiemouts: {}\n")
    environ = {"FORM_SERVICE": form_service, "NBACTL_CONFIG_DIR": str(config)}
    service = ServiceProcess(APP, tmp_path, environ)
    with pytest.raises(AssertionError, match="unknown key 'tiemouts'"):
        service.start()
    assert service.process.wait(20) != 0


def test_inv_06_a_message_that_cannot_succeed_is_refused_with_the_reason(tmp_path: Path, form_service: str) -> None:
    with ServiceProcess(APP, tmp_path, {"FORM_SERVICE": form_service}) as service:
        status, body = service.push("/push", {"batch": "b1"})
        assert status == 400
        assert b"has no attribute 'player'" in body
        assert service.get("/nowhere")[0] == 404


def test_ids_that_no_document_can_have_are_refused_as_the_message_s_fault(tmp_path: Path, form_service: str) -> None:
    with ServiceProcess(APP, tmp_path, {"FORM_SERVICE": form_service}) as service:
        with closing(open_documents(tmp_path)) as store:
            store.commit([Create("example_batches/b1", {"predictions": 0})])
        for number, (batch, player) in enumerate(
            [("b1", ""), ("", "p1"), ("b1", "x" * 1_501), ("x" * 1_501, "p1"), ("b1", "/" * 501), ("b1", "\ud800")]
        ):
            status, body = service.push("/push", {"batch": batch, "player": player}, message_id=f"bad-{number}")
            assert (status, json.loads(body)["error"]["code"]) == (400, "data"), (batch, player, body)
        odd = ["a/b", "..", "__x__", "%2F", "a b?c#d", "dončić", "\n"]
        for number, player in enumerate(odd):
            status, body = service.push("/push", {"batch": "b1", "player": player}, message_id=f"odd-{number}")
            assert status == 204, (player, body)
        with closing(open_documents(tmp_path)) as store:
            counted = store.get("example_batches/b1")
            assert counted is not None
            assert counted.data["predictions"] == len(odd)
