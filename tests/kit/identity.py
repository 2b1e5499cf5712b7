"""Google's keys on the loopback, and identity tokens that are signed with them, or with others."""

from __future__ import annotations

import base64
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt  # noqa: TID253 - to sign as Google does

from tests.kit.http_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator

AUDIENCE: Final = "https://worker-abc.a.run.app"
ACCOUNT: Final = "push@nba.iam.gserviceaccount.com"


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:  # noqa: ARG001 - of the cache
    """Return the key of a name, the same for the whole process."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(name: str) -> str:
    """Return a certificate of a key, as Google publishes them."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "federated-signon.system.gserviceaccount.com")])
    day = datetime(2024, 1, 1, tzinfo=UTC)
    key = private_key(name)
    made = x509.CertificateBuilder(subject, subject, key.public_key(), 1, day, day + timedelta(days=16))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def claims(**changes: Any) -> dict[str, Any]:
    """Return what a good token says; None as a value leaves a claim out."""
    now = int(time.time())
    good = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "azp": "1234",
        "sub": "1234",
        "email": ACCOUNT,
        "email_verified": True,
        "iat": now - 5,
        "exp": now + 3_600,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key: str = "one", kid: str | None = None, **changes: Any) -> str:
    """Return a token signed with the key of that name."""
    pem = private_key(key).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = crypt.RSASigner.from_string(pem.decode(), kid or key)  # type: ignore[no-untyped-call]
    encoded: bytes = jwt.encode(signer, claims(**changes))  # type: ignore[no-untyped-call]
    return encoded.decode()


def segments(*parts: object, signature: bytes = b"x") -> str:
    """Return a token of any header and claims."""
    encoded = [json.dumps(part).encode() for part in parts]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*encoded, signature))


@dataclass
class KeyServer:
    """What the server answers, and how often it was asked. `pause` delays answers, in seconds."""

    keys: dict[str, str] = field(default_factory=lambda: {"one": public_pem("one")})
    status: int = 200
    body: bytes | None = None
    pause: float = 0.0
    asked: int = 0
    url: str = ""


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """Serve keys as Google does."""
    made = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            time.sleep(made.pause)
            self.send_response(made.status)
            self.end_headers()
            self.wfile.write(json.dumps(made.keys).encode() if made.body is None else made.body)

        def log_message(self, *_: Any) -> None:
            return

    server = LoopbackServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    made.url = f"http://127.0.0.1:{server.server_port}/certs"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
