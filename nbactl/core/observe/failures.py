"""Failures where they end: with cause, context and traceback, sent to sinks (invariant 17).

An error is raised as long as a caller can handle it. Where it is answered, recorded or given up, it becomes
a `Failure` and goes to each sink: the log, and an error tracker if there is one.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.calls.retry import is_transient
from nbactl.core.observe.context import current
from nbactl.core.observe.logging.cloud import plain
from nbactl.core.observe.masking import mask, mask_within
from nbactl.errors import NbactlError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from nbactl.core.observe.context import Trace

_LOG = logging.getLogger("nbactl.failures")
_FRAME: Final = re.compile(r'File "(?:[^"]*[/\\])?([^"/\\]+)", line \d+, in (\S+)')


@frozen
class Failure:
    """A failure that has ended. Secrets are masked in all of it but in `error`.

    `what` failed, as it is called without names of runs or messages, such as `push /predict`; `labels` are those of the
    context it happened in. `error` is there if it happened in this process.
    """

    what: str
    type: str
    message: str
    traceback: str
    retryable: bool
    code: str | None = None
    cause: str | None = None
    next_step: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    trace: Trace | None = None
    error: BaseException | None = field(default=None, repr=False, compare=False)

    @property
    def fingerprint(self) -> str:
        """What failures of one kind share: the type and the functions on the way, not lines and messages."""
        way = _FRAME.findall(self.traceback) or self.what
        import hashlib  # noqa: PLC0415 - most processes have no failure

        return hashlib.sha256(repr((self.type, self.code, way)).encode()).hexdigest()[:16]


Sink = Callable[[Failure], None]
"""Called with a failure in the thread where it ended. It must be quick: what takes time is for a thread of its own."""


class Failures:
    """Sends failures to sinks. A sink that fails is logged, and stops neither the other sinks nor the work."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def report(self, error: BaseException, what: str, **fields: Any) -> Failure:  # noqa: ANN401 - of any kind
        """Report an error that is not handled; `fields` add what helps to understand it."""
        failure = failure_of(error, what, fields)
        self.emit(failure)
        return failure

    def emit(self, failure: Failure) -> None:
        """Send a failure to every sink."""
        for sink in self._sinks:
            try:
                sink(failure)
            except Exception:  # noqa: BLE001 - the work and the other sinks continue
                _LOG.exception("a sink could not take the failure %s", failure.fingerprint)


def failure_of(error: BaseException, what: str, fields: Mapping[str, Any]) -> Failure:
    """Return the failure that an error makes in the present context."""
    context = current()
    ours = (error.code, error.cause, error.next_step) if isinstance(error, NbactlError) else (None, None, None)
    code, cause, next_step = ours
    return Failure(
        what=what,
        type=type(error).__name__,
        message=mask(plain(error)) or type(error).__name__,
        traceback=mask("".join(traceback.format_exception(error))),
        retryable=is_transient(error),
        code=code,
        cause=cause and mask(cause),
        next_step=next_step and mask(next_step),
        labels=context.labels(),
        fields=mask_within(dict(fields)),
        trace=context.trace,
        error=error,
    )


def log_failure(failure: Failure) -> None:
    """Write a failure to the log: as a warning if the work may succeed later, else as an error.

    The details are under `failure` in the record, so that none is mistaken for another field.
    """
    fields = {
        "what": failure.what,
        "type": failure.type,
        "fingerprint": failure.fingerprint,
        "code": failure.code,
        "cause": failure.cause,
        "next": failure.next_step,
        "retryable": failure.retryable,
        **failure.fields,
    }
    extra: dict[str, Any] = {"failure": {name: value for name, value in fields.items() if value is not None}}
    if failure.error is None:
        extra["stack_trace"] = failure.traceback
    level = logging.WARNING if failure.retryable else logging.ERROR
    _LOG.log(level, "%s failed: %s", failure.what, failure.message, exc_info=failure.error, extra=extra)


LOGGED: Final = Failures(log_failure)
"""Failures that go to the log alone."""
