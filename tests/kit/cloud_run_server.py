"""A server on loopback that speaks the REST face of the Cloud Run Admin API v2, and keeps what it is told.

It behaves as the documentation says and as refusals of the real one read: etags, update masks, revisions by name,
operations that take their time, revisions that do not start, traffic that is pinned, quotas, missing rights.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT, REGION = "nba-props-platform", "us-west2"
PARENT = f"projects/{PROJECT}/locations/{REGION}"
LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
PINNED = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
RESERVED = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
CRASHED = (
    "The user-provided container failed to start and listen on the port defined provided by the PORT=8080 environment "
    "variable within the allocated timeout."
)
_STATUS = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED", 500: "INTERNAL"}
_STATUS |= {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, message: str, status: str | None = None, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or _STATUS[code]
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    parameters: dict[str, str]
    body: Any
    authorization: str = ""


@dataclass
class Fault:
    """What happens to the next requests that match, instead of or after their work."""

    method: str
    times: int
    code: int = 0
    retry_after: str | None = None
    lose_answer: bool = False
    service: str = ""


@dataclass
class CloudRun:
    """The state of the server; tests arrange it and look at it."""

    project: str = PROJECT
    address: str = ""
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    revisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    polls: int = 1
    """How often an operation is asked for before it is done."""
    forbidden: set[str] = field(default_factory=set)
    """Services that this account may see and not change."""
    hidden: bool = False
    """Whether this account may see no service."""
    token: str = ""
    """The access token that calls must carry; each one that is asked for is a new one."""
    before_patch: Callable[[str], None] = lambda _: None
    """Called with the service's name when an update arrives, before it is looked at."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def parent(self) -> str:
        """The name that the names of all services begin with."""
        return f"projects/{self.project}/locations/{REGION}"

    def deploy(self, service: str, env: dict[str, str] | None = None, **template: Any) -> dict[str, Any]:
        """Make a service as a deployment by hand leaves it: a named revision, a secret, settings of every kind."""
        with self.lock:
            entries: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in (env or {}).items()]
            entries.insert(min(1, len(entries)), {"name": "API_KEY", "valueSource": {"secretKeyRef": SECRET}})
            container = {
                "image": f"us-docker.pkg.dev/{self.project}/nba/{service}:7",
                "env": entries,
                "resources": {"limits": {"cpu": "2", "memory": "2Gi"}, "cpuIdle": True, "startupCpuBoost": True},
                "ports": [{"name": "http1", "containerPort": 8080}],
                "startupProbe": {"timeoutSeconds": 240, "periodSeconds": 240, "tcpSocket": {"port": 8080}},
                "settingOfTomorrow": {"grade": "A", "list": [1, 2.5, None]},
            }
            made = {
                "name": f"{self.parent}/services/{service}",
                "uid": f"uid-{service}",
                "generation": "1",
                "labels": {"team": "nba"},
                "client": "gcloud",
                "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY",
                "launchStage": "GA",
                "template": {
                    "revision": f"{service}-00001-abc",
                    "annotations": {"deployed-by": "hand"},
                    "scaling": {"maxInstanceCount": 20},
                    "timeout": "540s",
                    "serviceAccount": f"runner@{self.project}.iam.gserviceaccount.com",
                    "containers": [container],
                    "maxInstanceRequestConcurrency": 1,
                    "futureSwitch": True,
                    **template,
                },
                "traffic": [{"type": LATEST, "percent": 100}],
                "uri": f"https://{service}-xyz-wl.a.run.app",
                "settingNobodyKnows": "kept",
            }
            self.services[service] = made
            self._new_revision(service, f"{service}-00001-abc")
            self._finish(service)
            return made

    def pin(self, service: str, percent: int = 100) -> str:
        """Have a part of the requests go to the revision there is now, by its name; returns that."""
        with self.lock:
            raw = self.services[service]
            revision = raw["latestReadyRevision"].rpartition("/")[2]
            rest = [{"type": LATEST, "percent": 100 - percent}] if percent < 100 else []
            raw["traffic"] = [{"type": PINNED, "revision": revision, "percent": percent}, *rest]
            self._finish(service)
            return str(revision)

    def env(self, service: str) -> dict[str, str]:
        """Return the plain variables of a service."""
        entries = self.services[service]["template"]["containers"][0]["env"]
        return {each["name"]: each["value"] for each in entries if "value" in each}

    def set_env(self, service: str, **values: str) -> None:
        """Change variables as somebody else would."""
        with self.lock:
            entries = self.services[service]["template"]["containers"][0]["env"]
            for name, value in values.items():
                entries[:] = [each for each in entries if each["name"] != name] + [{"name": name, "value": value}]
            self._bump(service)
            self._new_revision(service, f"{service}-{int(self.services[service]['generation']):05}-oth")
            self._finish(service)

    def patches(self) -> list[Request]:
        """Return the updates that were sent."""
        return [each for each in self.requests if each.method == "PATCH"]

    def fail(self, method: str, *codes: int, **how: Any) -> None:
        """Answer the next requests of a method with these codes."""
        self.faults += [Fault(method, 1, code, **how) for code in codes]

    def lose_answer(self, method: str = "PATCH", times: int = 1) -> None:
        """Do what the next request asks for, and hang up instead of answering."""
        self.faults.append(Fault(method, times, lose_answer=True))

    def next_fault(self, request: Request) -> Fault | None:
        """Note a request, and return what is to go wrong with it."""
        self.requests.append(request)
        for fault in self.faults:
            if fault.method == request.method and fault.times and fault.service in request.path:
                fault.times -= 1
                return fault
        return None

    def handle(self, request: Request, fault: Fault | None) -> dict[str, Any]:
        """Return the answer to a request, or what a fault makes of it. Raises RefusedError."""
        if request.path == "/token":
            self.token = f"token-{len(self.requests)}"
            return {"access_token": self.token, "expires_in": 3600, "token_type": "Bearer"}
        if self.token and request.authorization != f"Bearer {self.token}":
            raise RefusedError(401, "Request had invalid authentication credentials.", "UNAUTHENTICATED")
        if fault is not None and fault.code:
            raise RefusedError(fault.code, "the server was told to fail", retry_after=fault.retry_after)
        return self.answer(request)

    def answer(self, request: Request) -> dict[str, Any]:
        """Return the answer to a request. Raises RefusedError."""
        path = request.path
        if match := re.fullmatch(rf"/v2/{self.parent}/services(?:/([^/]+))?", path):
            if self.hidden:
                raise RefusedError(403, f"Permission 'run.services.get' denied on resource '{path[4:]}'")
            service = match[1]
            if request.method == "GET":
                return self._list(request.parameters) if service is None else copy.deepcopy(self._known(service))
            if request.method == "PATCH" and service is not None:
                return self._update(service, request)
        if request.method == "GET" and path.startswith(f"/v2/{self.parent}/operations/"):
            return self._operation(path.removeprefix("/v2/"))
        raise RefusedError(404, f"The requested URL {path} was not found on this server.")

    def _known(self, service: str) -> dict[str, Any]:
        if service not in self.services:
            raise RefusedError(404, f"Resource '{service}' of kind 'SERVICE' in region '{REGION}' does not exist.")
        return self.services[service]

    def _list(self, parameters: dict[str, str]) -> dict[str, Any]:
        names = sorted(self.services)
        start, size = int(parameters.get("pageToken", 0)), min(int(parameters.get("pageSize", 100)), 2)
        page: dict[str, Any] = {"services": [copy.deepcopy(self.services[n]) for n in names[start : start + size]]}
        if start + size < len(names):
            page["nextPageToken"] = str(start + size)
        return page if names else {}

    def _update(self, service: str, request: Request) -> dict[str, Any]:
        self.before_patch(service)
        before, sent = self._known(service), request.body
        if service in self.forbidden:
            raise RefusedError(403, f"Permission 'run.services.update' denied on resource '{before['name']}'")
        if sent.get("etag", before["etag"]) != before["etag"]:
            told = f"Conflict for resource '{service}': version '{sent['etag']}' was specified but current version is "
            raise RefusedError(409, f"{told}'{before['etag']}'.")
        mask = [each for each in request.parameters.get("updateMask", "").split(",") if each]
        if mask != ["template"]:
            raise RefusedError(400, f"this server knows updates of the template only, not of {mask}")
        template = copy.deepcopy(sent["template"])
        self._validate(template)
        number = int(before["generation"]) + 1
        revision = template.get("revision") or f"{service}-{number:05}-gen"
        if revision in self.revisions and self.revisions[revision] != template:
            told = f"Revision named '{revision}' with different configuration already exists."
            raise RefusedError(409, told, "ALREADY_EXISTS")
        before["template"] = template
        self._new_revision(service, revision)
        self._bump(service)
        before["reconciling"] = True
        name = f"{self.parent}/operations/{service}-{number}"
        self.operations[name] = {"service": service, "left": self.polls}
        return self._operation(name, asked=False)

    def _validate(self, template: dict[str, Any]) -> None:
        for index, container in enumerate(template["containers"]):
            where = f"template.containers[{index}].env"
            entries = container.get("env", [])
            names = [each["name"] for each in entries]
            if taken := sorted(RESERVED & set(names)):
                told = f"The following reserved env names were provided: {', '.join(taken)}."
                raise RefusedError(400, f"{where}: {told} These values are automatically set by the system.")
            if len(set(names)) < len(names):
                raise RefusedError(400, f"{where}: duplicate names")
            for each in entries:
                if ("value" in each) == ("valueSource" in each):
                    raise RefusedError(400, f"{where}: {each['name']} needs one of value and value_source")
                if len(each.get("value", "").encode()) > 32768:
                    raise RefusedError(400, f"{where}: {each['name']} is too long")

    def _operation(self, name: str, *, asked: bool = True) -> dict[str, Any]:
        if name not in self.operations:
            raise RefusedError(404, f"operation {name} not found")
        operation = self.operations[name]
        operation["left"] -= asked
        service = operation["service"]
        kind = {"@type": "type.googleapis.com/google.cloud.run.v2.Service"}
        shown = {"name": name, "metadata": {**kind, "name": self.services[service]["name"]}}
        if operation["left"] > 0:
            return shown
        if "problem" not in operation:
            operation["problem"] = self._finish(service)
        if operation["problem"]:
            return {**shown, "done": True, "error": {"code": 9, "message": operation["problem"]}}
        return {**shown, "done": True, "response": {**kind, **copy.deepcopy(self.services[service])}}

    def _new_revision(self, service: str, revision: str) -> None:
        raw = self.services[service]
        self.revisions[revision] = copy.deepcopy(raw["template"])
        raw["latestCreatedRevision"] = f"{raw['name']}/revisions/{revision}"

    def _finish(self, service: str) -> str | None:
        """Bring a service to the end of its reconciliation; returns why its revision does not start, if so."""
        raw = self.services[service]
        created = raw["latestCreatedRevision"]
        crashes = any(each["name"] == "CRASH" or each.get("value") == "crash" for each in _entries(raw))
        problem = None
        if crashes:
            told = f"Revision '{created.rpartition('/')[2]}' is not ready and cannot serve traffic. {CRASHED}"
            problem = told
            raw["terminalCondition"] = {"type": "Ready", "state": "CONDITION_FAILED", "message": told}
        else:
            raw["latestReadyRevision"] = created
            raw["observedGeneration"] = raw["generation"]
            raw["terminalCondition"] = {"type": "Ready", "state": "CONDITION_SUCCEEDED"}
            raw["trafficStatuses"] = copy.deepcopy(raw["traffic"])
        raw.pop("reconciling", None)
        raw["etag"] = f'"{raw["generation"]}.{len(self.operations)}.{len(self.requests)}"'
        return problem

    def _bump(self, service: str) -> None:
        raw = self.services[service]
        raw["generation"] = str(int(raw["generation"]) + 1)
        raw["etag"] = f'"{raw["generation"]}"'


SECRET = {"secret": "nba-api-key", "version": "latest"}


def _entries(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for container in raw["template"]["containers"] for each in container.get("env", [])]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    state: CloudRun

    def do_GET(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        return

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = json.loads(raw) if raw and self.command == "PATCH" else None
        authorization = self.headers.get("Authorization", "")
        request = Request(self.command, unquote(parts.path), parameters, body, authorization)
        code, headers, body = 200, {"Content-Type": "application/json; charset=UTF-8"}, {}
        with self.state.lock:
            fault = self.state.next_fault(request)
            try:
                body = self.state.handle(request, fault)
            except RefusedError as refused:
                code = refused.code
                body = {"error": {"code": code, "message": str(refused), "status": refused.status}}
                headers |= {"Retry-After": refused.retry_after} if refused.retry_after else {}
        if fault is not None and fault.lose_answer:
            self.close_connection = True
            return
        payload = json.dumps(body).encode()
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(payload))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)


@contextmanager
def cloud_run_server(project: str = PROJECT) -> Iterator[CloudRun]:
    """Serve on a free port of loopback; `address` is its host:port."""
    state = CloudRun(project)
    server = LoopbackServer(("127.0.0.1", 0), type("_Handler", (Handler,), {"state": state}))
    server.daemon_threads = True
    state.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
