"""Who may push to a service, as the environment says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.core._support.aio import App
    from nbactl.core._support.clock import Clock
    from nbactl.core.service.service import TimeLimits

AUDIENCE: Final = "NBACTL_PUSH_AUDIENCE"
ACCOUNTS: Final = "NBACTL_PUSH_ACCOUNTS"
OPEN_PATHS: Final = ("/live", "/ready", "/health", "/metrics")
"""What a platform asks without a token."""


def make_identity(
    environ: Mapping[str, str], *, clock: Clock, timeouts: TimeLimits, keys_url: str | None = None
) -> Callable[[App], App] | None:
    """Return what puts an app behind Google's identity tokens; None where neither variable is set.

    An app without it must listen on the loopback only. `keys_url` has other keys than Google's, for tests. Raises
    ConfigError for one variable without the other, or values that no token can have.
    """
    audience, accounts = environ.get(AUDIENCE, "").strip(), _accounts(environ.get(ACCOUNTS, ""))
    if not audience and not accounts:
        return None
    if not audience or not accounts:
        missing, given = (ACCOUNTS, AUDIENCE) if audience else (AUDIENCE, ACCOUNTS)
        raise ConfigError(f"{given} is set and {missing} is not", next_step="Set both, or neither.")
    if "," in audience or " " in audience:
        raise ConfigError(
            f"{AUDIENCE} has more than one audience", cause="A token is for one.", next_step="Give the service's URL."
        )
    if wrong := sorted(account for account in accounts if "@" not in account):
        raise ConfigError(
            f"{ACCOUNTS}: '{wrong[0]}' is not the address of an account",
            next_step="Write NAME@PROJECT.iam.gserviceaccount.com, several with commas between.",
        )
    from nbactl.bootstrap.gcp import needs

    with needs("Google's authentication"):
        from nbactl.adapters.googleauth.tokens import KEYS, GoogleTokens, TokenLimits
    from nbactl.core.service.identity import RequireIdentity

    limits = TokenLimits(
        skew=timeouts["identity.skew"],
        fetch=timeouts["identity.fetch"],
        keep=timeouts["identity.keep"],
        again=timeouts["identity.again"],
    )
    tokens = GoogleTokens(audience=audience, accounts=accounts, clock=clock, limits=limits, keys_url=keys_url or KEYS)
    return lambda app: RequireIdentity(app, tokens.verify, open_paths=OPEN_PATHS)


def _accounts(text: str) -> frozenset[str]:
    return frozenset(filter(None, (account.strip() for account in text.split(","))))
