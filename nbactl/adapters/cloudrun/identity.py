"""Identity tokens for calls of services: OpenID Connect tokens whose audience is the service's URL.

cloud.google.com/run/docs/authenticating/service-to-service has the rule. Google issues them to service accounts, by key
file, metadata server or impersonation, and to no user account.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Any, Final

import google.auth  # noqa: TID253 - the adapter itself
from google.auth import compute_engine, impersonated_credentials  # noqa: TID253 - the adapter itself
from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: TID253 - the adapter itself
from google.auth.transport.requests import Request  # noqa: TID253 - the adapter itself
from google.oauth2 import service_account  # noqa: TID253 - the adapter itself

from nbactl.errors import NotAuthorisedError, UnavailableError
from nbactl.frozen import frozen

_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
_SERVICE_ACCOUNT: Final = (
    "Use a service account: gcloud auth application-default login --impersonate-service-account=ACCOUNT, "
    "or set GOOGLE_APPLICATION_CREDENTIALS to its key file."
)


@frozen
class Identity:
    """Who calls, with the token that proves it; neither for an emulator."""

    token: str | None = None
    account: str | None = None


class Identities:
    """Tokens by audience, each kept until shortly before it expires. Usable from any thread."""

    def __init__(self, *, timeout: float, anonymous: bool = False) -> None:
        """`timeout` is how many seconds a request for a token may take.

        With `anonymous` no call has a token, as an emulator wants it.
        """
        self._anonymous = anonymous
        self._request = partial(Request(), timeout=timeout)
        self._lock = threading.Lock()
        self._default: Any = None  # google.auth has no common type for credentials
        self._by_audience: dict[str, Any] = {}

    def of(self, audience: str) -> Identity:
        """Return a valid token. Raises NotAuthorisedError, UnavailableError if Google cannot be reached."""
        if self._anonymous:
            return Identity()
        with self._lock:
            try:
                if audience not in self._by_audience:
                    self._by_audience[audience] = self._credentials(audience)
                credentials = self._by_audience[audience]
                if not credentials.valid:
                    credentials.refresh(self._request)
            except TransportError as error:
                raise UnavailableError(
                    "Google cannot be reached for an identity token", cause=str(error), next_step="Try again later."
                ) from error
            except GoogleAuthError as error:
                raise NotAuthorisedError(
                    f"there is no identity token for {audience}", cause=str(error), next_step=_SERVICE_ACCOUNT
                ) from error
            return Identity(str(credentials.token), getattr(self._default, "service_account_email", None))

    def _credentials(self, audience: str) -> Any:  # noqa: ANN401
        if self._default is None:
            self._default, _ = google.auth.default(scopes=_SCOPES)
        found = self._default
        if isinstance(found, service_account.Credentials):
            return service_account.IDTokenCredentials(  # type: ignore[no-untyped-call]
                signer=found.signer,
                service_account_email=found.service_account_email,
                token_uri=found._token_uri,  # noqa: SLF001 - there is no public name for it
                target_audience=audience,
            )
        if isinstance(found, impersonated_credentials.Credentials):
            return impersonated_credentials.IDTokenCredentials(  # type: ignore[no-untyped-call]
                target_credentials=found, target_audience=audience, include_email=True
            )
        if isinstance(found, compute_engine.Credentials):
            return compute_engine.IDTokenCredentials(  # type: ignore[no-untyped-call]
                self._request,
                audience,
                use_metadata_identity_endpoint=True,
            )
        raise NotAuthorisedError(
            "these credentials cannot call services",
            cause=f"Google issues identity tokens to service accounts only; this is {_kind(found)}.",
            next_step=_SERVICE_ACCOUNT,
        )


def _kind(credentials: object) -> str:
    module = type(credentials).__module__
    if module == "google.oauth2.credentials":
        return "a user account"
    return "an external account" if "external_account" in module or "identity_pool" in module else module
