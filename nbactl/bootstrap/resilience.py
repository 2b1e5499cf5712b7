"""What keeps calls and messages safe: call policies, the bus, the outbox, idempotency."""

from __future__ import annotations

import random
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap.flags import FlagRoom
from nbactl.core.ids import TimeSortedIds

if TYPE_CHECKING:
    from nbactl.core.idempotency.keeper import Idempotency
    from nbactl.core.outbox import Outbox
    from nbactl.core.policies import CallPolicies
    from nbactl.ports.bus import MessageBus

_DAY: Final = 86_400.0


class Resilience(FlagRoom):
    """What keeps calls and messages safe: call policies, the bus, the outbox, idempotency."""

    @cached_property
    def policies(self) -> CallPolicies:
        """How each dependency is called, as timeouts.yaml says."""
        from nbactl.core.policies import CallPolicies  # noqa: PLC0415

        return CallPolicies(self.config.timeouts.calls(), clock=self.clock, rng=random.SystemRandom())

    @cached_property
    def bus(self) -> MessageBus:
        """The message bus of the target."""
        self._require_local("the message bus")
        from nbactl.adapters.localbus.bus import LocalBus  # noqa: PLC0415

        return LocalBus(self.documents, self.clock, TimeSortedIds(self.clock))

    @cached_property
    def outbox(self) -> Outbox:
        """What announces changes in the commit that makes them."""
        from nbactl.core.outbox import Outbox  # noqa: PLC0415

        timeouts = self.config.timeouts
        return Outbox(
            self.documents,
            self.bus,
            self.clock,
            redrive_after=timeouts["outbox.redrive"],
            keep=timeouts["outbox.keep"],
        )

    def idempotency_of(self, name: str) -> Idempotency:
        """Return what does work once per key, in the name of the service `name`, for the keys that the flag is on for.

        `dedup.keep` is the least that is kept, for subscriptions and replays; DEDUP_TTL_DAYS may make it more.
        """
        from nbactl.core.holder import is_dead, this_process  # noqa: PLC0415
        from nbactl.core.idempotency.keeper import Idempotency  # noqa: PLC0415
        from nbactl.core.idempotency.record import Terms  # noqa: PLC0415

        lease = self.config.timeouts.leases["message"]
        days = self.flags.parameter("DEDUP_TTL_DAYS", 0)
        keep = max(self.config.timeouts["dedup.keep"], days * _DAY)
        return Idempotency(
            self.documents,
            self.clock,
            TimeSortedIds(self.clock),
            owner=this_process(name),
            terms=Terms(lease=lease.ttl, renew_every=lease.renew_every, keep=keep),
            is_dead=is_dead,
            enabled=lambda key: self.flags.on("idempotency_keys", key),
        )
