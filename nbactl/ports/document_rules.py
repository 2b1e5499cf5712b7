"""What every document engine refuses, so that data accepted by one are accepted by all: Firestore's limits.

Source: "Usage and limits" and "Storage size calculations" of the Firestore documentation.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.documents import FieldPath

MAX_DOCUMENT_BYTES: Final = 1_048_576
MAX_NAME_BYTES: Final = 1_500
MAX_PATH_BYTES: Final = 6_144
MAX_DEPTH: Final = 20
MAX_INT: Final = 2**63 - 1
MIN_INT: Final = -(2**63)

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_SURE = MAX_PATH_BYTES // 4
_RESERVED = re.compile(r"__.*__", re.DOTALL)
_NUMBER_BYTES = 8
_DOCUMENT_OVERHEAD = 32
_PATH_OVERHEAD = 16


@lru_cache(maxsize=4096)
def split_document(path: str) -> tuple[str, str]:
    """Return the collection and the id of a document path. Raises DataError for any other path."""
    collection, _, name = path.rpartition("/")
    if len(path) <= _SURE and _PLAIN.fullmatch(name) and _is_collection(collection):
        return collection, name  # nearly all are so, and many lie in the same collection
    segments = _segments(path)
    if len(segments) % 2:
        raise DataError(
            f"'{path}' names a collection, not a document",
            cause="A document path has an even number of segments.",
            next_step="Add the document's id: collection/id.",
        )
    return path.rpartition("/")[0], segments[-1]


@lru_cache(maxsize=1024)
def check_collection(path: str) -> str:
    """Return `path` if it names a collection. Raises DataError otherwise."""
    if len(_segments(path)) % 2 == 0:
        raise DataError(
            f"'{path}' names a document, not a collection",
            cause="A collection path has an odd number of segments.",
            next_step="Leave the document's id out.",
        )
    return path


@lru_cache(maxsize=1024)
def _is_collection(path: str) -> bool:
    try:
        return check_collection(path) == path
    except DataError:
        return False


def _segments(path: str) -> list[str]:
    segments = path.split("/")
    for segment in segments:
        if segment in ("", ".", ".."):
            raise DataError(f"'{path}' is not a valid path", cause=f"'{segment}' cannot be a segment of a path.")
        _check_name(segment, f"'{path}' is not a valid path")
    if len(path.encode()) > MAX_PATH_BYTES:
        raise DataError(f"a path of {len(path.encode())} bytes is too long", cause=f"The limit is {MAX_PATH_BYTES}.")
    return segments


def _check_name(name: str, what: str) -> None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise DataError(ascii(what)[1:-1], cause="It holds a lone surrogate, which is not valid Unicode.") from error
    if size > MAX_NAME_BYTES:
        raise DataError(f"{what[:80]}…", cause=f"A name has {size} bytes; the limit is {MAX_NAME_BYTES}.")
    if _RESERVED.fullmatch(name):
        raise DataError(what, cause=f"Names of the form __…__ are reserved, such as '{name}'.")


def check_key(key: object, where: str) -> None:
    """Raise DataError unless `key` can name a field."""
    if not _is_good_key(key):
        _refuse_key(key, where)


@lru_cache(maxsize=4096)
def _is_good_key(key: object) -> bool:
    try:
        _refuse_key(key, "")
    except DataError:
        return False
    return True


def _refuse_key(key: object, where: str) -> None:
    if not isinstance(key, str):
        raise DataError(f"{where} has the key {key!r}", cause="Keys of a map must be strings.")
    if not key:
        raise DataError(f"{where} has an empty key", cause="A field must have a name.")
    _check_name(key, f"{where} has a key that cannot be stored")


@lru_cache(maxsize=1024)
def field_keys(field: FieldPath) -> tuple[str, ...]:
    """Return a field path as its keys. Raises DataError for an empty path or key."""
    keys = (field,) if isinstance(field, str) else field
    if not keys:
        raise DataError("a field path is empty", next_step="Name at least one key.")
    for key in keys:
        check_key(key, "a field path")
    return keys


def check_value(value: object, where: str, depth: int = 1) -> None:
    """Raise DataError unless `value` can be stored; `where` names the field in the message."""
    match value:
        case None | bool():
            return
        case str():
            _check_text(value, where)
        case int():
            if not MIN_INT <= value <= MAX_INT:
                raise DataError(f"{where} does not fit into 64 bits", cause=f"Its value is {value}.")
        case float():
            if not math.isfinite(value):
                raise DataError(f"{where} is {value}", cause="Only finite numbers can be stored.")
        case datetime():
            _check_time(value, where)
        case list() | dict():
            _check_container(value, where, depth)
        case _:
            raise DataError(
                f"{where} has the type {type(value).__name__}, which cannot be stored",
                next_step="Use None, bool, int, float, str, an aware datetime, a list or a dict of these.",
            )


def _check_text(text: str, where: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{where} is not valid Unicode", cause="It holds a lone surrogate.") from error


def _check_time(value: datetime, where: str) -> None:
    if value.utcoffset() is None:
        raise DataError(f"{where} is a datetime without time zone: {value.isoformat()}", next_step="Use aware UTC.")
    try:
        value.astimezone(UTC)
    except OverflowError as error:
        raise DataError(f"{where} is outside the years 1 to 9999 in UTC: {value.isoformat()}") from error


def _check_container(value: list[Any] | dict[Any, Any], where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise DataError(f"{where} is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, item in value.items():
            check_key(key, where)
            # Nearly all values are of these types; the rest needs its name, which is costly to make.
            kind = type(item)
            if item is None or kind is bool or (kind is str and item.isascii()):
                continue
            check_value(item, f"{where}.{key}", depth + 1)
        return
    for index, item in enumerate(value):
        if isinstance(item, list):
            raise DataError(f"{where}[{index}] is a list within a list", next_step="Put a dict between the two.")
        check_value(item, f"{where}[{index}]", depth + 1)


def check_size(path: str, data: dict[str, Any]) -> None:
    """Raise DataError if the document is larger than 1 MiB as Firestore counts."""
    size = document_bytes(path, data)
    if size > MAX_DOCUMENT_BYTES:
        raise DataError(
            f"{path} is too large: {size} bytes",
            cause=f"A document holds at most {MAX_DOCUMENT_BYTES} bytes.",
            next_step="Move long lists into documents of a subcollection.",
        )


def document_bytes(path: str, data: dict[str, Any]) -> int:
    """Return the size of a document in bytes, as Firestore counts."""
    return _DOCUMENT_OVERHEAD + _PATH_OVERHEAD + sum(_text_bytes(s) for s in path.split("/")) + sum(_sizes(data))


def _text_bytes(text: str) -> int:
    return len(text.encode()) + 1


def _sizes(value: object) -> Iterator[int]:
    match value:
        case None | bool():
            yield 1
        case str():
            yield _text_bytes(value)
        case list():
            for item in value:
                yield from _sizes(item)
        case dict():
            for key, item in value.items():
                yield _text_bytes(key)
                yield from _sizes(item)
        case _:
            yield _NUMBER_BYTES
