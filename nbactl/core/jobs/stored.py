"""Jobs as plain data, as documents keep them: bodies are base64, and nothing is lost."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from nbactl.ports.jobs import HttpTarget, JobSpec, TopicTarget, UnknownTarget

if TYPE_CHECKING:
    from collections.abc import Mapping


def spec_to(spec: JobSpec) -> dict[str, Any]:
    """Return a job as data."""
    target = spec.target
    data: dict[str, Any] = {
        "name": spec.name,
        "schedule": spec.schedule,
        "timezone": spec.timezone,
        "attempt_deadline": spec.attempt_deadline,
        "retries": spec.retries,
        "description": spec.description,
        "other": dict(spec.other),
    }
    if isinstance(target, TopicTarget):
        return {**data, "topic": target.topic, "body": _text(target.data), "attributes": dict(target.attributes)}
    if isinstance(target, UnknownTarget):
        return {**data, "kind": target.kind}
    return {
        **data,
        "url": target.url,
        "method": target.method,
        "body": _text(target.body),
        "headers": dict(target.headers),
        "token": target.token,
        "account": target.account,
        "audience": target.audience,
    }


def spec_from(data: Mapping[str, Any]) -> JobSpec:
    """Return the job of `spec_to`."""
    target: HttpTarget | TopicTarget | UnknownTarget
    if "topic" in data:
        target = TopicTarget(data["topic"], base64.b64decode(data["body"]), dict(data["attributes"]))
    elif "url" in data:
        body = base64.b64decode(data["body"])
        target = HttpTarget(
            data["url"], data["method"], body, dict(data["headers"]), data["token"], data["account"], data["audience"]
        )
    else:
        target = UnknownTarget(data["kind"])
    return JobSpec(
        data["name"],
        data["schedule"],
        data["timezone"],
        target,
        data["attempt_deadline"],
        data["retries"],
        data["description"],
        data.get("other", {}),
    )


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode()
