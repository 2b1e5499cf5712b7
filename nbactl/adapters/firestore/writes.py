"""The writes of the port as Firestore's messages, checked before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.firestore import messages
from nbactl.adapters.firestore.encoding import field_path, put_fields, put_time, put_value, put_values
from nbactl.errors import DataError
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
    from collections.abc import Iterable, Mapping

    from nbactl.ports.documents import Write

_FEW: Final = 16
_SHORT: Final = 1_000
_MANY: Final = 2**53

_Field = tuple[str, Any]


class FlatWrites:
    """Encodes the flat documents of one request.

    What documents written together often have in common (times, nulls, what the server sets, the precondition) is
    encoded again only where it changes.
    """

    def __init__(self) -> None:
        self._create = False
        self._common: list[_Field] = []
        self._encoded: bytes | None = None

    def put(self, message: Any, write: Create | Set) -> bool:  # noqa: ANN401 - a Write message
        """Write such data into an empty message; returns whether it is such data. Nothing is written of anything else.

        Nothing but the keys needs a check here. Raises DataError.
        """
        data = write.data
        parts = _parts(data) if len(data) <= _FEW else None
        if parts is None:
            return False
        texts, numbers, common = parts
        if not _are_good_keys(tuple(data)):
            for key in data:
                check_key(key, write.path)
        self._put_common(message, common, create=type(write) is Create)
        fields = message.update.fields
        for key, value in texts:
            fields[key].string_value = value
        for key, value in numbers:
            fields[key].integer_value = value
        return True

    def _put_common(self, message: Any, common: list[_Field], *, create: bool) -> None:  # noqa: ANN401
        if create is not self._create or common != self._common:
            self._create, self._common, self._encoded = create, common, None
            _put(message, common, create=create)
            return
        if self._encoded is None:  # the second one of its kind: others may follow
            part = messages.Write()
            _put(part, common, create=create)
            self._encoded = part.SerializeToString()
        message.MergeFromString(self._encoded)


def _parts(data: Mapping[str, Any]) -> tuple[list[_Field], list[_Field], list[_Field]] | None:
    """Return short texts, numbers, and what may well be the same in other documents; None if there is anything else."""
    texts: list[_Field] = []
    numbers: list[_Field] = []
    common: list[_Field] = []
    for field in data.items():
        value = field[1]
        kind = type(value)
        if kind is str and len(value) <= _SHORT and value.isascii():
            texts.append(field)
        elif kind is int and -_MANY < value < _MANY:
            numbers.append(field)
        elif value is None or value is SERVER_TIME or kind is bool or (kind is datetime and value.tzinfo is UTC):
            common.append(field)
        else:
            return None
    return texts, numbers, common


def _put(message: Any, common: list[_Field], *, create: bool) -> None:  # noqa: ANN401 - a Write message
    for key, value in common:
        if value is SERVER_TIME:
            part = message.update_transforms.add()
            part.field_path = field_path((key,))
            part.set_to_server_value = messages.REQUEST_TIME
        else:
            put_value(message.update.fields[key], value)
    if create:
        message.current_document.exists = False


@lru_cache(maxsize=1024)
def _are_good_keys(keys: tuple[Any, ...]) -> bool:
    try:
        for key in keys:
            check_key(key, "")
    except DataError:
        return False
    return True


_LARGEST_RATIO: Final = 2
"""No document counts for more than twice its bytes on the wire (an integer is two to twelve, and counts for 8)."""
_SLACK: Final = 16_384

_Transform = Increment | ArrayUnion | ArrayRemove | ServerTime


def put_writes(request: Any, writes: Iterable[Write], root: str) -> None:  # noqa: ANN401 - a request message
    """Add writes to a request; `root` is the name of the database's documents. Raises DataError."""
    adder = WriteAdder(request, root)
    for write in writes:
        adder.add(write)


class WriteAdder:
    """Adds writes to a request, one after the other."""

    def __init__(self, request: Any, root: str) -> None:  # noqa: ANN401 - a request message
        self._writes = request.writes
        self._root = root
        self._flat = FlatWrites()

    def add(self, write: Write) -> None:
        """Add a write. Raises DataError, and has then added nothing."""
        split_document(write.path)
        message = self._writes.add()
        try:
            self._put(message, write, f"{self._root}/{write.path}")
        except DataError:
            del self._writes[-1]
            raise

    def _put(self, message: Any, write: Write, name: str) -> None:  # noqa: ANN401 - a Write message
        match write:
            case Create() | Set():
                if not self._flat.put(message, write):
                    _put_whole(message, write)
                message.update.name = name
            case Delete():
                message.delete = name
                if write.if_updated_at is not None:
                    put_time(message.current_document.update_time, write.if_updated_at)
                elif write.must_exist:
                    message.current_document.exists = True
            case _:
                message.update.name = name
                _put_changes(message, write)


def _put_whole(message: Any, write: Create | Set) -> None:  # noqa: ANN401 - a Write message
    transforms: dict[tuple[str, ...], _Transform] = {}
    data = _plain(write.data, (), write.path, transforms)
    check_value(data, write.path, depth=0)
    put_fields(message.update.fields, data)
    if message.update.ByteSize() * _LARGEST_RATIO + _SLACK > MAX_DOCUMENT_BYTES:
        check_size(write.path, data)
    _put_transforms(message, transforms)
    if isinstance(write, Create):
        message.current_document.exists = False


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
