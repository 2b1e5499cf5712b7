"""Documents of a few plain values, as nearly all are that are written in bulk: checked and encoded on a shorter way."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.firestore import messages
from nbactl.adapters.firestore.encoding import field_path, put_value
from nbactl.errors import DataError
from nbactl.ports.document_rules import check_key
from nbactl.ports.documents import SERVER_TIME, Create

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.ports.documents import Set

_FEW: Final = 16
_SHORT: Final = 1_000
_MANY: Final = 2**53

_Field = tuple[str, Any]


class FlatWrites:
    """Encodes the flat documents of one request.

    What documents written together often have in common (times, nulls, what the server sets, the precondition) is
    encoded anew only where it changes.
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
