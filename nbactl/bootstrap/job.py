"""A command as a Cloud Run job: nobody watches its console, and Cloud Logging reads what it logs."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nbactl import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.bootstrap.container import Container

JOB_VARIABLE: Final = "CLOUD_RUN_JOB"
"""The variable with the name of the job: https://cloud.google.com/run/docs/container-contract#jobs-env-vars."""


@contextmanager
def logged_as_job(app: Container) -> Iterator[bool]:
    """Say whether this is a Cloud Run job, and if so log to standard error in Cloud Logging's shape meanwhile."""
    name = app.environ.get(JOB_VARIABLE)
    if not name:
        yield False
        return
    from nbactl.core.observe.logging.setup import cloud_handler, logging_to

    handler = cloud_handler(sys.stderr, service=name, version=__version__, project=app.settings.project)
    with logging_to(handler):
        yield True
