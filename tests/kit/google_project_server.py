"""A server on loopback that answers what `nbactl doctor` asks of a project, in the forms of Google's REST interfaces.

One address serves Resource Manager, Firestore's administration, Pub/Sub, BigQuery's datasets, and tokens.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = 2
"""Items of a page, so that clients have to ask for the next one."""
ACCOUNT = "nbactl@test-project.iam.gserviceaccount.com"


@dataclass
class ProjectServer:
    """What the project has; tests arrange it."""

    project: str
    address: str = ""
    granted: set[str] = field(default_factory=set)
    datasets: dict[str, str] = field(default_factory=dict)
    indexes: dict[tuple[str, tuple[tuple[str, str], ...]], str] = field(default_factory=dict)
    ttl: dict[tuple[str, str], str] = field(default_factory=dict)
    topics: list[str] = field(default_factory=list)
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name, in Google's form without their own name; topics are short names."""
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Status and message by a pattern of the path, instead of the answer."""
    tokens: int = 0
    """How many tokens were given out; other calls need one."""

    def overrides(self) -> dict[str, str]:
        """Return the variables that send clients here."""
        names = ("CLOUDRESOURCEMANAGER", "FIRESTORE", "PUBSUB", "BIGQUERY")
        return {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": f"{self.address}/" for name in names}

    def write_key(self, file: Path) -> None:
        """Write the key file of a service account whose tokens come from here."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        content = {"type": "service_account", "client_email": ACCOUNT, "token_uri": f"{self.address}/token"}
        content |= {"private_key": key.decode(), "private_key_id": "1", "project_id": self.project, "client_id": "1"}
        file.write_text(json.dumps(content))

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        for pattern, (status, message) in self.refusals.items():
            if re.search(pattern, path):
                return status, {"error": {"code": status, "message": message, "status": "REFUSED"}}
        return 200, self._found(path, body)

    def _found(self, path: str, body: Any) -> Any:  # noqa: PLR0911 - one for each interface
        place = f"projects/{self.project}"
        groups = f"{place}/databases/(default)/collectionGroups"
        if path == "/token":
            self.tokens += 1
            return {"access_token": f"token-{self.tokens}", "expires_in": 3600, "token_type": "Bearer"}
        if path == f"/v1/{place}:testIamPermissions":
            return {"permissions": sorted(self.granted & set(body["permissions"]))}
        if path == f"/bigquery/v2/{place}/datasets":
            return "datasets", [
                {"datasetReference": {"datasetId": name, "projectId": self.project}, "location": location}
                for name, location in self.datasets.items()
            ]
        if path == f"/v1/{groups}/-/indexes":
            return "indexes", [
                {
                    "name": f"{groups}/{collection}/indexes/{number}",
                    "queryScope": "COLLECTION",
                    "fields": [
                        *({"fieldPath": name, "order": order} for name, order in fields),
                        {"fieldPath": "__name__", "order": "ASCENDING"},
                    ],
                    "state": state,
                }
                for number, ((collection, fields), state) in enumerate(self.indexes.items())
            ]
        if path == f"/v1/{groups}/-/fields":
            return "fields", [
                {"name": f"{groups}/{collection}/fields/{name}", "ttlConfig": {"state": state}}
                for (collection, name), state in self.ttl.items()
            ]
        if path == f"/v1/{place}/topics":
            return "topics", [{"name": f"{place}/topics/{topic}"} for topic in self.topics]
        if path == f"/v1/{place}/subscriptions":
            return "subscriptions", [
                {
                    "state": "ACTIVE",
                    **one,
                    "name": f"{place}/subscriptions/{name}",
                    "topic": f"{place}/topics/{one['topic']}",
                }
                for name, one in self.subscriptions.items()
            ]
        raise KeyError(path)


@contextmanager
def google_project_server(project: str) -> Iterator[ProjectServer]:
    """Serve a project on a free port."""
    state = ProjectServer(project)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            path, query = unquote(url.path), {name: values[0] for name, values in parse_qs(url.query).items()}
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length).decode()
            if path != "/token" and not self.headers.get("Authorization", "").startswith("Bearer token-"):
                self._send(401, {"error": {"code": 401, "message": "no token", "status": "UNAUTHENTICATED"}})
                return
            try:
                status, found = state.answer(path, json.loads(text) if path != "/token" and text else None)
            except KeyError:
                status, found = 404, {"error": {"code": 404, "message": f"{path} not found", "status": "NOT_FOUND"}}
            if isinstance(found, tuple):
                items, values = found
                first = int(query.get("pageToken", "0"))
                found = {items: values[first : first + PAGE]} if values else {}
                if first + PAGE < len(values):
                    found["nextPageToken"] = str(first + PAGE)
            self._send(status, found)

        do_POST = do_GET  # noqa: N815 - the name that the server calls

        def _send(self, status: int, found: Any) -> None:
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = LoopbackServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
