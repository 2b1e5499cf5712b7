"""Identity tokens come from service accounts, by key file, impersonation or metadata server, for one audience each."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.compute_engine import _metadata  # noqa: TID253 - it is what the variable would set

from nbactl.adapters.cloudrun.identity import Identities
from nbactl.errors import NotAuthorisedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AUDIENCE = "https://nba-scrapers-xyz-wl.a.run.app"
ACCOUNT = "runner@nba-props-platform.iam.gserviceaccount.com"


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def token_for(audience: str) -> str:
    """Return a token of the right form; nobody checks its signature here."""
    claims = {"aud": audience, "iss": "https://accounts.google.com", "iat": 1_700_000_000, "exp": 4_000_000_000}
    return f"{encoded({'alg': 'RS256'})}.{encoded(claims)}.c2ln"


class Issuer(BaseHTTPRequestHandler):
    """Google's token endpoint, and the metadata server of a machine in its cloud."""

    seen: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assertion = body.partition("assertion=")[2].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(assertion + "=" * (-len(assertion) % 4)))
        self.seen.append(claims["target_audience"])
        self._answer(json.dumps({"id_token": token_for(claims["target_audience"])}), "application/json")

    def do_GET(self) -> None:
        if "identity" in self.path:
            self.seen.append(self.path)
            self._answer(token_for(AUDIENCE), "text/html")
        elif "service-accounts" in self.path:
            self._answer(json.dumps({"email": ACCOUNT, "scopes": [], "aliases": ["default"]}), "application/json")
        else:
            self._answer("nba-props-platform", "text/plain")

    def _answer(self, text: str, kind: str) -> None:
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def issuer() -> Iterator[tuple[str, list[str]]]:
    """Serve; yield host:port and the audiences that tokens were asked for."""
    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Issuer", (Issuer,), {"seen": seen}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def credentials(folder: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, Any]) -> None:
    file = folder / "credentials.json"
    file.write_text(json.dumps(content))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def service_account(address: str, private_key: str) -> dict[str, Any]:
    return {
        "type": "service_account",
        "project_id": "nba-props-platform",
        "client_email": ACCOUNT,
        "private_key": private_key,
        "token_uri": f"http://{address}/token",
    }


def test_a_key_file_gives_one_token_for_each_audience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private_key: str
) -> None:
    with issuer() as (address, seen):
        credentials(tmp_path, monkeypatch, service_account(address, private_key))
        identities = Identities(timeout=5.0)
        first, again, other = (identities.of(url) for url in (AUDIENCE, AUDIENCE, "https://other.a.run.app"))
    assert (first.token, first.account) == (token_for(AUDIENCE), ACCOUNT)
    assert again == first
    assert other.token == token_for("https://other.a.run.app")
    assert seen == [AUDIENCE, "https://other.a.run.app"]


def test_a_machine_of_google_gives_a_token_of_its_metadata_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with issuer() as (address, seen):
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", address)  # of the variable, which is read at import
        monkeypatch.setenv("GCE_METADATA_IP", address)
        identity = Identities(timeout=5.0).of(AUDIENCE)
    assert identity.token == token_for(AUDIENCE)
    assert AUDIENCE.rpartition("/")[2] in seen[0]


def test_a_user_account_is_refused_with_what_to_use_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    credentials(tmp_path, monkeypatch, user)
    with pytest.raises(NotAuthorisedError) as refused:
        Identities(timeout=5.0).of(AUDIENCE)
    assert refused.value.cause == "Google issues identity tokens to service accounts only; this is a user account."
    assert "--impersonate-service-account=ACCOUNT" in (refused.value.next_step or "")


def test_an_issuer_that_does_not_answer_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private_key: str
) -> None:
    credentials(tmp_path, monkeypatch, service_account("127.0.0.1:9", private_key))
    with pytest.raises(UnavailableError):
        Identities(timeout=5.0).of(AUDIENCE)


def test_credentials_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(tmp_path, monkeypatch, {"type": "nonsense"})
    with pytest.raises(NotAuthorisedError):
        Identities(timeout=5.0).of(AUDIENCE)


def test_an_emulator_gets_no_token() -> None:
    assert Identities(timeout=5.0, anonymous=True).of(AUDIENCE).token is None
