"""What makes calls and messages survive: call policies, breakers that know of each other, idempotency, outbox."""

from __future__ import annotations

import logging
import random
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap.flags import FlagRoom
from nbactl.core._support.ids import TimeSortedIds
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.core.alerts import AlertChannel, Alerts
    from nbactl.core.calls.policies import CallPolicies
    from nbactl.core.calls.shared_breakers import BreakerSync, SharedBreakers
    from nbactl.core.once.idempotency import Idempotency
    from nbactl.core.outbox.outbox import Outbox
    from nbactl.ports.bus import MessageBus

_DAY: Final = 86_400.0

_LOG = logging.getLogger(__name__)


class Resilience(FlagRoom):
    """What makes calls and messages survive: call policies, breakers that know of each other, idempotency, outbox."""

    @cached_property
    def policies(self) -> CallPolicies:
        """How each dependency is called."""
        from nbactl.core.calls.policies import CallPolicies  # noqa: PLC0415

        return CallPolicies(self.config.timeouts.calls(), clock=self.clock, rng=random.SystemRandom(), hook=self.hook)

    @cached_property
    def shared_breakers(self) -> SharedBreakers:
        """What processes tell one another of their breakers."""
        from nbactl.core.calls.shared_breakers import SharedBreakers  # noqa: PLC0415

        return SharedBreakers(self.documents, self.clock)

    @cached_property
    def breaker_beat(self) -> BreakerSync:
        """What keeps the breakers of `policies` in step with other processes once it is started."""
        from nbactl.core.calls.shared_breakers import BreakerSync  # noqa: PLC0415

        beat = BreakerSync(
            self.shared_breakers,
            lambda: list(self.policies.breakers.values()),
            every=self.config.timeouts.interval("breakers.sync"),
            rng=random.SystemRandom(),
        )
        self.closing.callback(beat.close)
        return beat

    @cached_property
    def bus(self) -> MessageBus:
        """The message bus of the target."""
        self._require_local("the message bus")
        from nbactl.adapters.localbus.bus import LocalBus  # noqa: PLC0415

        return LocalBus(self.documents, self.clock, TimeSortedIds(self.clock))

    @cached_property
    def outbox(self) -> Outbox:
        """What announces changes: messages that are committed with them."""
        from nbactl.core.alerts import AlertBus, RoutedBus, channel_of  # noqa: PLC0415
        from nbactl.core.outbox.outbox import Outbox  # noqa: PLC0415

        def reaches(topic: str) -> bool:
            channel = channel_of(topic)
            return self.settings.target == "local" if channel is None else channel in self.alert_channels

        timeouts = self.config.timeouts
        bus = RoutedBus(AlertBus(self.alert_channels), lambda: self.bus)
        return Outbox(
            self.documents,
            bus,
            self.clock,
            redrive_after=timeouts["outbox.redrive"],
            keep=timeouts["outbox.keep"],
            reaches=reaches,
            hook=self.hook,
        )

    @cached_property
    def alert_channels(self) -> Mapping[str, AlertChannel]:
        """The channels of alerts outside of this process, by name. One that is set up wrongly is left out and logged.

        No run and no service stops because nobody could be told of it; `nbactl doctor` refuses it.
        """
        from nbactl.adapters.slack.channel import VARIABLE  # noqa: PLC0415

        url = self._environ.get(VARIABLE)
        if not url:
            return {}
        from nbactl.adapters.slack.channel import SlackChannel  # noqa: PLC0415 - loads what is called through it
        from nbactl.core.alerts import InstrumentedChannel  # noqa: PLC0415

        try:
            slack = SlackChannel(url, self.policies["slack"], timeout=self.config.timeouts["alert.slack"])
        except ConfigError as error:
            _LOG.warning("no alert goes to Slack: %s. %s", error.message, error.cause)
            return {}
        return {"slack": InstrumentedChannel("slack", slack, self.hook)}

    def alerts(self, console: AlertChannel | None = None, dispatcher: Callable[[], object] | None = None) -> Alerts:
        """Return what sends alerts; `console` is the channel to who watches this process, if somebody does.

        `dispatcher` sends for who delivers what is in the outbox, if somebody does in the background.
        """
        from nbactl.core.alerts import Alerts, LogChannel  # noqa: PLC0415

        direct: dict[str, AlertChannel] = {"log": LogChannel()}
        if console is not None:
            direct["console"] = console

        return Alerts(
            self.documents,
            self.outbox,
            self.clock,
            direct=direct,
            kept=self.alert_channels,
            window=self.config.timeouts["alert.window"],
            patience=self.config.timeouts["alert.patience"],
            dispatcher=dispatcher,
            hook=self.hook,
        )

    def sweep_expired(self) -> int:
        """Delete what has expired, and return how many documents; Firestore's TTL policies do that by themselves."""
        from nbactl.core.outbox.expiry import EXPIRING, sweep_expired  # noqa: PLC0415

        if self.settings.target != "local":
            return 0
        return sum(sweep_expired(self.documents, collection, self.clock) for collection in EXPIRING)

    def idempotency_of(self, owner: str) -> Idempotency:
        """Return what does work once per key that the flag is on for; it is closed with the application.

        `owner` names the process. `dedup.keep` is the least that is kept, for subscriptions and replays;
        DEDUP_TTL_DAYS may make it more.
        """
        from nbactl.core.lease.holder import is_dead, process_owner  # noqa: PLC0415
        from nbactl.core.once.claim import ClaimSettings  # noqa: PLC0415
        from nbactl.core.once.idempotency import Idempotency  # noqa: PLC0415

        timeouts = self.config.timeouts
        lease = timeouts.leases["message"]
        keep = max(timeouts["dedup.keep"], self.flags.parameter("DEDUP_TTL_DAYS", 0) * _DAY)
        keeper = Idempotency(
            self.documents,
            self.clock,
            TimeSortedIds(self.clock),
            owner=process_owner(owner),
            terms=ClaimSettings(lease=lease.ttl, renew_every=lease.renew_every, keep=keep),
            is_dead=is_dead,
            enabled=lambda key: self.flags.on("idempotency_keys", key),
            hook=self.hook,
        )
        self.closing.callback(keeper.close)
        return keeper
