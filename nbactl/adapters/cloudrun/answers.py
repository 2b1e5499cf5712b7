"""What a service answers: its code, and what its body says of the processors that it ran.

A body is `{status, results: [{processor, status, rows, error}]}`; the code is 200 although a processor failed. The
meaning of Cloud Run's own codes is in cloud.google.com/run/docs/troubleshooting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.adapters.cloudrun.refusals import LATER
from nbactl.core.calls.retry import retry_after_seconds
from nbactl.core.phases.names import normalise
from nbactl.errors import DataError, NbactlError, NotAuthorisedError, NotFoundError, UnavailableError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.adapters.cloudrun.requests import ServiceRequest

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes of an answer that are read."""
_SHOWN: Final = 200
_OK, _ACCEPTED, _NO_CONTENT = 200, 202, 204
_SERVER: Final = 500
_DONE: Final = frozenset({"success", "succeeded", "ok", "completed", "complete", "partial"})
_FAILED: Final = frozenset({"failed", "failure", "error", "timeout", "timed_out"})
_EMPTY: Final = "no_data"
_ROWS: Final = ("rows", "records", "record_count", "rows_written", "rows_processed", "records_processed", "row_count")
_ERRORS: Final = ("error", "message", "reason", "detail")
_IDS: Final = ("execution_id", "run_id", "batch_id")
_LOST: Final = (502, 504)
_BROKEN: Final = "malformed or connection to the instance had an error"
_FULL: Final = "no available instance"


class ServiceFailedError(NbactlError):
    """A service says that it did not do its task."""

    code = "service_failed"


@frozen
class Answer:
    """What came back over HTTP."""

    code: int
    headers: Mapping[str, str]
    body: bytes


@frozen
class Finding:
    """What is known of a call. `working`: the service took it and works on; `lost`: nobody knows whether it did."""

    state: Literal["done", "working", "lost"]
    rows: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def read_answer(answer: Answer, request: ServiceRequest, account: str | None, now: datetime) -> Finding:
    """Return what an answer says. Raises the error for a call that was refused or that failed.

    `details["happened"]` of an error is False if the service cannot have begun.
    """
    text = answer.body.decode("utf-8", errors="replace")
    if answer.code in (_ACCEPTED, _NO_CONTENT):
        body = _object(text) or {}
        return Finding("working", detail=_ids(body))
    if answer.code == _OK:
        return _read_body(text, request)
    if answer.code in _LOST or (answer.code == 503 and _BROKEN in text):  # noqa: PLR2004
        return Finding("lost", detail={"answer": f"{answer.code}: {_start(text)}"})
    raise _refusal(answer, text, request, account, now)


def _read_body(text: str, request: ServiceRequest) -> Finding:
    body = _object(text)
    if body is None:
        kind = "a web page" if text.lstrip()[:1] == "<" else "something else"
        raise DataError(
            f"{request.what} answered with {kind} instead of JSON",
            cause=f"It begins: {_start(text) or 'nothing'}",
            next_step=f"Check `service.path` of {request.task} in workflows.yaml, and whether a proxy answers for it.",
        )
    results = body.get("results")
    own = _own(results, request) if results is not None else [body]
    if own is None or not all(_word(one) for one in own):
        raise DataError(
            f"{request.what} answered with JSON of an unknown shape",
            cause=f"It begins: {_start(text)}",
            next_step="Expected: {status, results: [{processor, status, rows, error}]}. See docs/gcp.md.",
        )
    if not own:
        raise DataError(
            f"{request.what} reported nothing about {request.processor or request.task}",
            cause=f"It begins: {_start(text)}",
            next_step=f"Compare `service.processor` of {request.task} in workflows.yaml with what the service reports.",
        )
    failed = [one for one in own if _word(one) not in _DONE and _word(one) != _EMPTY]
    if failed:
        raise _failure(failed[0], request)
    counts = [_rows(one, request) for one in own]
    known = [count for count in counts if count is not None]
    partial = [f"{request.what} reported a partial result" for one in own if _word(one) == "partial"]
    detail = {**_ids({**body, **own[0]}), **({"warnings": partial} if partial else {})}
    return Finding("done", rows=sum(known) if known else None, detail=detail)


def _own(results: object, request: ServiceRequest) -> list[Mapping[str, Any]] | None:
    """Return the results of the task: by its processor's name where one is declared, else all of them."""
    if not isinstance(results, Sequence) or not all(isinstance(one, Mapping) for one in results):
        return None
    if request.processor is None:
        return list(results)
    return [one for one in results if one.get("processor") == request.processor or _is_of(one, request)]


def _is_of(result: Mapping[str, Any], request: ServiceRequest) -> bool:
    name = result.get("processor", result.get("processor_name"))
    return normalise(name, request.known) is not None


def _failure(result: Mapping[str, Any], request: ServiceRequest) -> NbactlError:
    word = _word(result)
    reason = next((str(result[key]) for key in _ERRORS if result.get(key)), "it gave no reason")
    if word in _FAILED:
        return ServiceFailedError(
            f"{request.what} reported that {request.processor or request.task} failed: {_start(reason)}",
            cause="The code of the answer was 200; the failure is in its body.",
            next_step=f"See its log: {request.logs}",
            retryable=result.get("retryable") is True,
        )
    return DataError(
        f"{request.what} reported {request.processor or request.task} as '{_start(word)}': {_start(reason)}",
        cause="Only success, partial and no_data count as done.",
        next_step=f"See its log: {request.logs}",
    )


def _refusal(  # noqa: PLR0911 - a kind of refusal each
    answer: Answer, text: str, request: ServiceRequest, account: str | None, now: datetime
) -> NbactlError:
    code, cause = answer.code, f"It answered {answer.code}: {_start(text) or 'nothing'}"
    wait = retry_after_seconds(answer.headers.get("Retry-After"), now)
    who = account or "this account"
    not_begun = {"happened": False, "status": code}
    match code:
        case 401:
            return NotAuthorisedError(
                f"{request.what} does not accept the identity token of {who}",
                cause=cause,
                next_step=f"The audience was {request.url}; it must be the service's own URL or one of its audiences.",
                details=not_begun,
            )
        case 403:
            return NotAuthorisedError(
                f"{who} may not call {request.service}: the role roles/run.invoker is missing",
                cause=cause,
                next_step=f"Grant it: {request.grant(account)}",
                details=not_begun,
            )
        case 404 | 405:
            return NotFoundError(
                f"{request.service} has no route POST {request.path}",
                cause=cause,
                next_step=f"Correct `service.path` of {request.task} in workflows.yaml.",
                details=not_begun,
            )
        case 429:
            return UnavailableError(
                f"{request.service} is at its limit of instances",
                cause=cause,
                next_step=f"Try again later, or raise its maximum number of instances: {request.describe}",
                retry_after=wait,
                details=not_begun,
            )
        case 503:
            return UnavailableError(
                f"{request.service} is not available", cause=cause, next_step=LATER, retry_after=wait, details=not_begun
            )
        case _ if 300 <= code < 400:  # noqa: PLR2004
            return DataError(
                f"{request.what} answered with a redirect to {_start(answer.headers.get('Location', 'nowhere'))}",
                cause="A redirect is not followed: it would take the identity token to another address.",
                next_step=f"Correct `service.path` of {request.task} in workflows.yaml.",
                details=not_begun,
            )
        case _ if code >= _SERVER:
            return UnavailableError(
                f"{request.what} failed: error {code}",
                cause=cause,
                next_step=f"See its log: {request.logs}",
                retry_after=wait,
                details=not_begun if _FULL in text else {"status": code},
            )
        case _:
            return DataError(
                f"{request.what} refused the request: error {code}",
                cause=cause,
                next_step=f"Correct `service.body` of {request.task} in workflows.yaml.",
                details=not_begun,
            )


def _rows(result: Mapping[str, Any], request: ServiceRequest) -> int | None:
    if _word(result) == _EMPTY:
        return 0
    value = next((result[key] for key in _ROWS if result.get(key) is not None), None)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DataError(
            f"{request.what} reported {_start(repr(value))} rows", cause="Rows are a whole number from 0 up."
        )
    return value


def _word(result: Mapping[str, Any]) -> str:
    status = result.get("status")
    return status.lower() if isinstance(status, str) else ""


def _ids(body: Mapping[str, Any]) -> dict[str, str]:
    found = next((body[key] for key in _IDS if isinstance(body.get(key), str)), None)
    return {} if found is None else {"execution_id": found}


def _object(text: str) -> dict[str, Any] | None:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _start(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
