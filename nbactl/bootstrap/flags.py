"""Feature flags."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from nbactl.bootstrap.stores import Stores

if TYPE_CHECKING:
    from nbactl.core.flags.store import FlagStore


class FlagRoom(Stores):
    """Feature flags."""

    @cached_property
    def flag_store(self) -> FlagStore:
        """Where the feature flags stand."""
        from nbactl.core.flags.store import FlagStore  # noqa: PLC0415 - loads the hash

        return FlagStore(self.documents, self.clock)
