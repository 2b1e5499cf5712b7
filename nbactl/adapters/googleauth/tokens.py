"""Verifies identity tokens that Google signed: which account calls, and whether it may.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions#protocols
"""

from __future__ import annotations

import hashlib
import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from google.auth import crypt, jwt  # noqa: TID253 - the adapter itself
from google.auth.exceptions import GoogleAuthError  # noqa: TID253 - the adapter itself

from nbactl.core._support.aio import in_daemon_thread
from nbactl.core.calls.http import check_response, translated
from nbactl.core.service.identity import AccountRefusedError
from nbactl.errors import NbactlError, NotAuthorisedError, UnavailableError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nbactl.core._support.clock import Clock

_LOG = logging.getLogger("nbactl.identity")
KEYS: Final = "https://www.googleapis.com/oauth2/v1/certs"
"""Where Google has its certificates: a JSON object, from key ids to PEM."""
_ISSUERS: Final = ("accounts.google.com", "https://accounts.google.com")
_ALGORITHM: Final = "RS256"
_REMEMBERED: Final = 256
_MALFORMED: Final = (GoogleAuthError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What google-auth raises for tokens that are none. Its texts quote the token, so they go nowhere."""
_REASONS: Final = {
    "Token expired": "it has expired",
    "Token used too early": "it is from the future",
    "Token has wrong audience": "it is for another audience",
    "Could not verify": "its signature is wrong",
}
"""By the beginning of google-auth's text."""


@frozen
class TokenLimits:
    """Times in seconds: `skew` between Google's clock and ours, `fetch` for one request of keys.

    Keys are used for `keep`, and asked for again after `again` at the soonest.
    """

    skew: float
    fetch: float
    keep: float
    again: float


class GoogleTokens:
    """Tells the account of a token. It must be for exactly `audience`, of one of `accounts`.

    Google's keys are fetched when a token needs them, and kept. While Google does not answer, the old ones serve. A
    token that was verified is believed until it expires, without another look at its signature.
    """

    def __init__(
        self, *, audience: str, accounts: Collection[str], clock: Clock, limits: TokenLimits, keys_url: str = KEYS
    ) -> None:
        self._audience = audience
        self._accounts = frozenset(accounts)
        self._clock = clock
        self._limits = limits
        self._keys_url = keys_url
        self._lock = threading.Lock()
        self._keys: Mapping[str, str] = {}
        self._fresh_until = self._again_at = clock.monotonic()
        self._verified: dict[bytes, tuple[str, float]] = {}  # by digest: the account, and when the token expires

    async def verify(self, token: str) -> str:
        """Return the account of a token, as `identity.Verify` says."""
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock.now().timestamp()
        account, expires = self._verified.get(digest, ("", 0.0))
        if now < expires:
            return account
        key_id = _key_id(token)
        await self._have_key(key_id)
        claims = self._claims(token, key_id)
        account = self._account(claims)
        if len(self._verified) >= _REMEMBERED:
            self._verified.pop(next(iter(self._verified)), None)
        self._verified[digest] = (account, min(float(claims["exp"]), now + self._limits.keep))
        return account

    async def _have_key(self, key_id: str) -> None:
        """Fetch the keys if they are old, or if this one is not among them. Raises NotAuthorisedError without it."""
        now = self._clock.monotonic()
        if (key_id not in self._keys or now >= self._fresh_until) and now >= self._again_at:
            await in_daemon_thread(self._refresh)
        if not self._keys:
            raise UnavailableError("the identity token cannot be verified", cause="Google's keys cannot be fetched.")
        if key_id not in self._keys:
            raise _refused("it is not signed by a key of Google")

    def _refresh(self) -> None:
        """Fetch the keys, unless another thread has done so meanwhile."""
        with self._lock:
            if self._clock.monotonic() < self._again_at:
                return
            try:
                self._keys = self._fetch()
                self._fresh_until = self._clock.monotonic() + self._limits.keep
            except NbactlError as error:
                _LOG.warning("Google's keys cannot be fetched: %s. %s", error.message, error.cause or "")
            self._again_at = self._clock.monotonic() + self._limits.again  # not sooner: others wait for this fetch

    def _fetch(self) -> dict[str, str]:
        import httpx2

        with translated("Google's keys"):
            answer = httpx2.get(self._keys_url, timeout=self._limits.fetch)
        check_response("Google's keys", answer, self._clock.now())
        try:
            keys = dict(answer.json())
            for certificate in keys.values():
                crypt.RSAVerifier.from_string(certificate)  # type: ignore[no-untyped-call]
        except _MALFORMED as error:
            raise UnavailableError("Google's keys are not as expected", cause=str(error)) from error
        return keys

    def _claims(self, token: str, key_id: str) -> Mapping[str, Any]:
        """Return what a token says, its signature, times and audience verified."""
        certificates = {key_id: self._keys[key_id]}
        try:
            claims: Mapping[str, Any] = jwt.decode(  # type: ignore[no-untyped-call]
                token,
                certs=certificates,
                audience=self._audience,
                clock_skew_in_seconds=self._limits.skew,
            )
        except _MALFORMED as error:
            reason = next((text for begin, text in _REASONS.items() if str(error).startswith(begin)), "it is malformed")
            raise _refused(reason) from None
        return claims

    def _account(self, claims: Mapping[str, Any]) -> str:
        if claims.get("iss") not in _ISSUERS:
            raise _refused("it is not issued by Google")
        account = claims.get("email")
        if not isinstance(account, str) or claims.get("email_verified") is not True:
            raise _refused("it has no verified address of an account")
        if account not in self._accounts:
            raise AccountRefusedError(
                f"the account {account} may not call this service",
                next_step="Add it to NBACTL_PUSH_ACCOUNTS, or push as another account.",
            )
        return account


def _key_id(token: str) -> str:
    try:
        header = jwt.decode_header(token)  # type: ignore[no-untyped-call]
        algorithm, key_id = header.get("alg"), header.get("kid")
    except _MALFORMED:
        raise _refused("it is malformed") from None
    if algorithm != _ALGORITHM or not isinstance(key_id, str):
        raise _refused(f"it is not signed with {_ALGORITHM} and a key that it names")
    return key_id


def _refused(why: str) -> NotAuthorisedError:
    return NotAuthorisedError("the identity token is not accepted", cause=f"{why[0].upper()}{why[1:]}.")
