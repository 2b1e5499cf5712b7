"""`nbactl services list` of 60 services in two regions: its calls of the API, and when the first row is there.

A server on loopback answers each request after 300 ms, about as Cloud Run does. The floor is a program that makes the
same call with Google's session and prints a name; both are processes of their own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from benchmarks.measure import Command, Line, first_byte, nbactl

if TYPE_CHECKING:
    from collections.abc import Iterator

_DELAY: Final = 0.3
_SERVICES: Final = 60
_REGIONS: Final = ("us-west2", "us-west1")
_MOST_CALLS: Final = 2.0
_SLOWER: Final = 1.2
_FLOOR: Final = """
import sys
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
session = AuthorizedSession(AnonymousCredentials())
session.trust_env = False
print(session.get(sys.argv[1], params={"pageSize": "100"}).json()["services"][0]["name"], flush=True)
"""


@dataclass
class _Calls:
    paths: list[str] = field(default_factory=list)


def measure(runs: int) -> list[Line]:
    """Measure both in turn."""
    with tempfile.TemporaryDirectory() as name, _server() as (address, calls):
        folder = Path(name)
        _declare(folder)
        words = ["services", "list", "--target", "gcp", "--project", "bench-1", "--region", _REGIONS[0]]
        shared = ["--config-dir", str(folder), "--state-dir", str(folder / "state")]
        ours = Command("services list", lambda: nbactl(*words, *shared), {"CLOUD_RUN_EMULATOR_HOST": address})
        url = f"http://{address}/v2/projects/bench-1/locations/{_REGIONS[0]}/services"
        floor = Command("bare call", lambda: [sys.executable, "-c", _FLOOR, url])
        bare, first = first_byte(floor, runs), 0.0
        calls.paths.clear()
        first = first_byte(ours, runs)
        per_region = max(sum(region in path for path in calls.paths) for region in _REGIONS) / (runs + 1)
        in_process = _in_process(folder, address)
    note = f"{first * 1000:.0f} ms, {bare * 1000:.0f} ms for the bare call, {_DELAY * 1000:.0f} ms of them the server"
    return [
        Line(f"services list, {_SERVICES} services", per_region, "API calls a region", _MOST_CALLS),
        Line("services list, process to first row", first / bare, "x bare call", None, note),
        Line(
            "services list, call to first row", in_process / _DELAY, "x the API's answer", _SLOWER,
            f"{in_process * 1000:.0f} ms once it is imported",
        ),
    ]  # fmt: skip


def _in_process(folder: Path, address: str) -> float:
    """Return the seconds from the call of the command's function to its first region, everything being imported."""
    from nbactl.bootstrap import Container  # noqa: PLC0415 - after the processes, whose memory it would count as
    from nbactl.cli.services.look.command import list_services  # noqa: PLC0415
    from nbactl.config.settings import load_settings  # noqa: PLC0415

    given = {"target": "gcp", "project": "bench-1", "config_dir": folder, "state_dir": str(folder / "state")}
    taken = []
    for _ in range(3):
        settings = load_settings(given, {}, folder)
        with Container(settings, environ={"CLOUD_RUN_EMULATOR_HOST": address}, reads_only=True) as app:
            began = time.perf_counter()
            listed = next(list_services(app))
            taken.append(time.perf_counter() - began)
            if len(listed.services) != _SERVICES // len(_REGIONS):
                raise RuntimeError(f"{len(listed.services)} services of {listed.region}")
    return min(taken)


def _declare(folder: Path) -> None:
    """Write the three files: half of the services are declared in the second region."""
    from nbactl.config.loader import FILES, load_yaml, shipped_config_dir  # noqa: PLC0415 - as above

    shipped = shipped_config_dir()
    for name in FILES.values():
        (folder / name).write_text((shipped / name).read_text())
    workflows, _ = load_yaml(shipped / FILES["workflows"])
    workflows["services"] = {
        _name(number): {"region": _REGIONS[number % 2], "max_instances": 20} for number in range(_SERVICES)
    }
    (folder / FILES["workflows"]).write_text(json.dumps(workflows, default=str))


def _name(number: int) -> str:
    return f"service-{number:02}"


def _service(region: str, name: str) -> dict[str, Any]:
    place = f"projects/bench-1/locations/{region}/services/{name}"
    env = [{"name": f"VARIABLE_{number}", "value": "x" * 40} for number in range(30)]
    return {
        "name": place,
        "etag": '"1"',
        "generation": "1",
        "uri": f"https://{name}.a.run.app",
        "updateTime": "2026-01-15T12:00:00Z",
        "lastModifier": "ci@example.com",
        "latestReadyRevision": f"{place}/revisions/{name}-00001-abc",
        "latestCreatedRevision": f"{place}/revisions/{name}-00001-abc",
        "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED"},
        "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        "template": {
            "scaling": {"maxInstanceCount": 20},
            "timeout": "300s",
            "maxInstanceRequestConcurrency": 80,
            "containers": [{"image": f"us-docker.pkg.dev/bench-1/nba/{name}:7", "env": env, "ports": [{}]}],
        },
    }


@contextmanager
def _server() -> Iterator[tuple[str, _Calls]]:
    """Serve the lists of both regions; yields the address, and what was called."""
    calls = _Calls()
    pages = {
        region: json.dumps(
            {"services": [_service(region, _name(number)) for number in range(_SERVICES) if number % 2 == index]}
        ).encode()
        for index, region in enumerate(_REGIONS)
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            calls.paths.append(path)
            time.sleep(_DELAY)
            payload = pages[path.split("/")[5]]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", calls
    finally:
        server.shutdown()
        server.server_close()
