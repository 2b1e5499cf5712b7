"""The parts of a service of this process; `compose` is the entry point that `nbactl.core.service.service` looks for."""

from __future__ import annotations

import logging
import os
import random
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl import __version__
from nbactl.bootstrap.container import Container
from nbactl.config.loader import config_digest
from nbactl.config.settings import load_settings
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core._support.periodic import PeriodicTask
from nbactl.core.flags import StateCache, on, use
from nbactl.core.observe.context import current
from nbactl.core.observe.event_log import EventLog
from nbactl.core.observe.events import combined
from nbactl.core.observe.failures import Failures, log_failure
from nbactl.core.observe.logging import configure_logging
from nbactl.core.observe.metrics import Metrics, metrics_app
from nbactl.core.service import checks
from nbactl.core.service.health import Health
from nbactl.core.service.probes import Identity, Probes, Reports
from nbactl.core.service.propagation import Propagation
from nbactl.core.service.stopping import GracefulStop, Stopping
from nbactl.core.service.traffic import RequestStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.config.settings import Settings
    from nbactl.core._support.asgi import App
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core._support.interval import Interval
    from nbactl.core.alerts import Alert
    from nbactl.core.flags import Flags
    from nbactl.core.once.idempotency import Idempotency
    from nbactl.core.service.service import TimeLimits

_LOG = logging.getLogger(__name__)
_LEAST_FREE = 64 * 1024 * 1024
"""Bytes of disk without which the local store can soon write nothing more."""


class ServiceContainer(Container):
    """The application of a service: what every call has, and what only a service needs."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.metrics = Metrics()
        super().__init__(settings, hook=self.metrics.hook)
        self.hook = combined(self.hook, EventLog(self.config.timeouts["log.slow"]))

    @property
    def timeouts(self) -> TimeLimits:
        """The limits of timeouts.yaml."""
        return self.config.timeouts

    @cached_property
    def failures(self) -> Failures:
        """Who is told of failures: the log, and whoever else listens."""
        return Failures(log_failure, *self.failure_sinks)

    @cached_property
    def flags(self) -> Flags:
        """The flags as they were last known; from the start of the service on they are refreshed."""
        return self._make_flags(StateCache(self.settings.state_dir / "flags.json"))

    def heeds_mode(self, day: GameDate) -> bool:
        """Say whether execution_mode of workflows.yaml counts for a date: the flag does."""
        return self.flags.on("parallel_config", str(day))

    @cached_property
    def idempotency(self) -> Idempotency:
        """What does a message's work once."""
        return self.idempotency_of(self.name)

    @cached_property
    def health(self) -> Health:
        """How the dependencies are, looked at in the background."""
        timeout = self.config.timeouts["health.check"]
        looked_at = [
            checks.documents(self.documents, timeout),
            checks.breakers(self.policies.breakers, timeout),
            checks.flags(lambda: self.flags.health, timeout),
        ]
        if self.settings.target == "local":
            looked_at.append(checks.disk(self.settings.state_dir, _LEAST_FREE, timeout))
        return Health(looked_at, clock=self.clock, every=self.config.timeouts["health.every"])

    @cached_property
    def outbox_beat(self) -> PeriodicTask:
        """What publishes messages that were left in the outbox, and alerts at once."""
        return self._beat("outbox", self.config.timeouts.interval("outbox.sweep"), self.outbox.sweep)

    @cached_property
    def expiry_beat(self) -> PeriodicTask:
        """What deletes documents that have expired."""
        return self._beat("expiry", self.config.timeouts.interval("expiry.sweep"), self.sweep_expired)

    def _empty_outbox(self) -> None:
        """Send what came last; what does not get through now is for the next process."""
        self.outbox_beat.close()
        self.outbox.sweep()

    def _beat(self, name: str, every: Interval, work: Callable[[], object]) -> PeriodicTask:
        rng = random.SystemRandom()

        def once() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - reported, and tried again at the next beat
                self.failures.report(error, f"background {name}")

        beat = PeriodicTask(name, once, lambda: every.pause(rng), every.seconds)
        self.closing.callback(beat.close)
        return beat

    @cached_property
    def graceful_stop(self) -> GracefulStop:
        """What is done at the end, in this order: what uses a thing before the thing."""
        timeouts = self.config.timeouts
        stop = GracefulStop(
            self.clock,
            finish=timeouts["service.finish_requests"],
            let_go=timeouts["service.let_go"],
            steps=timeouts["service.stop_steps"],
        )
        stop.add("claims", self.idempotency.close)
        stop.add("health checks", self.health.close)
        stop.add("flags", self.flags.close)
        stop.add("outbox", self._empty_outbox)
        stop.add("stores", self.close)
        return stop

    def alert(self, alert: Alert) -> None:
        """Tell the log, and Slack where it is set up, which is done in the background."""
        self.alerts(dispatcher=self.outbox_beat.trigger).send(alert, ("log", "slack"))

    def thread_died(self, args: threading.ExceptHookArgs) -> None:
        """Report what ended a thread: with it ends what it did in the background, and nobody waits for it."""
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            name = "without a name" if args.thread is None else args.thread.name
            self.failures.report(args.exc_value, f"thread {name}")

    def start(self) -> None:
        """Begin what a service does in the background; code that asks `nbactl.core.flags` is answered from here on."""
        threading.excepthook = self.thread_died
        self.flags.start()
        use(self.flags)
        self.metrics.watch_policies(self.policies)
        self.breaker_beat.start()
        self.outbox_beat.start()
        self.expiry_beat.start()
        self.health.start()

    def around(self, app: App) -> App:
        """Return `app` with what stands around every service: probes, graceful stop, context."""
        stop, traffic = self.graceful_stop, RequestStats(self.clock, self.config.timeouts["health.window"])
        identity = Identity(self.name, __version__, config_digest(self.config))
        reports = Reports(identity, self.health, traffic, clock=self.clock, is_stopping=lambda: stop.is_stopping)
        return Probes(
            Stopping(Propagation(app, self.clock, TimeSortedIds(self.clock)), stop),
            reports,
            traffic,
            metrics=metrics_app(self.metrics),
            hook=self.hook,
            clock=self.clock,
        )


def compose(name: str) -> ServiceContainer:
    """Return the parts of the service `name`, as the environment and the files of this folder say."""
    application = ServiceContainer(name, load_settings({}, os.environ, Path()))
    configure_logging(
        service=name,
        version=__version__,
        project=application.settings.project,
        # Of the flags in use, not the application's: to make those may log.
        structured=lambda: on("structured_logging", current().correlation_id),
    )
    return application
