"""Values, field paths and time stamps as Firestore's messages, and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from nbactl.errors import DataError
from nbactl.ports.documents import Document

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MICROS: Final = 1_000_000
_SIMPLE: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


@lru_cache(maxsize=4096)
def field_path(keys: tuple[str, ...]) -> str:
    """Return checked map keys as Firestore's field path; what is not a plain identifier is quoted."""
    return ".".join(key if _SIMPLE.fullmatch(key) else _quoted(key) for key in keys)


def _quoted(key: str) -> str:
    return "`" + key.replace("\\", "\\\\").replace("`", "\\`") + "`"


def put_time(stamp: Any, instant: datetime) -> None:  # noqa: ANN401 - a protobuf Timestamp
    """Write an aware datetime into a time stamp message."""
    stamp.seconds, micros = divmod((instant - _EPOCH) // _MICROSECOND, _MICROS)
    stamp.nanos = micros * 1000


def get_time(stamp: Any) -> datetime:  # noqa: ANN401 - a protobuf Timestamp
    """Return a time stamp message as an aware UTC datetime."""
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def put_value(message: Any, value: Any) -> None:  # noqa: ANN401 - a Value message, and any checked value
    """Write a checked value into a Value message."""
    match value:
        case str():
            message.string_value = value
        case bool():
            message.boolean_value = value
        case int():
            message.integer_value = value
        case float():
            message.double_value = value
        case None:
            message.null_value = 0
        case datetime():
            message.timestamp_value.SetInParent()
            put_time(message.timestamp_value, value)
        case list():
            message.array_value.SetInParent()
            put_values(message.array_value.values, value)
        case _:
            message.map_value.SetInParent()
            put_fields(message.map_value.fields, value)


def put_values(messages: Any, values: Any) -> None:  # noqa: ANN401 - repeated Values
    """Append checked values to a repeated field."""
    for value in values:
        put_value(messages.add(), value)


def put_fields(fields: Any, data: dict[str, Any]) -> None:  # noqa: ANN401 - a map of Values
    """Write checked data into a map of fields."""
    for key, value in data.items():
        put_value(fields[key], value)


def get_value(message: Any, where: str) -> Any:  # noqa: ANN401 - a Value message; any stored value
    """Return a stored value. Raises DataError for the types that the port does not have."""
    kind = message.WhichOneof("value_type")
    match kind:
        case "string_value" | "integer_value" | "boolean_value" | "double_value":
            return getattr(message, kind)
        case "null_value" | None:
            return None
        case "timestamp_value":
            return get_time(message.timestamp_value)
        case "array_value":
            return [get_value(item, where) for item in message.array_value.values]
        case "map_value":
            return get_fields(message.map_value.fields, where)
        case "reference_value":
            return message.reference_value.partition("/documents/")[2]
        case _:
            raise DataError(
                f"{where} has a value of the type {kind.removesuffix('_value')}, which nbactl does not read",
                next_step="Correct the document in the console, or leave it to the program that wrote it.",
                details={"path": where},
            )


def get_fields(fields: Any, where: str) -> dict[str, Any]:  # noqa: ANN401 - a map of Values
    """Return stored fields as data."""
    return {key: get_value(value, where) for key, value in fields.items()}


def get_document(message: Any) -> Document:  # noqa: ANN401 - a Document message
    """Return a stored document."""
    path = message.name.partition("/documents/")[2]
    times = get_time(message.create_time), get_time(message.update_time)
    return Document(path, get_fields(message.fields, path), *times)
