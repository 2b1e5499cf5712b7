"""Secrets do not get into logs: values whose names say what they are, and what looks like a password or a key.

A text costs a few looks for a telling piece; only one that has it is searched.
"""

from __future__ import annotations

import re
from typing import Any, Final

MASK: Final = "***"
_NAMES: Final = re.compile(
    r"(?i)passw(or)?d|passphrase|secret|token|credential|authorization|cookie|api[-_]?key|access[-_]?key|private[-_]?key"
    r"|webhook|\bdsn\b|_dsn$"
)
_INNOCENT: Final = re.compile(r"(?i)fencing[-_]?token|token[-_]?bucket|tokens?[-_]?(count|left|used)")
_WORDS: Final = r"(?:\w+[-_])?(?:passw(?:or)?d|passphrase|secret|token|api[-_]?key|access[-_]?key|private[-_]?key)"
_PATTERNS: Final = (
    (re.compile(r"(?<=://)[^/\s@'\"]+@"), f"{MASK}@"),
    (re.compile(r"(hooks\.slack\.com/)[^\s'\"<>|]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {MASK}"),
    (re.compile(rf"(?i)\b({_WORDS})([\"']?\s*[=:]\s*[\"']?)[^\s\"',;&)}}\]]+"), rf"\1\2{MASK}"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), MASK),
)
_DEEPEST: Final = 6

_registered: set[str] = set()
_SHORTEST: Final = 6


def mask_value(secret: str) -> None:
    """Have `secret` masked wherever it turns up in a log; one too short to be told from other text is refused."""
    if len(secret) < _SHORTEST:
        raise ValueError(f"a secret of less than {_SHORTEST} characters cannot be told from other text")
    _registered.add(secret)


def mask(text: str) -> str:
    """Return the text without secrets."""
    for secret in _registered:
        if secret in text:
            text = text.replace(secret, MASK)
    if _may_tell(text.lower()):
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
    return text


def _may_tell(lower: str) -> bool:
    """Say whether a text in lower case has a piece that each pattern needs; `in` is many times faster than they are."""
    return (
        "key" in lower
        or "token" in lower
        or "secret" in lower
        or "pass" in lower
        or "://" in lower
        or "bearer" in lower
        or "basic " in lower
        or "slack.com" in lower
    )


def is_secret_name(name: str) -> bool:
    """Say whether a value of this name is a secret."""
    return _NAMES.search(name) is not None and _INNOCENT.search(name) is None


def mask_within(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - whatever was logged
    """Return a value without secrets; mappings and sequences are looked through."""
    if isinstance(value, str):
        return mask(value)
    if depth < _DEEPEST:
        if isinstance(value, dict):
            return {
                name: MASK if isinstance(name, str) and is_secret_name(name) else mask_within(inner, depth + 1)
                for name, inner in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [mask_within(inner, depth + 1) for inner in value]
    return value
