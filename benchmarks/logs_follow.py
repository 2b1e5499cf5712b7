"""`nbactl logs search -f` at 1,000 lines a second, the most that Cloud Logging streams: the CPU that it takes.

The server speaks Cloud Logging's protocol and is in this process; the command, the adapter and gRPC are the real ones.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.cloud.logging_v2.types import log_entry  # noqa: TID253 - a server that speaks the protocol
from google.protobuf.json_format import ParseDict  # noqa: TID253 - as above

from benchmarks.measure import Line, nbactl
from tests.kit.cloud_logging_server import cloud_logging_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kit.cloud_logging_server import CloudLogging

RATE: Final = 1_000
SECONDS: Final = 10
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SERVICES: Final = ("prediction-worker", "prediction-coordinator", "nba-phase3-analytics-processors")


def measure(runs: int) -> Iterator[Line]:  # noqa: ARG001 - each takes ten seconds, and is run once
    """Measure both outputs, with answers of 50 entries and of one."""
    for output in ("table", "jsonl"):
        for size in (50, 1):
            share, late = _followed(output, size)
            note = f"the last line came after {late:.2f} s"
            yield Line(f"logs -f, {RATE:,} lines/s by {size}, {output}", share * 100, "% of a core", 50.0, note)


def _followed(output: str, size: int) -> tuple[float, float]:
    """Return the share of a core, and how many seconds after the last line was sent it was written."""
    with tempfile.TemporaryDirectory() as folder, cloud_logging_server() as server:
        out = Path(folder) / "out"
        words = ["logs", "search", "-f", "--target", "gcp", "--project", "bench-1", "-o", output]
        env = {**os.environ, "LOGGING_EMULATOR_HOST": server.address, "NBACTL_STATE_DIR": folder}
        with (
            out.open("wb") as stream,
            subprocess.Popen(nbactl(*words), stdout=stream, stderr=subprocess.DEVNULL, env=env, cwd=folder) as process,
        ):
            try:
                server.wait_for_streams()
                began, before = time.monotonic(), _cpu(process.pid)
                _send(server, size)
                sent = time.monotonic()
                last = f"predicted {RATE * SECONDS - 1} ".encode()
                while last not in _end_of(out):
                    if time.monotonic() > sent + 60:
                        raise RuntimeError(f"{out.read_bytes().count(b'predicted')} lines came")
                    time.sleep(0.05)
                ended, after = time.monotonic(), _cpu(process.pid)
            finally:
                process.terminate()
        if (lines := out.read_bytes().count(b"predicted ")) != RATE * SECONDS:
            raise RuntimeError(f"{lines} lines came")
        return (after - before) / (ended - began), ended - sent


def _send(server: CloudLogging, size: int) -> None:
    """Send the entries at an even pace."""
    began = time.monotonic()
    for start in range(0, RATE * SECONDS, size):
        server.take([_entry(number) for number in range(start, start + size)], to="tail")
        time.sleep(max(0.0, began + (start + size) / RATE - time.monotonic()))


def _entry(number: int) -> Any:  # noqa: ANN401 - protobuf has no types
    """Return a line as a worker logs it."""
    service = _SERVICES[number % 3]
    payload = {
        "message": f"predicted {number} of 450 players",
        "logger": "nbactl.pipeline.predict",
        "points": 25.5,
        "rows": number % 7,
        "system": "ensemble_v1",
        "detail": {"lines": [20.5, 21.5], "source": "odds_api"},
        "serviceContext": {"service": service, "version": "1.4.2"},
    }
    read = {
        "insertId": f"entry-{number}",
        "severity": "ERROR" if number % 50 == 0 else "INFO",
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "labels": {"run_id": "run-1m80ca9d02ys7exe", "player": f"player{number % 450}", "correlation_id": "req-1m80ca"},
        "trace": f"projects/bench-1/traces/{number:032x}",
        "jsonPayload": payload,
        "resource": {
            "type": "cloud_run_revision",
            "labels": {"service_name": service, "revision_name": f"{service}-00012-abc"},
        },
    }
    return ParseDict(read, log_entry.LogEntry.pb()())


def _end_of(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4_096))
        return file.read()


def _cpu(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
