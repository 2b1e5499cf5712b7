"""A server on loopback that speaks the REST face of Cloud Scheduler v1, and keeps what it is told.

It refuses what the real one refuses, in its words: schedules and deadlines out of range, names that are there, missing
rights, a quota. A job that is run gets an answer by its URL: Google's interfaces want an OAuth token, services of Cloud
Run an identity token for exactly their address.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from nbactl.core.jobs.cron import check_cron, next_run, zone_of
from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT, REGION = "nba-props-platform", "us-west2"
_METHODS = ["", "POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14}
_STATUS = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS"}
_STATUS |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
_VERBS = {"GET": "get", "PATCH": "update", "DELETE": "delete", "resume": "enable"}
TIMEOUT = 0
"""The answer of a URL that takes longer than the attempt deadline."""


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, message: str, status: str | None = None) -> None:
        super().__init__(message)
        self.code, self.status = code, status or _STATUS[code]


@dataclass
class Scheduler:
    """The state of the server; tests arrange it and look at it."""

    project: str = PROJECT
    address: str = ""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    """The HTTP status of a URL, TIMEOUT for none."""
    ran: list[str] = field(default_factory=list)
    """The jobs that were run, in order."""
    denied: set[str] = field(default_factory=set)
    """Permissions that the caller lacks."""
    faults: list[tuple[str, int, bool]] = field(default_factory=list)
    """By method: a status instead of the work, or the work without an answer (0)."""
    page: int = 2
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    before: Callable[[str, str], None] = lambda *_: None
    """Called with a request before it is looked at, outside of the lock."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def parent(self) -> str:
        return f"projects/{self.project}/locations/{REGION}"

    @property
    def environment(self) -> dict[str, str]:
        """The variable that leads a command here."""
        return {"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER": f"http://{self.address}/"}

    def put(self, name: str, **job: Any) -> dict[str, Any]:
        """Have a job as somebody else made it."""
        full = f"{self.parent}/jobs/{name}"
        made = {"name": full, "schedule": "*/5 * * * *", "timeZone": "America/New_York", "state": "ENABLED"}
        if not job.keys() & {"pubsubTarget", "appEngineHttpTarget"}:
            job.setdefault("httpTarget", {"uri": "http://127.0.0.1:9/", "httpMethod": "POST"})
            job.setdefault("attemptDeadline", "180s")
        self.jobs[name] = {**made, "userUpdateTime": _text(self.now()), **job}
        return self.jobs[name]

    def changes(self) -> list[tuple[str, str]]:
        """Return the method and path of what was asked and is no reading."""
        return [(method, path.rpartition("/")[2]) for method, path, _ in self.requests if method != "GET"]

    def handle(self, method: str, path: str, query: dict[str, str], body: Any, fault: int = 0) -> Any:  # noqa: C901
        self.requests.append((method, path, body))
        if fault:
            raise RefusedError(fault, "Quota exceeded." if fault == 429 else "The service is unavailable.")
        if not path.startswith(f"/v1/{self.parent}/jobs"):
            raise RefusedError(403, _lacks("cloudscheduler.jobs.list", path.removeprefix("/v1/").rpartition("/")[0]))
        name, _, verb = path.removeprefix(f"/v1/{self.parent}/jobs").lstrip("/").partition(":")
        if not name:
            return self._list(query) if method == "GET" else self._create(body)
        permission = f"cloudscheduler.jobs.{_VERBS.get(verb or method, verb)}"
        resource = f"{self.parent}/jobs/{name}"
        if {permission} & self.denied:
            raise RefusedError(403, _lacks(permission, resource))
        if name not in self.jobs:
            raise RefusedError(404, f"Job not found: {resource}")
        job = self.jobs[name]
        if method == "DELETE":
            del self.jobs[name]
            return {}
        if method == "PATCH":
            self._patch(job, query["updateMask"].split(","), body)
        elif verb == "pause":
            self._turn(job, "ENABLED", "PAUSED")
        elif verb == "resume":
            self._turn(job, "PAUSED", "ENABLED")
        elif verb == "run":
            self._run(name, job)
        return self._shown(job)

    def _list(self, query: dict[str, str]) -> Any:
        if "cloudscheduler.jobs.list" in self.denied:
            raise RefusedError(403, _lacks("cloudscheduler.jobs.list", self.parent))
        names, first = list(self.jobs), int(query.get("pageToken") or 0)
        found = {"jobs": [self._shown(self.jobs[name]) for name in names[first : first + self.page]]}
        return {**found, "nextPageToken": str(first + self.page)} if first + self.page < len(names) else found

    def _create(self, body: Any) -> Any:
        if "cloudscheduler.jobs.create" in self.denied:
            raise RefusedError(403, _lacks("cloudscheduler.jobs.create", self.parent))
        name = body["name"].rpartition("/")[2]
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,500}", name):
            raise RefusedError(400, f"Job name is invalid: {body['name']}")
        if name in self.jobs:
            raise RefusedError(409, f"Job {body['name']} already exists.")
        self._check(body)
        self.jobs[name] = {**body, "state": "ENABLED", "userUpdateTime": _text(self.now())}
        return self._shown(self.jobs[name])

    def _patch(self, job: dict[str, Any], mask: list[str], body: Any) -> None:
        changed = copy.deepcopy(job)
        for path in mask:
            outer, _, inner = path.partition(".")
            if inner:
                part = changed.setdefault(outer, {})
                part.pop(inner, None)
                if value := body.get(outer, {}).get(inner):  # the API leaves out what is zero
                    part[inner] = value
            elif outer in body:
                changed[outer] = body[outer]
            else:
                changed.pop(outer, None)
            if outer.endswith("Target"):
                for other in {"httpTarget", "pubsubTarget", "appEngineHttpTarget"} - {outer}:
                    changed.pop(other, None)
        self._check(changed)
        job.clear()
        job.update(changed, userUpdateTime=_text(self.now()))
        if job["state"] == "UPDATE_FAILED":
            job["state"] = "ENABLED"

    def _check(self, job: dict[str, Any]) -> None:
        zone = job.get("timeZone", "UTC")
        if check_cron(job["schedule"]) is not None or zone_of(zone) is None:
            raise RefusedError(400, "Schedule or time zone is invalid.")
        if "httpTarget" in job:
            if not re.match(r"https?://[^/]", job["httpTarget"]["uri"]):
                raise RefusedError(400, "HttpTarget.uri is invalid.")
            method = job["httpTarget"].get("httpMethod")
            job["httpTarget"]["httpMethod"] = _METHODS[method] if isinstance(method, int) else method
            deadline = float(job.setdefault("attemptDeadline", "180s").rstrip("s"))
            if not 15 <= deadline <= 1800:
                raise RefusedError(400, "Job.attempt_deadline must be between 15 seconds and 30 minutes.")
            job["httpTarget"].setdefault("headers", {})["User-Agent"] = "Google-Cloud-Scheduler"

    def _turn(self, job: dict[str, Any], before: str, after: str) -> None:
        if job["state"] != before:
            raise RefusedError(400, f"Job.state must be {before}.", "FAILED_PRECONDITION")
        job["state"] = after

    def _run(self, name: str, job: dict[str, Any]) -> None:
        self.ran.append(name)
        job["lastAttemptTime"] = _text(self.now())
        http = job.get("httpTarget")
        status = 200 if http is None else self.answers.get(http["uri"], _by_token(http))
        if status == TIMEOUT:
            job["status"] = {"code": 4}
        elif status >= 400:
            job["status"] = {"code": _CODES.get(status, 2), "message": f"HTTP {status}"}
        else:
            job["status"] = {}

    def _shown(self, job: dict[str, Any]) -> dict[str, Any]:
        shown = copy.deepcopy(job)
        due = next_run(job["schedule"], job.get("timeZone", "UTC"), self.now())
        if due is not None and job["state"] == "ENABLED":
            shown.setdefault("scheduleTime", _text(due))
        return shown


def _by_token(http: dict[str, Any]) -> int:
    """Return what a target answers to the token of a request."""
    host = str(urlsplit(http["uri"]).hostname)
    if host.endswith(".googleapis.com"):
        return 200 if "oauthToken" in http else 401
    if host.endswith(".run.app"):
        token = http.get("oidcToken")
        return 403 if token is None else 200 if token.get("audience") == f"https://{host}" else 401
    return 200


def _lacks(permission: str, resource: str) -> str:
    return (
        f'The principal (user or service account) lacks IAM permission "{permission}" for the resource "{resource}" '
        "(or the resource may not exist)."
    )


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


@contextmanager
def scheduler_server(project: str = PROJECT) -> Iterator[Scheduler]:
    """Serve a region on a free port of loopback; `address` is its host:port."""
    state = Scheduler(project)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            path = unquote(url.path)
            state.before(self.command, path.rpartition("/")[2])
            code, found = 200, {}
            with state.lock:
                at = next((place for place, fault in enumerate(state.faults) if fault[0] == self.command), None)
                _, status, lose = ("", 0, False) if at is None else state.faults.pop(at)
                try:
                    found = state.handle(self.command, path, query, json.loads(text) if text else {}, status)
                except RefusedError as refused:
                    code = refused.code
                    found = {"error": {"code": code, "message": str(refused), "status": refused.status}}
            if lose:
                self.close_connection = True
                return
            content = json.dumps(found).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names that the server calls

        def log_message(self, *_: object) -> None:
            pass

    server = LoopbackServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
