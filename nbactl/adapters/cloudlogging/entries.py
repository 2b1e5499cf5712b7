"""Entries of Cloud Logging as records: https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.observe.logging.payload import read_payload, request_message
from nbactl.ports.logs import SEVERITIES, LogRecord

if TYPE_CHECKING:
    from nbactl.ports.logs import Severity

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEP: Final = 100
"""Severities are numbered 0, 100, …, 800."""


def record_of(entry: Any) -> LogRecord:  # noqa: ANN401 - protobuf has no types
    """Return the record of a LogEntry message: of JSON, of plain text, or of a request that the platform logged."""
    resource, labels = entry.resource.labels, dict(entry.labels)
    message, fields = _content(entry)
    at = entry.timestamp if entry.HasField("timestamp") else entry.receive_timestamp
    return LogRecord(
        at=_EPOCH + timedelta(seconds=at.seconds, microseconds=at.nanos // 1000),
        severity=_severity(entry.severity),
        service=resource.get("service_name") or resource.get("function_name") or entry.resource.type,
        message=message,
        revision=resource.get("revision_name") or None,
        labels=labels,
        fields=fields,
        trace=entry.trace.rpartition("/")[2] or None,
        id=entry.insert_id,
    )


def _content(entry: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401
    kind = entry.WhichOneof("payload")
    request = _request(entry.http_request) if entry.HasField("http_request") else None
    if kind == "json_payload":
        message, fields = read_payload(_struct(entry.json_payload))
    elif kind == "text_payload":
        message, fields = entry.text_payload.rstrip("\n"), {}
    elif kind == "proto_payload":
        message, fields = f"a {entry.proto_payload.type_url.rpartition('/')[2]}", {}
    else:
        message, fields = "" if request is None else request[0], {}
    return message, fields if request is None else {**fields, "httpRequest": request[1]}


def _request(request: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401
    seconds = request.latency.seconds + request.latency.nanos / 1e9 if request.HasField("latency") else None
    message = request_message(request.request_method, request.request_url, request.status, seconds)
    known = {
        "method": request.request_method,
        "url": request.request_url,
        "status": request.status,
        "seconds": seconds,
        "agent": request.user_agent,
    }
    return message, {name: value for name, value in known.items() if value not in ("", None)}


def _severity(number: int) -> Severity:
    return SEVERITIES[min(number // _STEP, len(SEVERITIES) - 1)]


def _struct(struct: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a protobuf Struct, which has no order, by name."""
    return {name: _value(value) for name, value in sorted(struct.fields.items())}


def _value(value: Any) -> Any:  # noqa: ANN401
    """Return a protobuf Value; it has no whole numbers, so that one without a fraction is taken for one."""
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _struct(value.struct_value)
        case "list_value":
            return [_value(item) for item in value.list_value.values]
        case _:
            return None
