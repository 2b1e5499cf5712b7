"""Secrets are masked in logs, ledger, output and crash reports alike (invariant 28).

Masked are values with names of secrets, and text that looks like a password, a key or a token of the usual issuers. A
text is first checked for a few substrings; only one that has such a substring is searched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

MASK: Final = "***"
_NAMES: Final = re.compile(
    r"(?i)passw(or)?d|passphrase|secret|token|credential|authorization|cookie|api[-_]?key|access[-_]?key|private[-_]?key"
    r"|webhook|\bdsn\b|_dsn$"
)
_INNOCENT: Final = re.compile(r"(?i)fencing[-_]?token|token[-_]?bucket|tokens?[-_]?(count|left|used)")
_WORDS: Final = (
    r"[\w-]{0,20}(?:passw(?:or)?d|passphrase|pwd|secret|(?<!fencing[-_])token"
    r"|api[-_]?key|access[-_]?key|private[-_]?key)"
)
_QUOTE: Final = r"b?\\*[\"']"
"""What a name or a value may be quoted with in a text that was itself written as a string, or as bytes."""
_KIND: Final = rf"(?:{_QUOTE})?(?:oidc|oauth|none)(?:$|[\s\"',;&)}}\]\\])"
"""A kind of token, such as a job of Cloud Scheduler declares, and not a token."""
_PATTERNS: Final = (
    (r"(?<=://)[^\s/@:'\"]*:[^\s@'\"]*@|(?<=://)[^/\s@'\"]+@", f"{MASK}@"),
    (r"(hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|webhook\.office\.com/)[^\s'\"<>|]+", rf"\1{MASK}"),
    (
        rf"(?im)\b((?:proxy-)?authorization|(?:set-)?cookie)({_QUOTE})?(\s*[=:]\s*)({_QUOTE})?[^\r\n\"'}}]+",
        rf"\1\2\3\4{MASK}",
    ),
    (r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}", rf"\1 {MASK}"),
    (
        rf"(?i)\b({_WORDS})((?:{_QUOTE})?\s*[=:]\s*)(?!{_KIND})(?:({_QUOTE})(?:(?!\3).)+|[^\s\"',;&)}}\]]+)",
        rf"\1\2\3{MASK}",
    ),
    (r"(?i)([?&](?:key|sig|(?:x-(?:amz|goog)-)?signature)=)[^\s&'\"]+", rf"\1{MASK}"),
    (r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY( BLOCK)?-----|$)", MASK),
    # Tokens by the prefix that their issuer gives them.
    (r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+", MASK),  # a JSON web token
    (r"AIza[\w-]{20,}|ya29\.[\w-]{8,}|GOCSPX-[\w-]{8,}|1//0[\w-]{20,}", MASK),  # Google
    (r"(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,})", MASK),  # GitHub, GitLab
    (r"\b(?:A3T|AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA)[A-Z0-9]{12,}\b", MASK),  # Amazon
    (r"(?:xox[a-z]-|xapp-)[\w-]{10,}", MASK),  # Slack
    (r"(?:[srp]k_(?:live|test)_\w{10,}|whsec_\w{16,})", MASK),  # Stripe
    (r"\b(?:sk-[\w-]{20,}|hf_\w{20,}|SG\.[\w-]{16,}\.[\w-]{16,})", MASK),  # OpenAI and others, Hugging Face, SendGrid
    (r"\b(?:npm_\w{20,}|pypi-[\w-]{20,}|dop_v1_\w{20,}|shp(?:at|ss|ca|pa)_\w{20,}|lin_api_\w{20,})", MASK),
)
_BEFORE_A_VALUE: Final = ("key", "token", "secret", "pass", "pwd", "://", "authorization", "cookie", "sig")
_ISSUERS: Final = (
    *("eyj", "aiza", "ya29.", "gocspx-", "1//0", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
    *("akia", "asia", "a3t", "agpa", "aida", "aroa", "anpa", "anva", "xox", "xapp-", "k_live_", "k_test_", "whsec_"),
    *("sk-", "hf_", "sg.", "npm_", "pypi-", "dop_v1_", "shpat_", "shpss_", "shpca_", "shppa_", "lin_api_"),
)
_SHORTEST_TOKEN: Final = 12
_DEEPEST: Final = 12
_MOST_PARTS: Final = 10_000
"""Mappings, lists and objects of one value: more than a line of a log holds."""
_HARMLESS: Final = (bool, int, float, datetime, date, time, UUID)

_registered: set[str] = set()
_SHORTEST: Final = 6


def mask_value(secret: str) -> None:
    """Mask `secret` wherever it occurs in a log. Raises ValueError for one too short to be unique."""
    if len(secret) < _SHORTEST:
        raise ValueError(f"a secret of less than {_SHORTEST} characters is too short to be masked")
    _registered.add(secret)


def mask(text: str) -> str:
    """Return the text without secrets."""
    for secret in _registered:
        if secret in text:
            text = text.replace(secret, MASK)
    if _may_match(text.lower()):
        for pattern, instead in _patterns():
            text = pattern.sub(instead, text)
    return text


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern), instead) for pattern, instead in _PATTERNS]


def _may_match(lower: str) -> bool:
    """Say whether a text in lower case has a piece that each pattern needs; `in` is many times faster."""
    return (
        (("=" in lower or ":" in lower) and any(piece in lower for piece in _BEFORE_A_VALUE))
        or "bearer" in lower
        or "basic " in lower
        or "/webhooks/" in lower
        or "slack.com" in lower
        or "webhook.office" in lower
        or "private key" in lower
        or (len(lower) >= _SHORTEST_TOKEN and any(piece in lower for piece in _ISSUERS))
    )


def is_secret_name(name: str) -> bool:
    """Say whether a value of this name is a secret."""
    return _NAMES.search(name) is not None and _INNOCENT.search(name) is None


def mask_within(value: Any) -> Any:  # noqa: ANN401 - any value may be logged
    """Return a value without secrets, as texts, numbers, times, mappings and lists.

    What is nested too deep is `***`, and so is the rest of a very large value; a value inside itself is `…`.
    """
    return _masked(value, (), iter(range(_MOST_PARTS)))


def _masked(value: Any, within: tuple[int, ...], budget: Iterator[int]) -> Any:  # noqa: ANN401, PLR0911 - a kind a line
    """Mask a value that lies within those with the ids `within`."""
    if isinstance(value, str):
        return mask(value)
    if value is None or isinstance(value, _HARMLESS):
        return value
    if id(value) in within:
        return "…"
    if len(within) >= _DEEPEST or next(budget, None) is None:
        return MASK
    inside = (*within, id(value))
    if is_dataclass(value) and not isinstance(value, type) and type(value).__str__ is object.__str__:
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {
            mask(name) if isinstance(name, str) else name: MASK
            if isinstance(name, str) and is_secret_name(name)
            else _masked(inner, inside, budget)
            for name, inner in value.items()
        }
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=as_text)
    if isinstance(value, (list, tuple)):
        return [_masked(inner, inside, budget) for inner in value]
    return mask(as_text(value))


def as_text(value: object) -> str:
    """Return the text of an object, or a note that it has none; never raises."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace")
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - an object without a text must not stop the work
        return f"<{type(value).__name__} that has no text: {type(error).__name__}>"
