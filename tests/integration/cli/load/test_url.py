"""`nbactl load --url` against servers on the loopback, in real time."""

from __future__ import annotations

import base64
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.service.push import parse_push
from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl
from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def server(answer: Callable[[bytes], tuple[int, float]]) -> Iterator[str]:
    """Serve on a free port; `answer` gets a body and returns a status, and how many seconds it takes."""
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, seconds = answer(body)
            stopped.wait(seconds)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(LoopbackServer):
        request_queue_size = 200
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_port}/predict"
        finally:
            stopped.set()
            serving.shutdown()
            thread.join()


def load(folder: Path, *words: str, code: int = 0, **variables: str) -> Any:
    done = call_nbactl(["load", *words, "-o", "json"], cwd=folder, env=environment(variables))
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "nbactl/load/v1"
    return document["data"] if document["data"] is not None else document["error"]


def test_a_server_that_is_frozen_one_second_in_three_is_seen(tmp_path: Path) -> None:
    def answer(_: bytes) -> tuple[int, float]:
        return 204, max(0.0, 1 - time.monotonic() % 3)

    with server(answer) as url:  # three seconds are a whole period, wherever they begin
        found = load(tmp_path, "--url", url, "--rate", "60", "--duration", "3s")
    assert found["statuses"] == {"204": 180}
    # A busy machine makes it more; tests/unit/checks/load has exact numbers by a virtual clock.
    assert found["latency_s"]["p90"] > 0.65
    assert found["latency_s"]["max"] > 0.95


def test_a_request_is_a_push_envelope_of_its_own(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    def answer(body: bytes) -> tuple[int, float]:
        bodies.append(body)
        return 204, 0.0

    with server(answer) as url:
        found = load(tmp_path, "--url", url, "--rate", "100", "--duration", "300ms")
        assert load(tmp_path, "--url", url, "--rate", "20", "--duration", "100ms", "--method", "GET")["requests"] == 2
    pushed = [parse_push(body) for body in bodies if body]
    assert (len(pushed), len(bodies)) == (30, 32)
    assert {message.message_id for message in pushed} == {f"{found['load_id']}-{number}" for number in range(30)}
    assert json.loads(base64.b64decode(json.loads(bodies[0])["message"]["data"]))["load_id"] == found["load_id"]


def test_what_is_not_2xx_fails_the_load_and_is_counted(tmp_path: Path) -> None:
    statuses = iter([204, 503, 400, 503] * 10)
    with server(lambda _: (next(statuses), 0.0)) as url:
        found = load(tmp_path, "--url", url, "--rate", "100", "--duration", "200ms", code=1)
    assert found["statuses"] == {"204": 5, "400": 5, "503": 10}
    assert found["problems"] == ["15 answers were not 2xx"]


def test_without_an_answer_there_is_no_percentile(tmp_path: Path) -> None:
    found = load(tmp_path, "--url", "http://127.0.0.1:9/", "--rate", "50", "--duration", "100ms", code=1)
    assert found["errors"] == {"connect": 5}
    assert found["latency_s"] == {"p50": None, "p90": None, "p99": None, "max": None}


def test_a_limit_bounds_the_whole_request_and_overflow_is_counted(tmp_path: Path) -> None:
    with server(lambda _: (204, 30.0)) as url:
        words = ("--url", url, "--rate", "20", "--duration", "500ms", "--max-open", "4")
        found = load(tmp_path, *words, code=1, NBACTL_TIMEOUT_HTTP_REQUEST="700ms", NBACTL_TIMEOUT_HTTP_CONNECT="600ms")
    assert (found["errors"], found["overflow"]) == ({"timeout": 4}, 6)


def test_the_table_fits_in_80_columns(tmp_path: Path) -> None:
    with server(lambda _: (204, 0.0)) as url:
        words = ["load", "--url", url, "--rate", "50", "--duration", "100ms"]
        done = call_nbactl(words, cwd=tmp_path, env=environment({"COLUMNS": "80"}))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("requests", "answers", "no", "overflow", "throughput", "generator", "seed", "LATENCY", "to"),
    ]
    assert max(map(len, lines)) <= 80


def test_other_machines_are_asked_for(tmp_path: Path) -> None:
    url = "https://example.com/predict"
    assert load(tmp_path, "--url", url, code=2)["message"].startswith("confirmation needed: Send 600 POST requests to")
    assert load(tmp_path, "--url", url, "--dry-run")["requests"] == 600


@pytest.mark.parametrize(
    "words",
    [
        ("--url", "ftp://127.0.0.1/"),
        ("--url", "http://"),
        ("--url", "http://127.0.0.1/", "--method", "PUT"),
        ("--url", "http://127.0.0.1/", "--arrivals", "sometimes"),
        ("--url", "http://127.0.0.1/", "--duration", "21m"),
        ("--url", "http://127.0.0.1/", "--rate", "100000", "--duration", "1m"),
        ("--poison", "2"),
        ("--url", "http://127.0.0.1/", "--duplicates", "0.5"),
        ("--url", "http://127.0.0.1/", "--chaos"),
        ("--rate", "5"),
        ("--method", "GET", "--dry-run"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    assert load(tmp_path, *words, code=2)["code"] == "usage"
