"""Which writes every document engine refuses: their number, their documents, their transforms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from nbactl.errors import DataError
from nbactl.ports.document_rules import check_value, field_keys
from nbactl.ports.documents import (
    MAX_WRITES,
    ArrayRemove,
    ArrayUnion,
    Create,
    Delete,
    DeleteField,
    Increment,
    ServerTime,
    Set,
    Update,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.ports.documents import FieldPath, Write

TRANSFORMS = (Increment, ArrayUnion, ArrayRemove, ServerTime)
_ENVELOPE: Final = 256
"""The database's name, conditions, lengths."""
_MASK: Final = 64
_SMALL: Final = frozenset({type(None), bool, int, float, datetime, ServerTime, Increment})
_VALUE: Final = 16


def check_count(writes: Sequence[Write]) -> None:
    """Raise DataError if there are more writes than one call may hold."""
    if len(writes) > MAX_WRITES:
        raise DataError(
            f"one commit cannot hold {len(writes)} writes",
            cause=f"The limit is {MAX_WRITES}.",
            next_step="Split them into several commits.",
        )


def check_different(writes: Sequence[Write]) -> None:
    """Raise DataError if two writes name the same document."""
    seen: set[str] = set()
    for write in writes:
        if write.path in seen:
            raise DataError(
                f"two writes of one batch name {write.path}",
                cause="The writes of a batch are applied in no order.",
                next_step="Put them into one commit, or into two batches.",
            )
        seen.add(write.path)


def update_assignments(fields: Mapping[FieldPath, Any], where: str) -> dict[tuple[str, ...], Any]:
    """Return the fields of an update by their keys. Raises DataError if there are none, or if two overlap."""
    if not fields:
        raise DataError(f"the update of {where} has no fields")
    paths = _separate(tuple(fields))
    if paths is None:
        raise DataError(f"the update of {where} names a field twice, or a field and a part of it")
    return dict(zip(paths, fields.values(), strict=True))


@lru_cache(maxsize=1024)
def _separate(fields: tuple[FieldPath, ...]) -> tuple[tuple[str, ...], ...] | None:
    """Return the keys of each field, or None if two overlap. The same few fields are updated again and again."""
    paths = tuple(field_keys(field) for field in fields)
    ordered = sorted(paths)
    return None if any(later[: len(first)] == first for first, later in pairwise(ordered)) else paths


def check_no_transform(values: list[Any], where: str) -> None:
    """Raise DataError if a list holds a transform."""
    if any(isinstance(item, (*TRANSFORMS, DeleteField)) for item in values):
        raise DataError(f"{where} has a transform within a list")


def check_increment(by: object, where: str) -> None:
    """Raise DataError unless a number can be incremented by `by`."""
    if isinstance(by, bool) or not isinstance(by, (int, float)):
        raise DataError(f"{where} cannot be incremented by {by!r}", next_step="Give a number.")
    check_value(by, where)


def checked_elements(values: tuple[Any, ...], where: str) -> list[Any]:
    """Return the elements of an array transform. Raises DataError for what cannot be in an array."""
    elements = list(values)
    check_value(elements, where)
    return elements


def no_field_to_delete(where: str) -> DataError:
    """Return the error of a DELETE_FIELD within a value."""
    return DataError(f"{where} cannot be deleted here", next_step="Name the field itself in an Update.")


def may_be_repeated(writes: Sequence[Write]) -> bool:
    """Say whether a commit that may have been applied can be sent again without being applied twice.

    Either it is refused the second time, as a whole, or the second time changes nothing.
    """
    return not any(map(accumulates, writes)) or any(map(_fails_again, writes))


def accumulates(write: Write) -> bool:
    """Say whether a write changes more each time it is applied. (An Increment in a Set starts from 0.)."""
    return isinstance(write, Update) and any(isinstance(value, Increment) for value in write.fields.values())


def _fails_again(write: Write) -> bool:
    match write:
        case Create():
            return True
        case Update():
            return write.if_updated_at is not None
        case Delete():
            return write.must_exist or write.if_updated_at is not None
        case Set():
            return False


def wire_bytes(write: Write) -> int:
    """Return about how many bytes a write takes on the wire, rather too many than too few."""
    match write:
        case Create() | Set():
            return _ENVELOPE + 4 * len(write.path) + _bytes(write.data)
        case Update():
            return _ENVELOPE + 4 * len(write.path) + _bytes(write.fields) + _MASK * len(write.fields)
        case Delete():
            return _ENVELOPE + 4 * len(write.path)


def _bytes(value: Any) -> int:  # noqa: ANN401 - any value of a write
    kind = type(value)
    if kind in _SMALL:
        return _VALUE
    if kind is str:
        return _VALUE + (len(value) if value.isascii() else len(value.encode(errors="replace")))
    if kind is dict or isinstance(value, Mapping):
        size = _VALUE
        for key, item in value.items():
            size += _VALUE + 4 * len(key) + _bytes(item)
        return size
    if kind is list:
        return _VALUE + sum(map(_bytes, value))
    if isinstance(value, (ArrayUnion, ArrayRemove)):
        return _VALUE + sum(map(_bytes, value.values))
    return _VALUE
