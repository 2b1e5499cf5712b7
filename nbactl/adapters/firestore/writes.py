"""The writes of the port as Firestore's messages, checked before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.firestore import messages
from nbactl.adapters.firestore.encoding import field_path, put_fields, put_time, put_value, put_values
from nbactl.ports.document_rules import MAX_DOCUMENT_BYTES, check_key, check_size, check_value, split_document
from nbactl.ports.documents import (
    SERVER_TIME,
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
from nbactl.ports.write_rules import (
    TRANSFORMS,
    check_increment,
    check_no_transform,
    checked_elements,
    no_field_to_delete,
    update_assignments,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.ports.documents import Write

_LARGEST_RATIO: Final = 2
"""No document counts for more than twice its bytes on the wire (an integer is two to twelve, and counts for 8)."""
_SLACK: Final = 16_384
_FEW: Final = 16
_SHORT: Final = 1_000
_MANY: Final = 2**53

_Transform = Increment | ArrayUnion | ArrayRemove | ServerTime


def write_message(write: Write, root: str) -> Any:  # noqa: ANN401 - a Write message
    """Return a write as a message; `root` is the name of the database's documents. Raises DataError."""
    split_document(write.path)
    message = messages.Write()
    match write:
        case Delete():
            message.delete = f"{root}/{write.path}"
            if write.if_updated_at is not None:
                put_time(message.current_document.update_time, write.if_updated_at)
            elif write.must_exist:
                message.current_document.exists = True
        case Create() | Set():
            message.update.name = f"{root}/{write.path}"
            _put_whole(message, write)
            if isinstance(write, Create):
                message.current_document.exists = False
        case _:
            message.update.name = f"{root}/{write.path}"
            _put_changes(message, write)
    return message


def _put_whole(message: Any, write: Create | Set) -> None:  # noqa: ANN401 - a Write message
    if _put_flat(message, write):
        return
    transforms: dict[tuple[str, ...], _Transform] = {}
    data = _plain(write.data, (), write.path, transforms)
    check_value(data, write.path, depth=0)
    put_fields(message.update.fields, data)
    if message.update.ByteSize() * _LARGEST_RATIO + _SLACK > MAX_DOCUMENT_BYTES:
        check_size(write.path, data)
    _put_transforms(message, transforms)


def _put_flat(message: Any, write: Create | Set) -> bool:  # noqa: ANN401 - a Write message
    """Write data of a few plain values, as nearly all that is written in bulk has; returns whether it is such data.

    What needs no other check than that of its keys is written here; nothing is written of anything else.
    """
    data = write.data
    if len(data) > _FEW or not all(map(_is_flat, data.values())):
        return False
    fields = message.update.fields
    for key, value in data.items():
        check_key(key, write.path)
        kind = type(value)
        if kind is str:
            fields[key].string_value = value
        elif value is SERVER_TIME:
            part = message.update_transforms.add()
            part.field_path = field_path((key,))
            part.set_to_server_value = messages.REQUEST_TIME
        else:
            put_value(fields[key], value)
    return True


def _is_flat(value: object) -> bool:
    kind = type(value)
    if kind is str:
        return len(value) <= _SHORT and value.isascii()  # type: ignore[arg-type, attr-defined]  # it is a str
    if kind is int:
        return -_MANY < value < _MANY  # type: ignore[operator]  # it is an int
    return value is None or kind is bool or value is SERVER_TIME or (kind is datetime and value.tzinfo is UTC)  # type: ignore[attr-defined]


def _put_changes(message: Any, write: Update) -> None:  # noqa: ANN401 - a Write message
    transforms: dict[tuple[str, ...], _Transform] = {}
    # A mask that is there but empty leaves the other fields alone; one that is not there replaces the document.
    message.update_mask.SetInParent()
    for keys, value in update_assignments(write.fields, write.path).items():
        where = f"{write.path}.{'.'.join(keys)}"
        if isinstance(value, TRANSFORMS):
            _check_transform(value, where)
            transforms[keys] = value
            continue
        message.update_mask.field_paths.append(field_path(keys))
        if isinstance(value, DeleteField):
            continue
        plain = _plain(value, keys, where, transforms) if isinstance(value, dict) else value
        if isinstance(plain, list):
            check_no_transform(plain, where)
        check_value(plain, where, depth=len(keys))
        _put_nested(message.update.fields, keys, plain)
    _put_transforms(message, transforms)
    if write.if_updated_at is not None:
        put_time(message.current_document.update_time, write.if_updated_at)
    else:
        message.current_document.exists = True


def _put_nested(fields: Any, keys: tuple[str, ...], value: Any) -> None:  # noqa: ANN401 - a map of Values; any value
    for key in keys[:-1]:
        fields = fields[key].map_value.fields
    put_value(fields[keys[-1]], value)


def _plain(
    data: Mapping[str, Any], at: tuple[str, ...], where: str, transforms: dict[tuple[str, ...], _Transform]
) -> dict[str, Any]:
    """Return `data` without its transforms, which are noted under their keys."""
    plain: dict[str, Any] = {}
    for key, value in data.items():
        kind = type(value)
        if kind is str or kind is int or value is None:
            plain[key] = value
            continue
        match value:
            case dict():
                plain[key] = _plain(value, (*at, key), f"{where}.{key}", transforms)
            case Increment() | ArrayUnion() | ArrayRemove() | ServerTime():
                _check_transform(value, f"{where}.{key}")
                check_value({key: None}, where)
                transforms[*at, key] = value
            case DeleteField():
                raise no_field_to_delete(f"{where}.{key}")
            case list():
                check_no_transform(value, f"{where}.{key}")
                plain[key] = value
            case _:
                plain[key] = value
    return plain


def _check_transform(transform: _Transform, where: str) -> None:
    match transform:
        case Increment():
            check_increment(transform.by, where)
        case ArrayUnion() | ArrayRemove():
            checked_elements(transform.values, where)


def _put_transforms(message: Any, transforms: dict[tuple[str, ...], _Transform]) -> None:  # noqa: ANN401 - a Write message
    for keys, transform in transforms.items():
        part = message.update_transforms.add()
        part.field_path = field_path(keys)
        match transform:
            case Increment():
                put_value(part.increment, transform.by)
            case ArrayUnion():
                part.append_missing_elements.SetInParent()
                put_values(part.append_missing_elements.values, transform.values)
            case ArrayRemove():
                part.remove_all_from_array.SetInParent()
                put_values(part.remove_all_from_array.values, transform.values)
            case ServerTime():
                part.set_to_server_value = messages.REQUEST_TIME
