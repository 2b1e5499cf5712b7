"""The application: the rooms of the composition root under one roof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from nbactl.bootstrap.coordination import Coordination
from nbactl.bootstrap.deployments import DeploymentRoom
from nbactl.bootstrap.failures import FailureRoom
from nbactl.bootstrap.flags import FlagRoom
from nbactl.bootstrap.pipeline import Pipeline
from nbactl.bootstrap.resilience import Resilience
from nbactl.bootstrap.rollouts import RolloutRoom

if TYPE_CHECKING:
    from types import TracebackType

_CLOSED: Final = ("warehouse", "deployed_services", "documents", "sentry")
"""What is closed, in this order: what uses a thing before the thing."""


class Container(Coordination, DeploymentRoom, FailureRoom, RolloutRoom, Pipeline, Resilience, FlagRoom):
    """Everything that one call of nbactl works with. Close it, or use it as a context manager.

    Under `settings.state_dir` lie `documents.db`, `data/<source>/` with `warehouse.duckdb` and `raw/`, `logs/` and
    `crash/`.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened."""
        self.closing.close()
        for name in _CLOSED:
            if (opened := self.__dict__.get(name)) is not None:
                opened.close()
