"""Loopback services that behave as the deployed ones: real HTTP servers that report to phase documents and history.

They take the requests of PRODUCTION's services (`/scrape`, `/process`, `/process-date-range`, `/process-date`,
`/start`), do the work that the test gives them, and record it as the processors and orchestrators do.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core.phases.names import snake_case
from nbactl.ports.documents import Set
from nbactl.ports.warehouse import Column, Rows, TableSchema
from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.ports.documents import DocumentStore, Transaction
    from nbactl.ports.warehouse import Warehouse
    from tests.kit.cloud_run_server import CloudRun

Mode = Literal[
    "ok",
    "slow",  # answers after `seconds`
    "failing",  # 200, and the processor failed inside
    "duplicate",  # reports what it did twice
    "dead",  # takes the request, does nothing and never answers
    "cut_after",  # does the work, and hangs up
    "cut_before",  # hangs up, having done nothing
    "cut_early",  # hangs up, and does the work after `seconds`
    "later",  # 202, and does the work after `seconds`
    "lost_later",  # 202, and nothing happens
    "crash",  # hangs up after the run history says that it failed
    "forbidden",
    "throttled",
    "html",
    "code",  # `code`, with `text`
]
PHASES: Final = {
    "nba-scrapers": None,
    "nba-phase2-raw-processors": "phase2",
    "nba-phase3-analytics-processors": "phase3",
    "nba-phase4-precompute-processors": "phase4",
    "prediction-coordinator": "phase5",
    "phase6-export": None,
    "nba-grading-service": None,
}
"""The services that are deployed, and which phase document their processors report to."""
HISTORY: Final = TableSchema(
    "nba_reference.processor_run_history",
    (
        Column("processor_name", "STRING"),
        Column("run_id", "STRING"),
        Column("status", "STRING"),
        Column("started_at", "TIMESTAMP"),
        Column("processed_at", "TIMESTAMP"),
        Column("data_date", "DATE"),
        Column("records_processed", "INT64"),
        Column("trigger_source", "STRING"),
        Column("errors", "STRING"),
    ),
)
_DATES: Final = ("start_date", "analysis_date", "date", "game_date", "target_date")
_HELD: Final = 60.0


@dataclass(frozen=True)
class Seen:
    """A request as a service got it; `body` is what a push envelope holds."""

    service: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    processors: tuple[str, ...]


@dataclass
class Behaviour:
    """What a service does with its next requests."""

    mode: Mode = "ok"
    seconds: float = 0.0
    times: int = 1_000_000
    processor: str = ""
    """Only requests for this processor, else for all."""
    reports: bool = False
    """In mode `code`: whether it does the work and reports it first."""
    code: int = 500
    text: str = "Internal Server Error"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class PipelineServices:
    """The services. `work` is called with service, processor, date and body, and returns rows."""

    documents: DocumentStore | None = None
    warehouse: Warehouse | None = None
    work: Callable[[str, str, date, dict[str, Any]], int] = lambda *_: 7
    requests: list[Seen] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)
    behaviours: list[tuple[str, Behaviour]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    closing: threading.Event = field(default_factory=threading.Event)
    background: list[threading.Thread] = field(default_factory=list)
    working: int = 0
    idle: threading.Condition = field(default_factory=threading.Condition)

    def behave(self, service: str, mode: Mode, **how: Any) -> None:
        """Have a service treat its next requests so."""
        with self.lock:
            self.behaviours.insert(0, (service, Behaviour(mode, **how)))

    def recover(self) -> None:
        """Have all services behave again."""
        with self.lock:
            self.behaviours.clear()

    def of(self, service: str) -> list[Seen]:
        """Return the requests that a service got."""
        with self.lock:
            return [seen for seen in self.requests if seen.service == service]

    def wait_for(self, number: int, seconds: float = 30.0) -> None:
        """Wait until so many requests arrived."""
        end = time.monotonic() + seconds
        while len(self.requests) < number:
            assert time.monotonic() < end, f"{len(self.requests)} of {number} requests arrived"
            time.sleep(0.01)

    def deploy(self, cloud: CloudRun, *services: str) -> None:
        """Make the services known to the Admin API, at their loopback addresses."""
        for service in services or PHASES:
            cloud.deploy(service)
            cloud.services[service]["uri"] = self.urls[service]

    def settle(self) -> None:
        """Wait until no service works, be it in the background or on a request whose client has gone."""
        for thread in list(self.background):
            thread.join(_HELD)
        with self.idle:
            assert self.idle.wait_for(lambda: not self.working, _HELD)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count a request as one that is worked on."""
        with self.idle:
            self.working += 1
        try:
            yield
        finally:
            with self.idle:
                self.working -= 1
                self.idle.notify_all()

    def take(self, seen: Seen) -> Behaviour:
        """Note a request and return how it is treated."""
        with self.lock:
            self.requests.append(seen)
            for service, behaviour in self.behaviours:
                wanted = not behaviour.processor or behaviour.processor in seen.processors
                if service == seen.service and behaviour.times and wanted:
                    behaviour.times -= 1
                    return behaviour
        return Behaviour()

    def perform(self, seen: Seen, *, failing: bool = False, times: int = 1) -> dict[str, Any]:
        """Do the work of a request and report it; return the body of the answer."""
        day = date.fromisoformat(next(str(seen.body[key]) for key in _DATES if key in seen.body))
        results: list[dict[str, Any]] = []
        for processor in seen.processors:
            run_id, began = f"exec-{len(self.requests)}-{snake_case(processor)}", datetime.now(UTC)
            self._history(processor, run_id, "running", began, None, day, None, None)
            try:
                if failing:
                    raise RuntimeError("column points is missing")  # noqa: TRY301 - as processors fail
                rows = self.work(seen.service, processor, day, seen.body)
            except Exception as error:  # noqa: BLE001 - a processor's failure is an answer
                self._history(processor, run_id, "failed", began, datetime.now(UTC), day, None, str(error))
                results.append({"processor": processor, "status": "failed", "error": str(error)})
                continue
            for _ in range(times):
                self._history(processor, run_id, "success", began, datetime.now(UTC), day, rows, None)
                self._complete(seen, processor, run_id, day, rows)
            status = "success" if rows else "no_data"
            results.append({"processor": processor, "status": status, "rows": rows, "error": None})
        failed = any(result["status"] == "failed" for result in results)
        return {
            "status": "partial" if failed else "success",
            "execution_id": f"exec-{seen.service}",
            "results": results,
        }

    def _complete(self, seen: Seen, processor: str, run_id: str, day: date, rows: int) -> None:
        """Report to the phase document, as the orchestrator does for each completion message."""
        phase, name = PHASES.get(seen.service), snake_case(processor)
        if phase is None or self.documents is None or not rows:
            return
        if phase == "phase2" and not name.startswith("p2_"):
            name = f"p2_{name}"
        path, now = f"{phase}_completion/{day}", datetime.now(UTC)
        report = {
            "status": "success",
            "completed_at": now,
            "record_count": rows,
            "execution_id": run_id,
            "correlation_id": seen.headers.get("x-correlation-id", ""),
            "is_incremental": False,
            "entities_changed": [],
        }

        def write(transaction: Transaction) -> None:
            found = transaction.get(path)
            data = {} if found is None else dict(found.data)
            known = name in data
            data[name] = report
            data["_completed_count"] = data.get("_completed_count", 0) + (not known)
            data.setdefault("_first_completion_at", now)
            data |= {"_last_update": now, "_mode": "overnight"}
            transaction.write(Set(path, data))

        self.documents.transaction(write)

    def _history(self, *values: Any) -> None:
        processor, run_id, status, began, ended, day, rows, error = values
        if self.warehouse is not None:
            row = (processor, run_id, status, began, ended, day, rows, "http", error)
            with self.lock:
                columns = tuple(column.name for column in HISTORY.columns)
                self.warehouse.load(HISTORY.name, Rows(columns, [row]), timeout=30.0)


class _Handler(BaseHTTPRequestHandler):
    """One connection to a service."""

    services: PipelineServices
    service: str

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw)
        if "message" in body:
            body = json.loads(base64.b64decode(body["message"]["data"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.service, self.path, body, headers, _processors(body))
        behaviour = self.services.take(seen)
        counted = nullcontext() if behaviour.mode == "dead" else self.services.at_work()
        with suppress(BrokenPipeError, ConnectionResetError), counted:  # the client is gone
            self._treat(seen, behaviour)

    def _treat(self, seen: Seen, how: Behaviour) -> None:  # noqa: C901, PLR0912 - a branch for each mode
        services = self.services
        if how.mode in ("later", "cut_early", "lost_later"):
            if how.mode != "lost_later":
                self._in_background(lambda: (services.closing.wait(how.seconds), services.perform(seen)))
            if how.mode != "cut_early":
                self._answer(202, {"status": "accepted", "execution_id": f"exec-{seen.service}"})
            return
        if how.mode == "dead":
            services.closing.wait(_HELD)
        if how.mode in ("dead", "cut_before"):
            return
        if how.mode == "slow":
            time.sleep(how.seconds)
        if how.mode in ("ok", "slow", "failing", "duplicate", "cut_after", "crash"):
            failing = how.mode in ("failing", "crash")
            answer = services.perform(seen, failing=failing, times=2 if how.mode == "duplicate" else 1)
            if how.mode not in ("cut_after", "crash"):
                self._answer(200, answer)
        elif how.mode == "forbidden":
            self._answer(403, "<html><title>403 Forbidden</title>Your client does not have permission.</html>")
        elif how.mode == "throttled":
            self._answer(429, "Rate exceeded.", {"Retry-After": "1"})
        elif how.mode == "html":
            self._answer(200, "<!doctype html><html><title>Sign in</title></html>")
        else:
            if how.reports:
                services.perform(seen)
            self._answer(how.code, how.text, how.headers)

    def _in_background(self, work: Callable[[], object]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self.services.background.append(thread)
        thread.start()

    def _answer(self, code: int, body: dict[str, Any] | str, headers: dict[str, str] | None = None) -> None:
        payload = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(code)
        kind = "text/html" if isinstance(body, str) else "application/json"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(payload)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: Any) -> None:
        return


def _processors(body: dict[str, Any]) -> tuple[str, ...]:
    if "processors" in body:
        return tuple(body["processors"])
    return (str(body.get("scraper") or body.get("processor_name") or "service"),)


def names_of_tasks(processors: Any) -> list[str]:
    """Return class names as task names, for comparisons."""
    return sorted(re.sub(r"^p\d_", "", snake_case(name)) for name in processors)


@contextmanager
def pipeline_services(
    documents: DocumentStore | None = None,
    warehouse: Warehouse | None = None,
    work: Callable[[str, str, date, dict[str, Any]], int] | None = None,
) -> Iterator[PipelineServices]:
    """Serve every service on a free port of its own."""
    services = PipelineServices(documents, warehouse)
    if work is not None:
        services.work = work
    if warehouse is not None:
        warehouse.create_table(HISTORY)
    with ExitStack() as stack:
        for name in PHASES:
            handler = type("_Service", (_Handler,), {"services": services, "service": name})
            server = LoopbackServer(("127.0.0.1", 0), handler)
            server.daemon_threads = True
            services.urls[name] = f"http://127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            stack.callback(_stop, server, thread)
        stack.callback(services.settle)
        stack.callback(services.closing.set)
        yield services


def _stop(server: LoopbackServer, thread: threading.Thread) -> None:
    server.shutdown()
    thread.join()
    server.server_close()
