"""The container of a service; `compose` is what `nbactl.core.service.open_service` calls."""

from __future__ import annotations

import logging
import os
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbactl import __version__
from nbactl.bootstrap.container import Container
from nbactl.bootstrap.flags import make_flags
from nbactl.config.loader import config_digest
from nbactl.config.settings import load_settings
from nbactl.core._support.ids import TimeSortedIds
from nbactl.core._support.periodic import PeriodicTask
from nbactl.core.completions.participants import SERVICE_VARIABLE
from nbactl.core.flags import StateCache, on, use
from nbactl.core.observe.context import current
from nbactl.core.observe.daily_counts import DUPLICATES, DailyCounts, duplicates_counted
from nbactl.core.observe.events import EventLog, combined
from nbactl.core.observe.failures import Failures, log_failure
from nbactl.core.observe.logging import configure_logging
from nbactl.core.observe.metrics import Metrics, metrics_app
from nbactl.core.service.health import Check, Health, breakers_check, documents_check, flags_check
from nbactl.core.service.limits import ConcurrencyLimit
from nbactl.core.service.probes import Identity, Probes, Reports, RequestStats
from nbactl.core.service.propagation import Propagation
from nbactl.core.service.stopping import GracefulStop, Stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.config.settings import Settings
    from nbactl.core._support.aio import App
    from nbactl.core._support.clock import Clock
    from nbactl.core._support.durations import Interval
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.flags import Flags
    from nbactl.core.once.idempotency import Idempotency
    from nbactl.core.service.service import TimeLimits
    from nbactl.ports.alerts import Alert

_LOG = logging.getLogger(__name__)
_CONCURRENCY: Final = 80
"""Requests at the same time, as Cloud Run sends an instance by default.

https://cloud.google.com/run/docs/about-concurrency
"""


class ServiceContainer(Container):
    """The container of a service: what every call has, and what only a service needs."""

    concurrency: int = _CONCURRENCY
    """How many requests are worked on at the same time; more are answered 503."""
    identity: Callable[[App], App] | None = None
    """What lets only known accounts in, wrapped around an app; None on loopback."""

    def __init__(
        self, name: str, settings: Settings, *, clock: Clock | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.command = name, "serve"
        self.metrics = Metrics()
        super().__init__(settings, clock=clock, environ=environ, hook=self.metrics.hook)
        self.participant = self.environ.get(SERVICE_VARIABLE) or name
        self.duplicates = DailyCounts(DUPLICATES, lambda: self.documents, self.clock)
        self.hook = combined(self.hook, EventLog(self.config.timeouts["log.slow"]), duplicates_counted(self.duplicates))
        self.checks: list[Check] = []
        """Checks of this service beside those of every service. Add to it before the service starts."""
        self._background: list[PeriodicTask] = []

    @property
    def timeouts(self) -> TimeLimits:
        """The limits of timeouts.yaml."""
        return self.config.timeouts

    @cached_property
    def failures(self) -> Failures:
        """Where failures are reported: the log, and the same as for a command."""
        return Failures(log_failure, *self.failure_sinks)

    @cached_property
    def flags(self) -> Flags:
        """The flags as they were last known; from the start of the service on they are refreshed."""
        return make_flags(self, StateCache(self.settings.state_dir / "flags.json"))

    def mode_applies(self, day: GameDate) -> bool:
        """Say whether execution_mode of workflows.yaml applies to a date: where the flag is on."""
        return self.flags.on("parallel_config", str(day))

    @cached_property
    def idempotency(self) -> Idempotency:
        """What does a message's work once."""
        return self.idempotency_of(self.name)

    @cached_property
    def health(self) -> Health:
        """The health of the dependencies, checked in the background."""
        timeout = self.config.timeouts["health.check"]
        every_target = [
            documents_check(self.documents, timeout),
            breakers_check(self.policies.breakers, timeout),
            flags_check(lambda: self.flags.health, timeout),
        ]
        return Health(
            [*every_target, *self.target.health_checks(self), *self.checks],
            clock=self.clock,
            every=self.config.timeouts["health.every"],
        )

    @cached_property
    def outbox_beat(self) -> PeriodicTask:
        """What publishes messages that were left in the outbox, and alerts at once."""
        return self._beat("outbox", self.config.timeouts.interval("outbox.sweep"), self.outbox.sweep)

    @cached_property
    def expiry_beat(self) -> PeriodicTask:
        """What deletes documents that have expired, and adds what was counted."""
        return self._beat("expiry", self.config.timeouts.interval("expiry.sweep"), self._sweep)

    def _sweep(self) -> None:
        self.duplicates.flush()
        self.sweep_expired()

    def in_background(self, name: str, every: Interval, work: Callable[[], object]) -> PeriodicTask:
        """Have `work` called every so often from the start of the service to its end; a failure is reported."""
        beat = self._beat(name, every, work)
        self._background.append(beat)
        return beat

    def _close_background(self) -> None:
        for beat in self._background:
            beat.close()

    def _empty_outbox(self) -> None:
        """Send the last messages; what does not get through now is left to the next process."""
        self.outbox_beat.close()
        self.outbox.sweep(within=self.config.timeouts["service.let_go"])

    def _beat(self, name: str, every: Interval, work: Callable[[], object]) -> PeriodicTask:
        def once() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - reported, and tried again at the next turn
                self.failures.report(error, f"background {name}")

        beat = PeriodicTask(name, once, lambda: every.pause(self.rng), every.seconds)
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
        stop.add("background", self._close_background)
        stop.add("claims", self.idempotency.close)
        stop.add("health checks", self.health.close)
        stop.add("flags", self.flags.close)
        stop.add("outbox", self._empty_outbox)
        stop.add("counts", self.duplicates.flush)
        stop.add("stores", self.close)
        return stop

    def alert(self, alert: Alert) -> None:
        """Write an alert to the log, and send it to Slack in the background where that is set up."""
        self.alerts(dispatcher=self.outbox_beat.trigger).send(alert, ("log", "slack"))

    def thread_died(self, args: threading.ExceptHookArgs) -> None:
        """Report the error that ended a thread: its background work has ended too, and nobody waits for it."""
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            name = "without a name" if args.thread is None else args.thread.name
            self.failures.report(args.exc_value, f"thread {name}")

    def start(self) -> None:
        """Start the background work; from here on `nbactl.core.flags` answers from the flags of this service."""
        threading.excepthook = self.thread_died
        self.flags.start()
        use(self.flags)
        self.metrics.watch_policies(self.policies)
        self.breaker_beat.start()
        self.outbox_beat.start()
        self.expiry_beat.start()
        for beat in self._background:
            beat.start()
        self.health.start()

    def around(self, app: App) -> App:
        """Return `app` wrapped in what every service has: probes, graceful stop, context."""
        stop, traffic = self.graceful_stop, RequestStats(self.clock, self.config.timeouts["health.window"])
        identity = Identity(self.name, __version__, config_digest(self.config))
        reports = Reports(identity, self.health, traffic, clock=self.clock, is_stopping=lambda: stop.is_stopping)
        limited = ConcurrencyLimit(app, self.concurrency)
        known = limited if self.identity is None else self.identity(limited)
        return Probes(
            Stopping(Propagation(known, self.clock, TimeSortedIds(self.clock)), stop),
            reports,
            traffic,
            metrics=metrics_app(self.metrics),
            hook=self.hook,
            clock=self.clock,
        )


def compose(name: str) -> ServiceContainer:
    """Return the container of the service `name`, as the environment and the files of this folder say."""
    app = ServiceContainer(name, load_settings({}, os.environ, Path()))
    log_service(app)
    return app


def log_service(app: ServiceContainer, *, structured: bool = False) -> None:
    """Have this process log as a service does: JSON if `structured`, else where the flag says so."""
    configure_logging(
        service=app.name,
        version=__version__,
        project=app.settings.project,
        # Of the flags in use, not the container's: making those may log.
        structured=lambda: structured or on("structured_logging", current().correlation_id),
    )
