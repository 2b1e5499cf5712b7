"""Compares a job as it is declared with the one that is there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.durations import format_duration
from nbactl.core.jobs.model import Difference
from nbactl.core.observe.masking import mask, mask_within
from nbactl.ports.jobs import HttpTarget, TopicTarget, UnknownTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.jobs import JobSpec

_SHOWN: Final = 120


def differences(wanted: JobSpec, there: JobSpec) -> tuple[Difference, ...]:
    """Return what of a job is not as declared. Headers and a description that nobody declared are not compared."""
    return tuple(_differences(wanted, there))


def merged(wanted: JobSpec, there: JobSpec) -> JobSpec:
    """Return what a job becomes: what is declared, and the headers that it has beside."""
    description = wanted.description or there.description
    target = wanted.target
    if isinstance(target, HttpTarget) and isinstance(there.target, HttpTarget):
        target = replace(target, headers={**there.target.headers, **target.headers})
    return replace(wanted, target=target, description=description, other=there.other)


def target_text(target: HttpTarget | TopicTarget | UnknownTarget) -> str:
    """Return a target for people: `POST https://…` or `topic NAME`."""
    if isinstance(target, TopicTarget):
        return f"topic {target.topic}"
    return f"{target.method} {mask(target.url)}" if isinstance(target, HttpTarget) else f"{target.kind} (unknown)"


def token_text(target: HttpTarget | TopicTarget | UnknownTarget) -> str | None:
    """Return the token of a request for people: `oidc for https://…`; None if it is none."""
    if not isinstance(target, HttpTarget):
        return None
    return f"oidc for {target.audience or target.url}" if target.token == "oidc" else target.token  # noqa: S105 - a kind


def _differences(wanted: JobSpec, there: JobSpec) -> Iterator[Difference]:
    pairs: list[tuple[str, Any, Any]] = [
        ("schedule", there.schedule, wanted.schedule),
        ("timezone", there.timezone, wanted.timezone),
        ("retries", there.retries, wanted.retries),
    ]
    if wanted.description:
        pairs.append(("description", there.description, wanted.description))
    if isinstance(wanted.target, HttpTarget) and isinstance(there.target, HttpTarget):
        pairs += _of_requests(wanted.target, there.target)
        if wanted.attempt_deadline is not None:
            pairs.append(("attempt_deadline", _duration(there.attempt_deadline), _duration(wanted.attempt_deadline)))
    elif isinstance(wanted.target, TopicTarget) and isinstance(there.target, TopicTarget):
        pairs.append(("topic", there.target.topic, wanted.target.topic))
        pairs.append(("body", _body(there.target.data), _body(wanted.target.data)))
        pairs.append(("attributes", dict(there.target.attributes), dict(wanted.target.attributes)))
    else:
        pairs.append(("target", target_text(there.target), target_text(wanted.target)))
    for key, before, after in pairs:
        if before != after:
            yield Difference(key, _text(before), _text(after))


def _of_requests(wanted: HttpTarget, there: HttpTarget) -> list[tuple[str, Any, Any]]:
    names = {name.lower(): value for name, value in there.headers.items()}
    headers = [(f"header {name}", names.get(name.lower()), value) for name, value in wanted.headers.items()]
    pairs: list[tuple[str, Any, Any]] = [
        ("url", there.url, wanted.url),
        ("method", there.method, wanted.method),
        ("body", _body(there.body), _body(wanted.body)),
        *headers,
        ("token", there.token, wanted.token),
    ]
    if wanted.token != "none" and wanted.account is not None:  # noqa: S105 - a kind
        pairs.append(("account", there.account, wanted.account))
    if wanted.token == "oidc":  # noqa: S105 - a kind
        pairs.append(("audience", there.audience or there.url, wanted.audience or wanted.url))
    return pairs


def _body(body: bytes) -> object:
    """Return what a body says: JSON whatever its form, else its text."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode(errors="replace")


def _duration(seconds: float | None) -> str | None:
    return None if seconds is None else format_duration(seconds)


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    text = mask(value if isinstance(value, str) else json.dumps(mask_within(value), sort_keys=True))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
