"""Who is told of failures beside the log."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from nbactl import __version__
from nbactl.bootstrap.stores import Stores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.adapters.sentry.sink import SentrySink
    from nbactl.core.observe.failures import Failures, Sink


class FailureRoom(Stores):
    """Who is told of failures beside the log."""

    name: str = "nbactl"
    """What failures are reported in the name of."""

    @cached_property
    def failures(self) -> Failures:
        """Who is told of failures that the log has already, such as those of tasks."""
        from nbactl.core.observe.failures import Failures  # noqa: PLC0415

        return Failures(*self.failure_sinks)

    @property
    def failure_sinks(self) -> Sequence[Sink]:
        """Who listens beside the log. Raises ConfigError for an address that is none, or a client that is missing."""
        return () if self.sentry is None else (self.sentry,)

    @cached_property
    def sentry(self) -> SentrySink | None:
        """Sentry, if NBACTL_SENTRY_DSN says where it is."""
        dsn = self._environ.get("NBACTL_SENTRY_DSN")
        if not dsn:
            return None
        from nbactl.adapters.sentry.sink import SentrySink  # noqa: PLC0415

        return SentrySink(
            dsn,
            service=self.name,
            version=__version__,
            environment=self.settings.project or self.settings.target,
            send=self.config.timeouts["failures.send"],
            flush=self.config.timeouts["failures.flush"],
        )
