"""Errors for services: those that the core raises and that a service may raise, so that it imports the core alone.

`retryable` of each says whether the same call may succeed later: retries and push endpoints go by it.
"""

from nbactl.errors import (
    AlreadyExistsError,
    BreakerOpenError,
    ConfigError,
    ContentionError,
    DataError,
    InProgressError,
    LeaseHeldError,
    NbactlError,
    NotAuthorisedError,
    NotFoundError,
    PayloadMismatchError,
    PreconditionError,
    StaleFenceError,
    TimedOutError,
    UnavailableError,
)

__all__ = [
    "AlreadyExistsError",
    "BreakerOpenError",
    "ConfigError",
    "ContentionError",
    "DataError",
    "InProgressError",
    "LeaseHeldError",
    "NbactlError",
    "NotAuthorisedError",
    "NotFoundError",
    "PayloadMismatchError",
    "PreconditionError",
    "StaleFenceError",
    "TimedOutError",
    "UnavailableError",
]
