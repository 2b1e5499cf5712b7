"""The compute port on deployed services: a task is a call of a service, followed until it is known how it ended.

A call may be lost: the connection ends, nbactl is killed, a proxy gives up. The service may have taken it and may be at
work. So each call is recorded before it is sent, and a call without an answer is not made again before the phase
document or the run history shows how it ended, or shows nothing of it for `silence` seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.cloudrun.answers import Finding, ServiceFailedError, read_answer
from nbactl.adapters.cloudrun.http import CutOffError, post
from nbactl.adapters.cloudrun.requests import items_of, make_request
from nbactl.core._support.aio import in_daemon_thread
from nbactl.core._support.durations import format_duration
from nbactl.core._support.faults import reach
from nbactl.core.calls.deadline import remaining
from nbactl.core.observe.context import Trace, current
from nbactl.core.service.propagation import TRACEPARENT, outgoing_headers
from nbactl.errors import DataError, NbactlError, PreconditionError, StillRunningError, TimedOutError, UnavailableError
from nbactl.frozen import frozen
from nbactl.ports.compute import TaskOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.adapters.cloudrun.evidence import Evidence, Sighting
    from nbactl.adapters.cloudrun.identity import Identities
    from nbactl.adapters.cloudrun.locator import ServiceLocator
    from nbactl.adapters.cloudrun.records import CallRecord, CallRecords
    from nbactl.adapters.cloudrun.requests import ServiceRequest
    from nbactl.core._support.clock import Clock
    from nbactl.ports.compute import TaskCall, TaskContext
    from nbactl.ports.services import DeployedService
    from nbactl.ports.warehouse import Warehouse

_AT_ONCE: Final = 8
"""How many calls of one task with `for_each` are under way at the same time."""
_NAMED: Final = 3
_log = logging.getLogger(__name__)


@frozen
class FollowLimits:
    """How long calls may take, and how they are followed, in seconds."""

    connect: float
    poll: float
    """Between two looks at a call that is followed."""
    silence: float
    """After this time a call that left no trace did not happen."""
    accept: float
    """How long `--no-wait` waits for a refusal."""
    query: float
    """For a query of the schedule."""


@frozen
class CallTools:
    """What calls of services work with."""

    services: ServiceLocator
    identities: Identities
    records: CallRecords
    evidence: Evidence
    warehouse: Callable[[], Warehouse]
    clock: Clock
    limits: FollowLimits


class CloudRunCompute:
    """Runs tasks as calls of deployed services."""

    def __init__(self, tools: CallTools) -> None:
        self._tools = tools

    async def run(self, context: TaskContext) -> TaskOutcome:
        call = context.call
        if call.work.kind != "service":
            raise DataError(f"task {call.task} has no service", next_step="Run it with --in-process.")
        service, requests = await in_daemon_thread(lambda: self._prepare(call))
        if not requests:
            what = f"no {call.work.parameters['for_each']}s on {call.game_date} in the schedule"
            return TaskOutcome(rows=0, detail={"service": call.work.target, "reason": what})
        calls = _Calls(self._tools, context)
        if service.latest_share == 0:
            pinned = f"{service.name} is pinned to {', '.join(service.pinned_to)}"
            calls.warnings.setdefault(f"{pinned}; its newest revision gets no requests")
        gate = asyncio.Semaphore(_AT_ONCE)

        async def guarded(request: ServiceRequest) -> CallRecord:
            async with gate:
                return await calls.make(request)

        try:
            ended = await asyncio.gather(*map(guarded, requests), return_exceptions=True)
        except asyncio.CancelledError:
            if under_way := calls.stop():
                raise _still_running(call, under_way) from None
            raise
        return _joined(call, requests, ended, calls)

    def _prepare(self, call: TaskCall) -> tuple[DeployedService, list[ServiceRequest]]:
        tools = self._tools
        try:
            service, region = tools.services.get(str(call.work.target))
        except UnavailableError as error:
            error.retryable = False  # the call policy of the API has tried again; attempts must not multiply
            raise
        items = items_of(call, tools.warehouse, tools.limits.query)
        return service, [
            make_request(call, item, url=service.url, region=region.name, project=region.project) for item in items
        ]


class _Calls:
    """The calls of one attempt at a task."""

    def __init__(self, tools: CallTools, context: TaskContext) -> None:
        self._tools = tools
        self._context = context
        self._call = context.call
        self._lock = threading.Lock()
        self._stopped = False
        self._under_way: dict[str, CallRecord] = {}
        self.warnings: dict[str, None] = {}

    def stop(self) -> list[CallRecord]:
        """Send nothing more; return the calls that may be under way."""
        with self._lock:
            self._stopped = True
            return list(self._under_way.values())

    async def make(self, request: ServiceRequest) -> CallRecord:
        """Make a call unless an earlier one counts; return its record once it is done."""
        records = self._tools.records
        before, version = await in_daemon_thread(lambda: records.find(request, self._call))
        if before is not None and before.state == "done":
            _log.info("%s did it already, called by %s", request.what, before.run_id)
            return before
        if before is not None and before.state == "sent":
            self._under_way[request.key] = before
            _log.info("%s was called by %s and is followed", request.what, before.run_id)
            followed = await self._follow(request, before)
            if followed is not None:
                return followed
            version = (await in_daemon_thread(lambda: records.find(request, self._call)))[1]
        record, finding = await self._send(request, version)
        if finding.state == "done":
            return record
        if finding.state == "lost" and self._call.wait:
            _log.warning("%s: the answer was lost; looking for traces of it", request.what)
        followed = await self._follow(request, record)
        if followed is None:
            raise UnavailableError(
                f"{request.what} was called and left no trace",
                cause=f"{finding.detail.get('answer', 'There was no answer')}. Neither phase document nor run history "
                f"shows anything of it after {format_duration(self._tools.limits.silence)}.",
                next_step=f"See its log: {request.logs}",
            )
        return followed

    async def _send(self, request: ServiceRequest, version: Any) -> tuple[CallRecord, Finding]:  # noqa: ANN401
        """Send a request. With `--no-wait` only a refusal is waited for."""
        work = asyncio.ensure_future(in_daemon_thread(lambda: self._exchange(request, version)))
        if self._call.wait:
            return await work
        timer = asyncio.ensure_future(self._tools.clock.sleep_async(self._tools.limits.accept))
        try:
            await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
        finally:
            timer.cancel()
            if not work.done():
                work.cancel()
        raise _still_running(self._call, self._records_of(request))

    def _exchange(self, request: ServiceRequest, version: Any) -> tuple[CallRecord, Finding]:  # noqa: ANN401
        """Record the call, make it, and record what came of it."""
        tools, call = self._tools, self._call
        identity = tools.identities.of(request.url)
        headers = _headers(request, call)
        if identity.token is not None:
            headers["Authorization"] = f"Bearer {identity.token}"
        begun: list[CallRecord] = []

        def begin() -> None:
            with self._lock:
                if self._stopped:
                    raise PreconditionError(f"{request.what} was not called: the run was stopped")
                begun.append(tools.records.begin(request, call, version))
                self._under_way[request.key] = begun[0]

        self._context.fence.guard(begin)
        record = begun[0]
        reach("cloudrun.call_recorded")
        try:
            answer = post(
                request,
                headers,
                connect=tools.limits.connect,
                limit=call.timeout,
                direct=identity.token is None,
            )
            reach("cloudrun.answered")
            finding = read_answer(answer, request, identity.account, tools.clock.now())
        except CutOffError as error:
            return record, Finding("lost", detail={"answer": error.message})
        except NbactlError as error:
            never = error.details.get("happened") is False
            self._end(request, record, "not_done" if never else "failed")
            error.details["call"] = record.facts
            raise
        execution_id = finding.detail.get("execution_id")
        for warning in finding.detail.get("warnings", ()):
            self.warnings.setdefault(warning)
        if finding.state == "working":
            record = tools.records.update(record, "sent", execution_id=execution_id)
            self._under_way[request.key] = record
        if finding.state == "done":
            rows = finding.rows
            if rows is None:
                seen, _ = tools.evidence.look(request, call.game_date, record.sent_at)
                rows = None if seen is None or seen.state != "done" else seen.rows
            record = self._end(request, record, "done", rows=rows, execution_id=execution_id)
        return record, finding

    async def _follow(self, request: ServiceRequest, record: CallRecord) -> CallRecord | None:
        """Follow a call to its end; return its record, or None once it is known that it did not happen."""
        limits, clock = self._tools.limits, self._tools.clock
        while True:
            seen, can_tell = await in_daemon_thread(lambda: self._look(request, record))
            if seen is not None and seen.state == "done":
                return await in_daemon_thread(partial(self._finish, request, record, seen))
            if seen is not None and seen.state == "failed":
                await in_daemon_thread(lambda: self._end(request, record, "failed"))
                raise ServiceFailedError(
                    f"{request.what} failed: {seen.error or 'it gave no reason'}",
                    cause=f"So says {seen.where}, run {seen.execution_id}.",
                    next_step=f"See its log: {request.logs}",
                    details={"call": record.facts},
                )
            if seen is None and can_tell is False:
                raise PreconditionError(
                    f"nobody can say whether {request.what} did its work",
                    cause=f"It was called at {record.sent_at:%H:%M:%S} UTC, and there is neither a phase document "
                    "nor a run history to look at.",
                    next_step=f"See its log: {request.logs}. To call it again, run the same command with --force.",
                    details={"call": record.facts},
                )
            silent = (clock.now() - record.sent_at).total_seconds() >= limits.silence
            if seen is None and silent and can_tell:
                await in_daemon_thread(lambda: self._end(request, record, "not_done"))
                return None
            if not self._call.wait:
                raise _still_running(self._call, [record])
            if remaining(limits.poll) <= 0:
                raise TimedOutError(
                    f"{request.what} did not end in time",
                    cause="Every attempt is bounded by the task's timeout in timeouts.yaml.",
                    next_step="Run the same command again: it follows the call.",
                    details={"call": record.facts},
                )
            await clock.sleep_async(limits.poll)

    def _look(self, request: ServiceRequest, record: CallRecord) -> tuple[Sighting | None, bool | None]:
        """Look for a trace; whether that tells anything is None while a place cannot be read."""
        try:
            return self._tools.evidence.look(request, self._call.game_date, record.sent_at)
        except UnavailableError as error:
            _log.warning("%s cannot be followed at the moment: %s", request.what, error.message)
            return None, None

    def _finish(self, request: ServiceRequest, record: CallRecord, seen: Sighting) -> CallRecord:
        return self._end(request, record, "done", rows=seen.rows, execution_id=seen.execution_id)

    def _end(self, request: ServiceRequest, record: CallRecord, state: Any, **known: Any) -> CallRecord:  # noqa: ANN401
        record = self._tools.records.update(record, state, **known)
        with self._lock:
            self._under_way.pop(request.key, None)
        return record

    def _records_of(self, request: ServiceRequest) -> list[CallRecord]:
        with self._lock:
            record = self._under_way.get(request.key)
        return [] if record is None else [record]


def _joined(
    call: TaskCall,
    requests: Sequence[ServiceRequest],
    ended: Sequence[CallRecord | BaseException],
    calls: _Calls,
) -> TaskOutcome:
    """Return the outcome of all calls of a task; raise what kept it from being done."""
    errors = [error for error in ended if isinstance(error, BaseException)]
    for error in errors:
        if not isinstance(error, NbactlError):
            raise error
    records = [record for record in ended if not isinstance(record, BaseException)]
    working = [error for error in errors if isinstance(error, StillRunningError)]
    if working:
        raise working[0] if len(requests) == 1 else _still_running(call, [], len(working))
    if errors:
        raise errors[0] if len(requests) == 1 else _failed(call, requests, ended)
    counted = [record.rows for record in records if record.rows is not None]
    detail = dict(records[-1].facts)
    if len(requests) > 1:
        detail["calls"] = len(requests)
    if calls.warnings:
        detail["warnings"] = list(calls.warnings)
    return TaskOutcome(rows=sum(counted) if counted else None, detail=detail)


def _failed(
    call: TaskCall, requests: Sequence[ServiceRequest], ended: Sequence[CallRecord | BaseException]
) -> NbactlError:
    """Return one error for the calls of a task that failed; those that are done are not made again."""
    failed = [
        (request.item, error) for request, error in zip(requests, ended, strict=True) if isinstance(error, NbactlError)
    ]
    names = ", ".join(item for item, _ in failed[:_NAMED])
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    first = failed[0][1]
    return ServiceFailedError(
        f"{call.task}: {len(failed)} of {len(requests)} calls failed ({names}{more}): {first.message}",
        cause=first.cause,
        next_step=first.next_step,
        retryable=any(error.retryable for _, error in failed),
        details=first.details,
    )


def _still_running(call: TaskCall, records: Sequence[CallRecord], number: int = 1) -> StillRunningError:
    name = call.work.target
    many = max(number, len(records))
    what = f"{name} works on it" if many == 1 else f"{many} calls of {name} are still running"
    facts = records[0].facts if records else {"service": name, "correlation_id": call.correlation_id}
    return StillRunningError(
        what,
        cause="nbactl does not wait for it any longer.",
        details={**facts, **({"calls": many} if many > 1 else {})},
    )


def _headers(request: ServiceRequest, call: TaskCall) -> dict[str, str]:
    """Return the headers that take correlation id, trace and deadline along.

    Without a trace in force the calls of a run get one of their own, derived from its correlation id.
    """
    headers = outgoing_headers()
    if current().trace is None:
        trace_id = hashlib.sha256(call.correlation_id.encode()).hexdigest()[:32]
        span_id = hashlib.sha256(f"{request.key}/{call.run_id}/{call.attempt}".encode()).hexdigest()[:16]
        headers[TRACEPARENT] = Trace(trace_id, span_id, sampled=True).traceparent or ""
    return headers
