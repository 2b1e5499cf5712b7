"""Which writes every document engine refuses: their number, their documents, their transforms."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError
from nbactl.ports.document_rules import check_value, field_keys
from nbactl.ports.documents import MAX_WRITES, ArrayRemove, ArrayUnion, DeleteField, Increment, ServerTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.ports.documents import FieldPath, Write

TRANSFORMS = (Increment, ArrayUnion, ArrayRemove, ServerTime)


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
    assignments = {field_keys(field): value for field, value in fields.items()}
    paths = sorted(assignments)
    if len(paths) < len(fields) or any(later[: len(first)] == first for first, later in pairwise(paths)):
        raise DataError(f"the update of {where} names a field twice, or a field and a part of it")
    return assignments


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
