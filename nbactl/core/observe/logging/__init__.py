"""Structured logging on the standard library: JSON in Cloud Logging's shape for programs, lines for people.

A record names its run, task and game date (`core.context`) without the caller's help; what a caller passes in `extra=`
is added to the record.
"""

from nbactl.core.observe.logging.cloud import SEVERITIES, CloudFormatter, severity_of
from nbactl.core.observe.logging.setup import (
    HumanFormatter,
    RunLogHandler,
    configure_logging,
    logging_to,
    readable,
    run_log_path,
    stream_handler,
)
from nbactl.core.observe.masking import mask, mask_value

__all__ = [
    "SEVERITIES",
    "CloudFormatter",
    "HumanFormatter",
    "RunLogHandler",
    "configure_logging",
    "logging_to",
    "mask",
    "mask_value",
    "readable",
    "run_log_path",
    "severity_of",
    "stream_handler",
]
