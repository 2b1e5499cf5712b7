"""A server on loopback that speaks Cloud Logging's real protocol: pages of entries, and the stream of new ones."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import grpc
from google.cloud.logging_v2.types import logging  # noqa: TID253 - a server that speaks the protocol
from google.protobuf.json_format import MessageToDict, ParseDict  # noqa: TID253 - a server that speaks the protocol
from google.protobuf.timestamp_pb2 import Timestamp  # noqa: TID253 - a server that speaks the protocol

from tests.kit.logging_query import SEVERITIES, SyntaxRefusedError, compile_query

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVICE = "google.logging.v2.LoggingServiceV2"
_LIST, _LISTED = logging.ListLogEntriesRequest.pb(), logging.ListLogEntriesResponse.pb()
_TAIL, _TAILED = logging.TailLogEntriesRequest.pb(), logging.TailLogEntriesResponse.pb()
_MOST = 1_000


@dataclass
class _Session:
    matches: Any
    answers: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)


class CloudLogging:
    """The entries of a project. Its methods play the service's side."""

    def __init__(self) -> None:
        self.address = ""
        self.calls: Counter[str] = Counter()
        self.filters: list[str] = []
        self.failures: list[tuple[grpc.StatusCode, str]] = []
        """What the next calls are answered with instead."""
        self.empty_pages = 0
        """So many pages are empty before the next one that is not."""
        self._entries: list[Any] = []
        self._sessions: list[_Session] = []
        self._lock = threading.Lock()
        self._opened = threading.Condition()
        self._number = 0

    def add(
        self,
        service: str,
        message: str | dict[str, Any],
        *,
        at: datetime | None = None,
        severity: str = "INFO",
        revision: str | None = None,
        labels: dict[str, str] | None = None,
        request: dict[str, Any] | None = None,
        trace: str = "",
        insert_id: str | None = None,
        to: str = "both",
    ) -> None:
        """Take an entry: of JSON, or of plain text. `to` says who sees it: `list`, `tail` or both."""
        self._number += 1
        kind = "jsonPayload" if isinstance(message, dict) else "textPayload"
        entry = _LISTED().entries.add()
        read: dict[str, Any] = {
            "logName": "projects/p/logs/run.googleapis.com%2Fstderr",
            "insertId": insert_id or f"entry-{self._number:06}",
            "severity": severity,
            "labels": labels or {},
            "trace": trace,
        }
        if message:
            read[kind] = message
        if request:
            read["httpRequest"] = request
        ParseDict(read, entry)
        names = {"service_name": service, "revision_name": revision or f"{service}-00001", "location": "us-west2"}
        entry.resource.type = "cloud_run_revision"
        entry.resource.labels.update(names)
        stamp = Timestamp()
        stamp.FromDatetime((at or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None))
        entry.timestamp.CopyFrom(stamp)
        self.take([entry], to=to)

    def take(self, entries: list[Any], *, to: str = "both") -> None:
        """Take LogEntry messages at once; those who follow get them in one answer."""
        with self._lock:
            if to in ("both", "list"):
                self._entries += entries
            if to in ("both", "tail"):
                for session in self._sessions:
                    session.answers.put(_TAILED(entries=[one for one in entries if session.matches(_paths(one))]))

    def suppress(self, count: int) -> None:
        """Tell those who follow that so many entries came too fast."""
        answer = _TAILED()
        answer.suppression_info.add(reason=2, suppressed_count=count)
        self._to_all(answer)

    def break_streams(self, code: grpc.StatusCode | None, message: str = "") -> None:
        """End the open streams, without a code in order."""
        self._to_all((code, message))

    def wait_for_streams(self, count: int = 1) -> None:
        """Wait until so many are open."""
        with self._opened:
            assert self._opened.wait_for(lambda: len(self._sessions) >= count, timeout=10)

    def _to_all(self, answer: Any) -> None:
        with self._lock:
            for session in self._sessions:
                session.answers.put(answer)

    def _fail(self, context: Any) -> None:
        if self.failures:
            context.abort(*self.failures.pop(0))

    def _compiled(self, request: Any, context: Any) -> Any:
        self.filters.append(request.filter)
        self._fail(context)
        try:
            return compile_query(request.filter)
        except SyntaxRefusedError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"Unparseable filter: {error}")

    def list_entries(self, request: Any, context: Any) -> Any:
        self.calls["list"] += 1
        matches = self._compiled(request, context)
        with self._lock:
            found = [entry for entry in self._entries if matches(_paths(entry))]
        found.sort(key=lambda entry: entry.timestamp.ToNanoseconds(), reverse=request.order_by.endswith("desc"))
        start = int(request.page_token or 0)
        if self.empty_pages:
            self.empty_pages -= 1
            return _LISTED(next_page_token=str(start))
        end = start + min(request.page_size or 50, _MOST)
        return _LISTED(entries=found[start:end], next_page_token=str(end) if end < len(found) else "")

    def tail_entries(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        self.calls["tail"] += 1
        session = _Session(self._compiled(next(requests), context))
        context.add_callback(lambda: session.answers.put((None, "")))
        with self._opened:
            with self._lock:
                self._sessions.append(session)
            self._opened.notify_all()
        try:
            while True:
                answer = session.answers.get()
                if not isinstance(answer, tuple):
                    yield answer
                elif answer[0] is None:
                    return
                else:
                    context.abort(*answer)
        finally:
            with self._lock:
                self._sessions.remove(session)


def _paths(entry: Any) -> dict[str, Any]:
    """Return an entry by the paths of the query language."""
    flat: dict[str, Any] = {
        "resource.type": entry.resource.type,
        "timestamp": entry.timestamp.ToDatetime(UTC),
        "severity": SEVERITIES[entry.severity // 100],
        "trace": entry.trace,
    }
    flat |= {f"resource.labels.{name}": value for name, value in entry.resource.labels.items()}
    flat |= {f"labels.{name}": value for name, value in entry.labels.items()}
    if entry.HasField("json_payload"):
        flat |= {f"jsonPayload.{name}": value for name, value in MessageToDict(entry.json_payload).items()}
    if entry.text_payload:
        flat["textPayload"] = entry.text_payload
    if entry.http_request.request_url:
        flat["httpRequest.requestUrl"] = entry.http_request.request_url
    return flat


@contextmanager
def cloud_logging_server() -> Iterator[CloudLogging]:
    """Serve an empty project until the end of the block."""
    project = CloudLogging()
    methods = {
        "ListLogEntries": grpc.unary_unary_rpc_method_handler(
            project.list_entries, _LIST.FromString, _LISTED.SerializeToString
        ),
        "TailLogEntries": grpc.stream_stream_rpc_method_handler(
            project.tail_entries, _TAIL.FromString, _TAILED.SerializeToString
        ),
    }
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    project.address = f"127.0.0.1:{port}"
    server.start()
    try:
        yield project
    finally:
        project.break_streams(None)
        server.stop(0).wait()
