"""What a service shows of itself."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap.stores import Stores
from nbactl.core.events import combined

if TYPE_CHECKING:
    from nbactl.core.metrics import Metrics

_TOLD: Final = ("documents", "warehouse", "completions")
"""What is given the hook when it is made."""


class Observability(Stores):
    """What a service shows of itself."""

    @cached_property
    def metrics(self) -> Metrics:
        """The metrics of this process. Asking for them begins the counting, so ask first of all.

        Commands do not ask: they are gone before anybody scrapes them, and do without the client of Prometheus.
        """
        if made := [name for name in _TOLD if name in self.__dict__]:
            raise RuntimeError(f"{' and '.join(made)} would not be counted: ask for the metrics before")
        from nbactl.core.metrics import Metrics  # noqa: PLC0415

        metrics = Metrics()
        self.hook = combined(self.hook, metrics.hook)
        return metrics
