"""Identifiers: short, sortable by time, unique without coordination; and ids as names of documents."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Final, Protocol

from nbactl.errors import DataError

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock


_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_RANDOM_BITS: Final = 35
_SHIFTS: Final = range(70, -1, -10)  # of 80 bits, two digits at a time


class IdGenerator(Protocol):
    """What makes new identifiers."""

    def new(self, prefix: str) -> str:
        """Return a fresh id that starts with `prefix` and a hyphen."""
        ...


class TimeSortedIds:
    """Ids of 45 bits of milliseconds and 35 random bits: string order is creation order."""

    def __init__(self, clock: Clock, rng: random.Random | None = None) -> None:
        self._clock = clock
        self._rng = rng or random.SystemRandom()

    def new(self, prefix: str) -> str:
        """Return a fresh id such as `run-01jd3k9xq2m7t0`."""
        millis = int(self._clock.now().timestamp() * 1000)
        number = millis << _RANDOM_BITS | self._rng.getrandbits(_RANDOM_BITS)
        return f"{prefix}-{''.join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])}"


def is_id_of(prefix: str, identifier: str) -> bool:
    """Say whether an id looks like one of TimeSortedIds with this prefix."""
    start, _, digits = identifier.partition("-")
    return start == prefix and len(digits) == 2 * len(_SHIFTS) and set(digits) <= set(_ALPHABET)


MAX_BYTES: Final = 1_500
"""The longest name of a document, in bytes of UTF-8 (Firestore's limit)."""

_ESCAPED: Final = {"%": "%25", "/": "%2F"}
_RESERVED: Final = re.compile(r"__.*__", re.DOTALL)
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_ESCAPE: Final = re.compile(r"%(25|2F|2E|5F)")


def encode_id(identifier: str) -> str:
    """Return the name of the document of a player, a batch or anything else that has an id.

    Only what no name may hold is escaped: `/`, the escape character `%` itself, the names `.` and `..`, and the first
    character of `__x__`. Raises DataError for an empty id, one that is not Unicode text, and one that is too long.
    """
    if is_plain(identifier):
        return identifier
    if not isinstance(identifier, str) or not identifier:
        raise DataError(f"{identifier!r} is not a valid id", cause="An id is a text of at least one character.")
    name = "".join(_ESCAPED.get(character, character) for character in identifier)
    if name in {".", ".."}:
        name = name.replace(".", "%2E")
    elif _RESERVED.fullmatch(name):
        name = f"%5F{name[1:]}"
    _check_length(name, identifier)
    return name


def is_plain(identifier: object) -> bool:
    """Say quickly, of nearly all ids that there are, that they name a document as they are."""
    return isinstance(identifier, str) and _PLAIN.fullmatch(identifier) is not None


def decode_id(name: str) -> str:
    """Return the id that `encode_id` gave this name. Raises DataError for a name that it gives to none."""
    identifier = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), name)
    if not identifier or encode_id(identifier) != name:
        raise DataError(
            f"the name {name!r} is not the name of an id",
            cause="The writer of the document did not escape its name as nbactl does.",
        )
    return identifier


def _check_length(name: str, identifier: str) -> None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise DataError(
            f"{identifier!r} is not a valid id", cause="It holds a lone surrogate, which is not text."
        ) from error
    if size > MAX_BYTES:
        raise DataError(
            f"the id {identifier[:40]!r}… is too long",
            cause=f"As the name of a document it has {size} bytes; the limit is {MAX_BYTES}.",
        )
