"""A region of the loopback Cloud Run: its services, their revisions, and how updates of them go."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.kit.cloud_run_http import RefusedError, Request
from tests.kit.cloud_run_resources import (
    CRASHED,
    FUNCTION_LABELS,
    LATEST,
    PINNED,
    check_template,
    check_traffic,
    crashes,
    is_ready,
    made_by_hand,
    revision_of,
    shown,
    with_defaults,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT, REGION = "nba-props-platform", "us-west2"
_MASKS = ({"template"}, {"scaling"}, {"template", "scaling"}, {"traffic"})


@dataclass
class CloudRunRegion:
    """The state of a region; tests arrange it and look at it."""

    project: str = PROJECT
    region: str = REGION
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    revisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    polls: int = 1
    """How often an operation is asked for before it is done."""
    page_limit: int = 100
    """The most that a page has, whatever size is asked for."""
    forbidden: set[str] = field(default_factory=set)
    """Services that this account may see and not change: those of another team."""
    unreachable: tuple[str, ...] = ()
    """Where the API could not look for services while it listed them."""
    hidden: bool = False
    """Whether this account may see no service."""
    stuck_traffic: bool = False
    """Whether requests stay where they are although an update of them is taken."""
    account: str = "operator@example.com"
    """Who changes services through the API."""
    now: datetime = datetime(2026, 1, 15, 12, tzinfo=UTC)
    """The time; each change takes a minute of it."""
    before_patch: Callable[[str], None] = lambda _: None
    """Called with the service's name when an update arrives, before it is looked at."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def parent(self) -> str:
        """The name that the names of all services begin with."""
        return f"projects/{self.project}/locations/{self.region}"

    def deploy(
        self,
        service: str,
        env: dict[str, str] | None = None,
        *,
        by: str = "deployer@nba-props-platform.iam.gserviceaccount.com",
        function: bool = False,
        **template: Any,
    ) -> dict[str, Any]:
        """Make a service as a deployment by hand leaves it, or as Cloud Functions leaves a gen-2 function."""
        with self.lock:
            made: dict[str, Any] = {
                "name": f"{self.parent}/services/{service}",
                "uid": f"uid-{service}",
                "generation": "1",
                "labels": {"team": "nba", **(FUNCTION_LABELS if function else {})},
                "createTime": shown(self.now),
                "creator": by,
                "client": "cloudfunctions" if function else "gcloud",
                "clientVersion": "502.0.0",
                "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY",
                "launchStage": "GA",
                "template": {
                    "revision": f"{service}-00001-abc",
                    **made_by_hand(self.project, service, env or {}),
                    **template,
                },
                "traffic": [{"type": LATEST, "percent": 100}],
                "uri": f"https://{service}-xyz-wl.a.run.app",
                "settingNobodyKnows": "kept",
            }
            if function:
                made["annotations"] = {"cloudfunctions.googleapis.com/function-id": service}
                made["buildConfig"] = {"functionTarget": "main", "imageUri": made["template"]["containers"][0]["image"]}
            self.services[service] = made
            self._touch(service, by)
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
            container = self.services[service]["template"]["containers"][0]
            entries = container.setdefault("env", [])
            for name, value in values.items():
                entries[:] = [each for each in entries if each["name"] != name] + [{"name": name, "value": value}]
            self.redeploy(service)

    def redeploy(self, service: str, by: str = "someone@example.com", **template: Any) -> str:
        """Deploy a service again as somebody else would, with these fields of its template; returns the revision."""
        with self.lock:
            self.services[service]["template"].update(copy.deepcopy(template))
            self._touch(service, by)
            revision = f"{service}-{int(self.services[service]['generation']):05}-oth"
            self._new_revision(service, revision)
            self._finish(service)
            return revision

    def answer(self, request: Request, kind: str, name: str = "", *rest: str) -> dict[str, Any]:
        """Return the answer to a request for services or operations. Raises RefusedError."""
        path = request.path.removeprefix("/v2/")
        if self.hidden:
            verb = "get" if name else "list"
            raise RefusedError(403, f"Permission 'run.services.{verb}' denied on resource '{path}'")
        match request.method, kind, name, rest:
            case "GET", "operations", _, ():
                return self._operation(path)
            case "GET", "services", "", ():
                page = self._page(request.parameters, "services", sorted(self.services.items()))
                return page | ({"unreachable": list(self.unreachable)} if self.unreachable else {})
            case "GET", "services", _, ():
                return copy.deepcopy(self._known(name))
            case "GET", "services", _, ("revisions",):
                return self._page(request.parameters, "revisions", self._revisions_of(name))
            case "GET", "services", _, ("revisions", revision):
                found = dict(self._revisions_of(name))
                if revision not in found:
                    told = f"Resource '{revision}' of kind 'REVISION' in region '{self.region}' does not exist."
                    raise RefusedError(404, told)
                return copy.deepcopy(found[revision])
            case "PATCH", "services", _, ():
                return self._update(name, request)
        raise RefusedError(404, f"The requested URL {request.path} was not found on this server.")

    def _known(self, service: str) -> dict[str, Any]:
        if service not in self.services:
            raise RefusedError(404, f"Resource '{service}' of kind 'SERVICE' in region '{self.region}' does not exist.")
        return self.services[service]

    def _revisions_of(self, service: str) -> list[tuple[str, dict[str, Any]]]:
        full = f"{self.parent}/services/{service}"
        return [(name, each) for name, each in reversed(self.revisions.items()) if each["service"] == full]

    def _page(self, parameters: dict[str, str], kind: str, found: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
        start = int(parameters.get("pageToken", 0))
        end = start + min(int(parameters.get("pageSize", self.page_limit)), self.page_limit)
        page: dict[str, Any] = {kind: [copy.deepcopy(each) for _, each in found[start:end]]}
        if end < len(found):
            page["nextPageToken"] = str(end)
        return page if found else {}

    def _update(self, service: str, request: Request) -> dict[str, Any]:
        self.before_patch(service)
        before, sent = self._known(service), request.body
        if service in self.forbidden:
            raise RefusedError(403, f"Permission 'run.services.update' denied on resource '{before['name']}'")
        if sent.get("etag", before["etag"]) != before["etag"]:
            told = f"Conflict for resource '{service}': version '{sent['etag']}' was specified but current version is "
            raise RefusedError(409, f"{told}'{before['etag']}'.")
        mask = {each for each in request.parameters.get("updateMask", "").split(",") if each}
        if mask not in _MASKS:
            raise RefusedError(400, f"this server knows no updates of {sorted(mask)}")
        new = copy.deepcopy({part: sent.get(part, {}) for part in mask})
        if "traffic" in new:
            check_traffic(new["traffic"])
        if "template" in new:
            check_template(with_defaults(new["template"]))
        number = int(before["generation"]) + 1
        revision = new.get("template", {}).get("revision") or f"{service}-{number:05}-gen"
        if "template" in new and revision in self.revisions:
            told = f"Revision named '{revision}' with different configuration already exists."
            raise RefusedError(409, told, "ALREADY_EXISTS")
        before.update(new)
        self._touch(service, self.account)
        if "template" in new:
            self._new_revision(service, revision)
        before["reconciling"] = True
        name = f"{self.parent}/operations/{service}-{number}"
        self.operations[name] = {"service": service, "left": self.polls}
        return self._operation(name, asked=False)

    def _operation(self, name: str, *, asked: bool = True) -> dict[str, Any]:
        if name not in self.operations:
            raise RefusedError(404, f"operation {name} not found")
        operation = self.operations[name]
        operation["left"] -= asked
        service = operation["service"]
        kind = {"@type": "type.googleapis.com/google.cloud.run.v2.Service"}
        told = {"name": name, "metadata": {**kind, "name": self.services[service]["name"]}}
        if operation["left"] > 0:
            return told
        if "problem" not in operation:
            operation["problem"] = self._finish(service)
        if operation["problem"]:
            return {**told, "done": True, "error": {"code": 9, "message": operation["problem"]}}
        return {**told, "done": True, "response": {**kind, **copy.deepcopy(self.services[service])}}

    def _new_revision(self, service: str, revision: str) -> None:
        raw = self.services[service]
        self.revisions[revision] = revision_of(
            raw, revision, raw["template"], at=self.now, by=raw.get("lastModifier", "")
        )
        raw["latestCreatedRevision"] = f"{raw['name']}/revisions/{revision}"

    def _finish(self, service: str) -> str | None:
        """Bring a service to the end of its reconciliation; returns why it is not ready, if so.

        A revision that does not start keeps a service from being ready even after its requests were moved elsewhere.
        """
        raw = self.services[service]
        created = raw["latestCreatedRevision"]
        short = created.rpartition("/")[2]
        problem, condition = None, {"type": "Ready", "state": "CONDITION_SUCCEEDED"}
        if crashes(raw["template"]):
            problem = f"Revision '{short}' is not ready and cannot serve traffic. {CRASHED}"
            condition = {"type": "Ready", "state": "CONDITION_FAILED", "message": problem}
        else:
            raw["latestReadyRevision"] = created
            raw["observedGeneration"] = raw["generation"]
        self.revisions[short]["conditions"] = [condition]
        problem = self._route(raw) or problem
        raw["terminalCondition"] = {"type": "Ready", "state": "CONDITION_SUCCEEDED"}
        if problem:
            raw["terminalCondition"] = {"type": "Ready", "state": "CONDITION_FAILED", "message": problem}
        raw.pop("reconciling", None)
        raw["etag"] = f'"{raw["generation"]}.{len(self.operations)}.{self.now:%H%M}"'
        return problem

    def _route(self, raw: dict[str, Any]) -> str | None:
        """Bring traffic in force; returns why it stays where it is."""
        for target in raw["traffic"]:
            name = target.get("revision")
            if name and name not in self.revisions:
                return (
                    f"Revision '{name}' does not exist or is deleted. Update all traffic to route to currently "
                    "available revisions."
                )
            if name and target.get("percent") and not is_ready(self.revisions[name]):
                return f"Revision '{name}' is not ready and cannot serve traffic."
        if self.stuck_traffic and "trafficStatuses" in raw:
            return "Ingress has not yet been reconciled."
        if "latestReadyRevision" in raw:
            raw["trafficStatuses"] = copy.deepcopy(raw["traffic"])
        return None

    def _touch(self, service: str, by: str) -> None:
        """Note a change of a service."""
        self.now += timedelta(minutes=1)
        raw = self.services[service]
        if "etag" in raw:
            raw["generation"] = str(int(raw["generation"]) + 1)
        raw |= {"etag": f'"{raw["generation"]}"', "updateTime": shown(self.now), "lastModifier": by}
