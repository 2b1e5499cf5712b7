"""`nbactl bq costs` over 1,000,000 jobs: its memory and its time.

The answers of BigQuery are made while they are sent, by a server that knows two methods of its API: the command, the
adapter and Google's client are the real ones.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from benchmarks.measure import Command, Line, nbactl, run_once

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS: Final = 1_000_000
QUERIES: Final = 30_000
"""More than are kept apart (MOST_GROUPS)."""
_DAY: Final = 86_400
_DAYS: Final = 49
_COLUMNS: Final = (
    *((name, "STRING") for name in ("job_id", "job_type", "statement_type")),
    *((name, "TIMESTAMP") for name in ("creation_time", "start_time", "end_time")),
    *((name, "INTEGER") for name in ("processed", "billed", "slot_ms")),
    ("cache_hit", "BOOLEAN"),
    *((name, "STRING") for name in ("user_email", "query_hash", "reason", "destination")),
    *((name, "STRING REPEATED") for name in ("referenced", "labels")),
    ("changed", "INTEGER"),
    ("query", "STRING"),
)


def measure(runs: int) -> list[Line]:  # noqa: ARG001 - it takes minutes, and is run once
    """Measure one call, beside one that finds no job."""
    with tempfile.TemporaryDirectory() as folder, _server(JOBS) as many, _server(0) as none:
        out = Path(folder) / "costs.json"
        few = run_once(_command("none", none, out))
        found = run_once(_command("many", many, out))
        total = json.loads(out.read_text())["data"]
    counted = total["total"]["jobs"] + total["before"]["jobs"]
    expected = sum(1 for number in range(JOBS) if (number * 9_973) % (_DAYS * _DAY) < 14 * _DAY)
    if abs(counted - expected) > JOBS / 100:
        raise RuntimeError(f"{counted} jobs were counted, not {expected}")
    return [
        Line(f"bq costs, {JOBS:,} jobs", found.peak_mb, "MB", 200.0, f"{few.peak_mb:.0f} MB without a job"),
        Line(f"bq costs, {JOBS:,} jobs", found.cpu, "s CPU", None, f"{found.wall:.0f} s, {QUERIES:,} queries"),
    ]


def _command(name: str, address: str, out: Path) -> Command:
    """Return the command, which may find no job (exit 4)."""
    words = ["bq", "costs", "--target", "gcp", "--project", "bench-1", "--region", "us-west2", "-o", "json"]
    script = f'"$@" > {out} || test $? -eq 4'
    env = {"BIGQUERY_EMULATOR_HOST": address, "NBACTL_TIMEOUT_WAREHOUSE_JOB_HISTORY": "2h"}
    return Command(name, lambda: ["sh", "-c", script, "sh", *nbactl(*words)], env)


def _row(number: int, now: int) -> dict[str, Any]:
    """Return a job; the jobs are spread over the days."""
    created = now - (number * 9_973) % (_DAYS * _DAY)
    query = (number * 7_919) % QUERIES
    hit = number % 5 == 0
    values = [
        f"job_{number:024x}", "QUERY", "SELECT", created * 10**6, (created + 1) * 10**6, (created + 3) * 10**6,
        number % 10**9, 10 * 2**20 * (0 if hit else 1 + query % 50), number % 10**5, str(hit).lower(),
        f"svc-{number % 40}@bench-1.iam.gserviceaccount.com",
        None if hit else hashlib.sha256(str(query).encode()).hexdigest(), None, None,
        [{"v": f"nba_raw.table_{(query + one) % 300}"} for one in range(0 if hit else 2)],
        [{"v": f"task=task_{query % 120}"}, {"v": f"run_id=run-{number // 100}"}, {"v": "game_date=2024-01-15"}],
        None, None,
    ]  # fmt: skip
    return {"f": [{"v": str(value) if isinstance(value, int) else value} for value in values]}


class _Handler(BaseHTTPRequestHandler):
    """Answers jobs.insert and jobs.getQueryResults."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reference = {"projectId": "bench-1", "location": "us-west2", **body["jobReference"]}
        self.server.texts = "MAX(query)" in body["configuration"]["query"]["query"]
        statistics = {"query": {"statementType": "SELECT", "totalBytesProcessed": "0", "cacheHit": False}}
        self.server.job = {
            "jobReference": reference,
            "configuration": {**body["configuration"], "jobType": "QUERY"},
            "status": {"state": "DONE"},
            "statistics": statistics,
        }
        self._send(self.server.job)

    def do_GET(self) -> None:
        if "/queries/" not in self.path:
            self._send(self.server.job)
            return
        asked = {name: found[0] for name, found in parse_qs(urlsplit(self.path).query).items()}
        start, most = int(asked.get("startIndex", 0)), int(asked.get("maxResults", 0))
        total = 0 if self.server.texts else self.server.jobs
        fields = [
            {"name": name, "type": kind.split()[0], "mode": "REPEATED" if "REPEATED" in kind else "NULLABLE"}
            for name, kind in _COLUMNS
        ]
        rows = [_row(number, self.server.now) for number in range(start, min(start + most, total))]
        name = self.path.partition("/queries/")[2].partition("?")[0]
        reference = {"projectId": "bench-1", "location": "us-west2", "jobId": name}
        self._send(
            {
                "jobComplete": True,
                "jobReference": reference,
                "schema": {"fields": fields},
                "totalRows": str(total),
                "rows": rows,
                **({"pageToken": "more"} if start + most < total else {}),
            }
        )

    def _send(self, answer: dict[str, Any]) -> None:
        payload = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


class _Server(ThreadingHTTPServer):
    """A history of so many jobs."""

    daemon_threads = True
    texts = False

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.job: dict[str, Any] = {}
        self.now = int(time.time()) - 60
        super().__init__(("127.0.0.1", 0), _Handler)


@contextmanager
def _server(jobs: int) -> Iterator[str]:
    with _Server(jobs) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
