"""Feature flags."""

from __future__ import annotations

import random
from functools import cached_property, partial
from typing import TYPE_CHECKING

from nbactl.bootstrap.stores import Stores
from nbactl.ports.documents import Watchable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core.flags.client import Flags
    from nbactl.core.flags.store import FlagStore, StateCache
    from nbactl.ports.documents import DocumentStore, Subscription


class FlagRoom(Stores):
    """Feature flags."""

    @cached_property
    def flag_store(self) -> FlagStore:
        """Where the feature flags stand."""
        from nbactl.core.flags.store import FlagStore  # noqa: PLC0415 - loads the hash

        return FlagStore(self.documents, self.clock)

    @cached_property
    def flags(self) -> Flags:
        """The flags as they are when a command first asks for one. Raises UnavailableError without the store."""
        flags = self._make_flags(None)
        flags.refresh()
        return flags

    def _make_flags(self, cache: StateCache | None) -> Flags:
        from nbactl.core.flags.client import Flags  # noqa: PLC0415 - loads the hash

        return Flags(
            self.config.flags.definitions(),
            self.flag_store.read,
            environ=self._environ,
            clock=self.clock,
            rng=random.SystemRandom(),
            every=self.config.timeouts.interval("flags.refresh"),
            cache=cache,
            watch=self._watch_of(self._engine),
        )

    def _watch_of(self, documents: DocumentStore) -> Callable[[Callable[[], None]], Subscription] | None:
        """Return what tells of changed flags, None where the store cannot."""
        if not isinstance(documents, Watchable):
            return None
        from nbactl.core.flags.store import COLLECTION  # noqa: PLC0415 - loads the hash

        return partial(documents.watch, COLLECTION, renew=self.config.timeouts["flags.watch"])
