"""A server on loopback that speaks the BigQuery v2 REST API, for the official client.

https://cloud.google.com/bigquery/docs/reference/rest
"""

from __future__ import annotations

import json
import re
import socket
import threading
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from nbactl.core._support.clock import SystemClock
from nbactl.testing.bigquery import datasets, tabledata, tables
from nbactl.testing.bigquery.access import Access
from nbactl.testing.bigquery.errors import ApiError, not_found
from nbactl.testing.bigquery.http import Request
from nbactl.testing.bigquery.jobs import Jobs
from nbactl.testing.bigquery.limits import Limits
from nbactl.testing.bigquery.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.core._support.clock import Clock

_PREFIX: Final = re.compile(r"^(/upload|/resumable/upload)?/bigquery/v2/projects/([^/]+)(/.*|)$")
_HOST: Final = "127.0.0.1"


@dataclass
class _Fault:
    """What happens to the next requests whose line or body contains `match`."""

    match: str
    times: int
    error: ApiError | None = None
    delay: float = 0.0
    lose: bool = False


class BigQueryServer:
    """The server as a test sees it: where it is, what it was asked, and how it is to fail."""

    def __init__(self, project: str, location: str, clock: Clock, folder: Path | None) -> None:
        self.address = ""
        self.project = project
        self.location = location
        self.user = f"tester@{project}.iam.gserviceaccount.com"
        self.requests: list[tuple[str, str]] = []
        self.limits = Limits(clock)
        self.store = Store(project, location, clock, folder)
        self._access = Access(project)
        self._jobs = Jobs(self.store, self.limits, self._access, self.user)
        self._faults: list[_Fault] = []
        self._uploads: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()

    # What a test looks at and arranges

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs, oldest first.

        Keys: id, type, statement, sql, labels, state, error (reason and message, or None), bytes_processed,
        bytes_billed, cache_hit, parent.
        """
        return [
            {
                "id": one.id,
                "type": one.type,
                "statement": one.statement,
                "sql": one.sql,
                "labels": dict(one.labels),
                "state": one.state,
                "error": None if one.error is None else one.error.proto(),
                "bytes_processed": one.bytes_processed,
                "bytes_billed": one.bytes_billed,
                "cache_hit": one.cache_hit,
                "parent": one.parent,
            }
            for one in self._jobs.all()
        ]

    def fail(self, match: str, status: int, reason: str, times: int = 1, message: str = "") -> None:
        """Answer the next requests that contain `match` (`POST /projects/…`, or part of the body) with an error."""
        error = ApiError(reason, message or f"The server was set to fail: {reason}", code=status)
        self._faults.append(_Fault(match, times, error))

    def delay(self, match: str, seconds: float, times: int = 1) -> None:
        """Answer the next requests that contain `match` late."""
        self._faults.append(_Fault(match, times, delay=seconds))

    def lose_answer(self, match: str, times: int = 1) -> None:
        """Do what the next requests that contain `match` ask for, and hang up instead of answering."""
        self._faults.append(_Fault(match, times, lose=True))

    def hold_jobs(self, match: str = "") -> None:
        """Keep jobs RUNNING whose SQL, labels or load configuration contain `match`, until `release_jobs`.

        A script goes on to the statement that matches, and waits there.
        """
        self._jobs.hold(match)

    def release_jobs(self) -> None:
        """Let held jobs run."""
        self._jobs.release()

    def require_token(self, token: str | None) -> None:
        """Answer 401 to requests without this bearer token; None accepts all requests again."""
        self._access.token = token

    def deny(self, permission: str, match: str = "") -> None:
        """Refuse what needs a permission, with 403 accessDenied: requests, or jobs on tables, that contain `match`.

        Permissions: bigquery.datasets.create, bigquery.datasets.get, bigquery.jobs.create, bigquery.jobs.get,
        bigquery.jobs.list, bigquery.jobs.listAll, bigquery.jobs.update, bigquery.tables.create,
        bigquery.tables.delete, bigquery.tables.get, bigquery.tables.getData, bigquery.tables.list,
        bigquery.tables.update, bigquery.tables.updateData.
        """
        self._access.denied[permission] = match

    def allow(self) -> None:
        """Deny nothing."""
        self._access.denied.clear()

    # How requests are answered

    def answer(self, request: Request) -> tuple[int, dict[str, str], dict[str, Any]] | None:
        """Return status, headers and body of the answer to a request, None to hang up."""
        try:
            fault = self._note(request)
            answer = self._route(request)
        except ApiError as error:
            return error.code, {}, error.body()
        except Exception as error:  # noqa: BLE001 - every request is answered
            failed = ApiError("notImplemented", f"The test server failed: {type(error).__name__}: {error}")
            return failed.code, {}, failed.body()
        return None if fault is not None and fault.lose else answer

    def _note(self, request: Request) -> _Fault | None:
        """Note a request, and have happen to it what a test has asked for."""
        text = request.text
        with self._lock:
            self.requests.append((request.method, request.path))
            fault = next((one for one in self._faults if one.times and one.match in text), None)
            if fault is not None:
                fault.times -= 1
        if fault is not None:
            self._closing.wait(fault.delay)
            if fault.error is not None:
                raise fault.error
        self._access.check_token(request)
        return fault

    def _route(self, request: Request) -> tuple[int, dict[str, str], dict[str, Any]]:
        found = _PREFIX.match(request.path)
        if found is None:
            raise ApiError("notFound", f"Not found: {request.path}")
        upload, project, rest = found.groups()
        if project != self.project:
            raise ApiError(
                "accessDenied",
                f"Access Denied: Project {project}: User does not have bigquery.jobs.create permission in project "
                f"{project}.",
            )
        if upload:
            return self._upload(request)
        for method, pattern, permission, handler in self._routes():
            match = pattern.fullmatch(rest) if method == request.method else None
            if match is not None:
                names = [unquote(part) for part in match.groups()]
                self._access.check_request(permission, request, names)
                return 200, {}, handler(request, *names)
        raise ApiError("notFound", f"Not found: {request.method} {request.path}")

    def _routes(self) -> list[tuple[str, re.Pattern[str], str, Callable[..., dict[str, Any]]]]:
        store, jobs = self.store, self._jobs
        patch_table = partial(tables.patch, store, self.limits)
        return [
            (method, re.compile(pattern), f"bigquery.{permission}", handler)
            for method, pattern, permission, handler in (
                ("GET", "/datasets", "datasets.get", partial(datasets.listed, store)),
                ("POST", "/datasets", "datasets.create", partial(datasets.insert, store)),
                ("GET", "/datasets/([^/]+)", "datasets.get", partial(datasets.get, store)),
                ("PATCH", "/datasets/([^/]+)", "datasets.update", partial(datasets.patch, store)),
                ("PUT", "/datasets/([^/]+)", "datasets.update", partial(datasets.patch, store)),
                ("DELETE", "/datasets/([^/]+)", "datasets.delete", partial(datasets.delete, store)),
                ("GET", "/datasets/([^/]+)/tables", "tables.list", partial(tables.listed, store)),
                ("POST", "/datasets/([^/]+)/tables", "tables.create", partial(tables.insert, store)),
                ("GET", "/datasets/([^/]+)/tables/([^/]+)", "tables.get", partial(tables.get, store)),
                ("PATCH", "/datasets/([^/]+)/tables/([^/]+)", "tables.update", patch_table),
                ("PUT", "/datasets/([^/]+)/tables/([^/]+)", "tables.update", patch_table),
                ("DELETE", "/datasets/([^/]+)/tables/([^/]+)", "tables.delete", partial(tables.delete, store)),
                ("GET", "/datasets/([^/]+)/tables/([^/]+)/data", "tables.getData", partial(tabledata.listed, store)),
                (
                    "POST", "/datasets/([^/]+)/tables/([^/]+)/insertAll", "tables.updateData",
                    partial(tabledata.insert_all, store),
                ),
                ("GET", "/jobs", "jobs.list", jobs.listed),
                ("POST", "/jobs", "jobs.create", lambda request: jobs.insert(request.json)),
                ("GET", "/jobs/([^/]+)", "jobs.get", jobs.get),
                ("POST", "/jobs/([^/]+)/cancel", "jobs.update", jobs.cancel),
                ("DELETE", "/jobs/([^/]+)/delete", "jobs.delete", jobs.delete),
                ("POST", "/queries", "jobs.create", jobs.query),
                ("GET", "/queries/([^/]+)", "jobs.get", jobs.results),
            )
        ]  # fmt: skip

    def _upload(self, request: Request) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Take the rows of a load job with the request, or in pieces after it.

        https://cloud.google.com/bigquery/docs/reference/api-uploads
        """
        self._access.check_request("bigquery.jobs.create", request, [])
        kind = request.parameters.get("uploadType")
        if kind == "multipart":
            body, rows = _multipart(request)
            return 200, {}, self._jobs.insert(body, rows)
        if kind != "resumable":
            raise ApiError("invalid", f"Unknown uploadType: {kind}")
        if request.method == "POST":
            name = uuid.uuid4().hex
            self._uploads[name] = {"body": request.json, "rows": b""}
            where = f"{self.address}{request.path}?uploadType=resumable&upload_id={name}"
            return 200, {"Location": where, "X-GUploader-UploadID": name}, {}
        return self._piece(request)

    def _piece(self, request: Request) -> tuple[int, dict[str, str], dict[str, Any]]:
        name = request.parameters.get("upload_id", "")
        if name not in self._uploads:
            raise not_found("Upload", name)
        upload = self._uploads[name]
        found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", request.headers.get("content-range", ""))
        if found is None:
            raise ApiError("badRequest", "A Content-Range is expected.")
        begin, _, total = found.groups()
        if begin is not None and int(begin) == len(upload["rows"]):
            upload["rows"] += request.raw
        if total == "*" or len(upload["rows"]) < int(total):
            there = len(upload["rows"])
            return 308, ({"Range": f"bytes=0-{there - 1}"} if there else {}), {}
        if "answer" not in upload:
            upload["answer"] = self._jobs.insert(upload["body"], upload["rows"])
        return 200, {}, upload["answer"]

    def stop(self) -> None:
        """End all jobs and delays, so that every request that waits is answered."""
        self._closing.set()
        self._jobs.close()


def _multipart(request: Request) -> tuple[dict[str, Any], bytes]:
    """Return the two parts of a multipart/related body: the job, and its rows."""
    found = re.search(r'boundary="?([^";]+)"?', request.headers.get("content-type", ""))
    if found is None:
        raise ApiError("badRequest", "Multipart body without a boundary.")
    parts = []
    for part in request.raw.split(b"--" + found[1].encode().strip(b"'"))[1:-1]:
        _, _, content = part.partition(b"\r\n\r\n")
        parts.append(content.removesuffix(b"\r\n"))
    if len(parts) != 2:  # noqa: PLR2004 - the job and its rows
        raise ApiError("badRequest", "Multipart body must have two parts.")
    return Request(request.method, request.path, raw=parts[0]).json, parts[1]


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _HttpServer

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        parameters = {name: found[0] for name, found in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        method = headers.get("x-http-method-override", self.command)
        answer = self.server.state.answer(Request(method, parts.path, parameters, headers, raw))
        if answer is None:
            self.close_connection = True
            return
        code, more, body = answer
        empty = method == "DELETE" and code == 200  # noqa: PLR2004 - HTTP's own number
        payload = b"" if empty else json.dumps(body).encode()
        with suppress(OSError):  # the client may have hung up
            self.send_response(204 if empty else code)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            for name, value in {**more, "Content-Length": str(len(payload))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)
            self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - names of the standard library


class _HttpServer(ThreadingHTTPServer):
    """Knows its connections, so that none is left when it is closed."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, state: BigQueryServer) -> None:
        self.state = state
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__((_HOST, 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the standard library has it
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as above
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        """Say nothing of a client that hung up."""

    def hang_up(self) -> None:
        """End all connections."""
        with self._guard:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


@contextmanager
def bigquery_server(
    project: str = "test-1", location: str = "US", *, folder: Path | None = None, clock: Clock | None = None
) -> Iterator[BigQueryServer]:
    """Serve on a free port of loopback. With `folder` tables and rows are kept in a file there, else in memory.

    `server.address` is the value of BIGQUERY_EMULATOR_HOST; credentials must be anonymous then:
    `bigquery.Client(project=…, credentials=AnonymousCredentials(), client_options={"api_endpoint": server.address})`
    does the same without the variable. `clock` gives the time of jobs, tables and CURRENT_TIMESTAMP.
    """
    state = BigQueryServer(project, location, clock or SystemClock(), folder)
    http = _HttpServer(state)
    state.address = f"http://{_HOST}:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, name="bigquery-server")
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        thread.join()
        state.stop()
        http.hang_up()
        http.server_close()
        state.store.close()
