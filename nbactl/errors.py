"""The errors of nbactl: what happened, why, what to do next, and which exit code that is.

This module sits below every other one, so that ports and adapters raise what the command line renders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

EXIT_CODES: Final = {
    0: "done, or nothing to do",
    1: "failed: a required task failed, a check found something, or data is inconsistent",
    2: "wrong usage or configuration, or a question that nobody could answer (use --yes)",
    3: "partial: optional tasks failed, or a phase continued at its deadline with part of its data; "
    "or a plan has pending changes (--detailed-exitcode)",
    4: "not found",
    5: "not authorised, or the wrong environment",
    6: "a precondition does not hold: lease held, stale plan, gate refused, upstream phase missing",
    7: "a backend is unavailable after its retries",
    8: "still running when --wait ran out",
    70: "a bug in nbactl; see the crash report",
    130: "interrupted (Ctrl-C); run the same command again to resume",
    143: "terminated (SIGTERM); run the same command again to resume",
}
"""What each exit code of a command means: `nbactl help exit-codes` and docs/contract.md say the same."""


class NbactlError(Exception):
    """A failure that was foreseen where it is raised.

    `code` is stable and meant for programs; `exit_code` is the process exit code (docs/contract.md); `retryable` says
    whether the same call may succeed later without anybody changing anything (transient against permanent).
    """

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        cause: str | None = None,
        next_step: str | None = None,
        retryable: bool | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.next_step = next_step
        self.retryable = self.transient if retryable is None else retryable
        self.details = dict(details or {})


class UsageError(NbactlError):
    """The call itself is wrong: an option, an argument, a combination."""

    code = "usage"
    exit_code = 2


class ConfigError(NbactlError):
    """A configuration file or setting is wrong."""

    code = "config"
    exit_code = 2


class DataError(NbactlError):
    """Input or stored data do not have the shape they must have."""

    code = "data"


class UnsupportedSqlError(DataError):
    """The local warehouse cannot answer the SQL as BigQuery does."""

    code = "unsupported_sql"
    exit_code = 2


class NotFoundError(NbactlError):
    """The named thing does not exist."""

    code = "not_found"
    exit_code = 4


class NotAuthorisedError(NbactlError):
    """The caller may not do this, or not in this environment."""

    code = "not_authorised"
    exit_code = 5


class PreconditionError(NbactlError):
    """A condition of the call does not hold; nothing was changed."""

    code = "precondition"
    exit_code = 6


class AlreadyExistsError(PreconditionError):
    """A document was to be created and is there already."""

    code = "already_exists"


class LeaseHeldError(PreconditionError):
    """Somebody else holds the lease. `details` has `holder` and `expires_at`."""

    code = "lease_held"


class StaleFenceError(PreconditionError):
    """A write carried a fencing token older than the newest one seen, or one that was revoked."""

    code = "stale_fence"


class InProgressError(PreconditionError):
    """Somebody else is doing this very work. `details` has `holder` and `expires_at`; it is worth coming back."""

    code = "in_progress"
    transient = True


class PayloadMismatchError(PreconditionError):
    """A key that was used for one payload came with another: two things were given the same key."""

    code = "payload_mismatch"


class UnavailableError(NbactlError):
    """A backend did not answer, or is busy. `retry_after` is in how many seconds it asked to be called again."""

    code = "unavailable"
    exit_code = 7
    transient = True

    def __init__(
        self,
        message: str,
        *,
        cause: str | None = None,
        next_step: str | None = None,
        retryable: bool | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, cause=cause, next_step=next_step, retryable=retryable, details=details)
        self.retry_after = retry_after


class ContentionError(UnavailableError):
    """A transaction lost against others more often than it may try."""

    code = "contention"


class TimedOutError(UnavailableError):
    """A call used up its time limit or the caller's deadline."""

    code = "timed_out"


class BreakerOpenError(UnavailableError):
    """A circuit breaker refused the call without making it; `retry_after` is when the breaker will try again."""

    code = "breaker_open"


class StillRunningError(NbactlError):
    """The work goes on; waiting for it ran out."""

    code = "still_running"
    exit_code = 8


class DeployFailedError(NbactlError):
    """A change of a service was accepted, but its new revision does not start; the previous one keeps serving."""

    code = "deploy_failed"


class InterruptedRunError(NbactlError):
    """The work was stopped on request and can be resumed. Exit code 130, or 143 after SIGTERM."""

    code = "interrupted"
    exit_code = 130


class CancelledError(NbactlError):
    """The operator answered no. Nothing was changed."""

    code = "cancelled"

    def __init__(self) -> None:
        super().__init__("Cancelled. Nothing was changed.")


class CheckFailedError(NbactlError):
    """A check found something that somebody has to look at."""

    code = "check_failed"


class RunFailedError(NbactlError):
    """A run ended with required tasks that are not done."""

    code = "run_failed"


class PartialRunError(NbactlError):
    """A run did what is required, but not all of it: optional tasks failed."""

    code = "run_partial"
    exit_code = 3


def unforeseen(error: Exception) -> NbactlError:
    """Return an error of any kind as one of ours, so that it can be listed beside others."""
    if isinstance(error, NbactlError):
        return error
    found = NbactlError(f"{type(error).__name__}: {error}", next_step="Report it: this is a bug in nbactl.")
    found.__cause__ = error
    return found
