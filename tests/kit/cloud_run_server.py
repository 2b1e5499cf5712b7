"""A server on loopback that speaks the REST face of the Cloud Run Admin API v2, and keeps what it is told.

It behaves as the documentation says and as refusals of the real one read: etags, update masks, revisions by name,
operations that take their time, revisions that do not start, traffic that is pinned or cannot be moved, quotas, missing
permissions, functions, several regions.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.kit.cloud_run_http import Fault, RefusedError, Request, serve
from tests.kit.cloud_run_region import PROJECT, REGION, CloudRunRegion
from tests.kit.cloud_run_resources import LATEST, PINNED

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LATEST", "PARENT", "PINNED", "PROJECT", "REGION", "CloudRun", "cloud_run_server"]

PARENT = f"projects/{PROJECT}/locations/{REGION}"
_QUOTA = (
    "Quota exceeded for quota metric '{kind} requests' and limit '{kind} requests per minute per region' of service "
    "'run.googleapis.com' for consumer 'project_number:1234567890'."
)


@dataclass
class CloudRun(CloudRunRegion):
    """The default region, and what the server as a whole is told; `at` gives the other regions."""

    address: str = ""
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    disabled: bool = False
    """Whether the API is not enabled in the project."""
    token: str = ""
    """The access token that calls must carry; each one that is asked for is a new one."""
    others: dict[str, CloudRunRegion] = field(default_factory=dict)
    """The other regions."""

    def at(self, region: str) -> CloudRunRegion:
        """Return a region of this server."""
        if region == self.region:
            return self
        with self.lock:
            return self.others.setdefault(region, CloudRunRegion(self.project, region, lock=self.lock))

    def patches(self) -> list[Request]:
        """Return the updates that were sent."""
        return [each for each in self.requests if each.method == "PATCH"]

    def fail(self, method: str, *codes: int, **how: Any) -> None:
        """Answer the next requests of a method with these codes."""
        self.faults += [Fault(method, 1, code, **how) for code in codes]

    def exhaust_quota(self, method: str, times: int = 1, retry_after: str | None = "7") -> None:
        """Refuse the next requests of a method as those above the quota."""
        told = _QUOTA.format(kind="Read" if method == "GET" else "Write")
        self.faults.append(Fault(method, times, 429, retry_after, message=told))

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
            raise RefusedError(401, "Request had invalid authentication credentials.")
        if fault is not None and fault.code:
            raise RefusedError(fault.code, fault.message, retry_after=fault.retry_after)
        if self.disabled:
            told = f"Cloud Run Admin API has not been used in project {self.project} before or it is disabled."
            raise RefusedError(403, f"{told} Enable it by visiting https://console.developers.google.com/ then retry.")
        return self.route(request)

    def route(self, request: Request) -> dict[str, Any]:
        """Return the answer to a request. Raises RefusedError."""
        path = request.path
        if path == f"/v1/projects/{self.project}/locations/-/services":
            return self._everywhere()
        if match := re.fullmatch(rf"/v2/projects/{self.project}/locations/([^/]+)/(services|operations)(/.*)?", path):
            return self.at(match[1]).answer(request, match[2], *(match[3] or "").split("/")[1:])
        raise RefusedError(404, f"The requested URL {path} was not found on this server.")

    def _everywhere(self) -> dict[str, Any]:
        """Return the services of all regions as version 1 of the API lists them."""
        label = "cloud.googleapis.com/location"
        return {
            "items": [
                {"metadata": {"name": service, "labels": {label: region.region}}}
                for region in (self, *self.others.values())
                if not region.hidden
                for service in sorted(region.services)
            ]
        }


@contextmanager
def cloud_run_server(project: str = PROJECT) -> Iterator[CloudRun]:
    """Serve on a free port of loopback; `address` is its host:port."""
    state = CloudRun(project)
    with serve(state) as state.address:
        yield state
