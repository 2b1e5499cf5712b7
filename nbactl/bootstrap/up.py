"""`nbactl up`: topics and subscriptions, a process for each service, push delivery, and the start of a game date."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from nbactl.adapters.localrun.running import UpState, write_running
from nbactl.bootstrap.date_end import date_end
from nbactl.bootstrap.localrun import make_deployments, split_environment, state_file
from nbactl.bootstrap.logs import make_log_files
from nbactl.bootstrap.topology import create_subscriptions
from nbactl.bootstrap.up_lock import only_one
from nbactl.config.given import given_options
from nbactl.core._support.faults import reach
from nbactl.errors import NbactlError, PreconditionError, UnavailableError
from nbactl.services.deploying import Deployer
from nbactl.services.instance import OWN, LogLine
from nbactl.services.routes import SERVICES
from nbactl.services.supervisor import Supervisor, SupervisorTimings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.adapters.localbus.push import PushDelivery
    from nbactl.adapters.localjobs.runner import LocalJobRunner
    from nbactl.adapters.localrun.records import RevisionRecord
    from nbactl.bootstrap.container import Container
    from nbactl.core._support.gamedate import GameDate


Outcome = Literal["done", "failed", "running", "stopped"]


@dataclass(frozen=True, slots=True)
class UpRequest:
    """What to bring up. Without a date no date is started; `once` ends when the last phase of the date has ended."""

    date: GameDate | None
    once: bool = False
    timeout: float | None = None
    """Seconds that `once` waits."""
    services: tuple[str, ...] = SERVICES


@dataclass(frozen=True, slots=True)
class UpResult:
    """How it ended, and how often services had to be restarted."""

    outcome: Outcome
    restarts: int
    detail: str = ""


class Up:
    """One call of `nbactl up`. `request_stop` may be called from a signal handler."""

    def __init__(self, app: Container, request: UpRequest, emit: Callable[[LogLine], None]) -> None:
        """Starts nothing. Raises PreconditionError where the bus cannot push to this machine."""
        _refuse_public_bus(app)
        self._app = app
        self._request = request
        self._emit = emit
        self._lines: queue.SimpleQueue[LogLine | None] = queue.SimpleQueue()
        self._stopped = False
        self._started_at = app.clock.now()
        self._files = make_log_files(app)
        self._unkept = False
        timeouts = app.config.timeouts
        self._supervisor = Supervisor(
            timings=SupervisorTimings(
                request=timeouts["up.request"],
                restart=timeouts["up.restart"],
                longest_restart=timeouts["up.longest_restart"],
                start=timeouts["up.ready"],
                stop=timeouts["up.stop"],
            ),
            clock=app.clock,
            emit=self._take,
            changed=self._write_state,
        )
        self._environment = split_environment(app)
        self._deployments = make_deployments(app)
        self._deployer = Deployer(
            self._supervisor, self._deployments, command=self._command, environ=self._environment.common
        )
        self._trouble = ""
        """Why the store did not answer at the last step."""

    def request_stop(self) -> None:
        """Stop in an orderly way."""
        self._stopped = True
        self._lines.put(None)

    def run(self) -> UpResult:
        """Bring everything up and stay until it is stopped, or with `once` until the date has ended.

        Raises LeaseHeldError if another process does this on the same state, UnavailableError if a service does not
        start.
        """
        with only_one(self._app), contextlib.closing(self._files), contextlib.ExitStack() as last:
            try:
                _begin_without_array(self._app)
                last.callback(self._stop_services)
                for name in self._request.services:
                    self._deployments.register(name, self._environment.variables, self._environment.secrets)
                    self._supervisor.open(name)
                reach("localrun.registered")
                self._say(f"starting {', '.join(self._request.services)}")
                if not self._until_ready():
                    return self._result("stopped")
                create_subscriptions(self._app, {one.name: one.url for one in self._supervisor.services.values()})
                delivery = _delivery(self._app)
                if delivery is not None:
                    delivery.start()
                    last.callback(self._in_background, delivery.close)
                self._start_jobs(last)
                self._say(f"all services are ready; state in {self._app.settings.state_dir}")
                self._start_date()
                return self._until_end()
            finally:
                self._say("stopping")

    def _until_ready(self) -> bool:
        """Wait until all services are ready; returns False if a stop was requested first."""
        while not self._stopped:
            self._step()
            if self._deployer.is_settled and not self._supervisor.unready():
                return True
            self._show(self._app.config.timeouts["up.poll"] / 2)
        return False

    def _until_end(self) -> UpResult:
        timeouts, clock = self._app.config.timeouts, self._app.clock
        end = clock.monotonic() + (self._request.timeout or timeouts["up.once"])
        while not self._stopped:
            self._step()
            if self._request.once and self._request.date is not None:
                if (ended := date_end(self._app, self._request.date)) is not None:
                    return self._result(*ended)
                if clock.monotonic() > end:
                    return self._result("running", "the time is over")
            self._show(timeouts["up.poll"])
        return self._result("stopped")

    def _step(self) -> None:
        """Bring processes a step closer to what is wanted; a store that is busy is asked again."""
        try:
            self._deployer.step()
        except UnavailableError as error:
            if not error.retryable:
                raise
            if self._trouble != error.message:
                self._say(f"{error.message}: {error.cause}" if error.cause else error.message, "WARNING")
            self._trouble = error.message
        else:
            self._trouble = ""

    def _result(self, outcome: Outcome, detail: str = "") -> UpResult:
        return UpResult(outcome, sum(one.restarts for one in self._supervisor.services.values()), detail)

    def _start_date(self) -> None:
        """Have the collector run phase 1 of the date, in a thread."""
        day = self._request.date
        collector = self._supervisor.services.get("collector")
        if day is None or collector is None:
            return

        def start() -> None:
            from nbactl.services.starting import collect_date

            pause = self._app.config.timeouts["up.restart"]
            collect_date(
                self._app.config.workflows,
                day,
                collector.url,
                timeout=self._app.config.timeouts["task.scraper"],
                pause=lambda: self._app.clock.sleep(pause),
                is_stopped=lambda: self._stopped,
                say=self._say,
            )

        threading.Thread(target=start, name="nbactl-start", daemon=True).start()

    def _start_jobs(self, last: contextlib.ExitStack) -> None:
        """Send the scheduled jobs of this machine while this runs. Without them everything else goes on."""
        if self._app.settings.target != "local":
            return
        from nbactl.bootstrap.jobs import apply_local_jobs, make_job_runner
        from nbactl.core._support.periodic import PeriodicTask

        def address(service: str) -> str | None:
            found = self._supervisor.services.get(service)
            return None if found is None else found.url

        try:
            for line in apply_local_jobs(self._app):
                self._say(line)
        except NbactlError as error:
            self._say(f"jobs are not as declared: {error.message}", "WARNING")
        runner = make_job_runner(self._app, address)
        every = self._app.config.timeouts["scheduler.poll"]
        beat = PeriodicTask("jobs", lambda: _run_due(runner, self._say), lambda: every, every)
        beat.start()
        last.callback(beat.close)

    def _stop_services(self) -> None:
        self._in_background(self._supervisor.stop)
        with contextlib.suppress(FileNotFoundError):
            state_file(self._app).unlink()

    def _in_background(self, work: Callable[[], None]) -> None:
        """Do something that takes a while, and show the log meanwhile."""
        thread = threading.Thread(target=work, name="nbactl-stop", daemon=True)
        thread.start()
        while thread.is_alive():
            self._show(self._app.config.timeouts["up.poll"] / 4)
        self._show(0)

    def _show(self, seconds: float) -> None:
        """Show what comes within this time, and all that is there."""
        end = self._app.clock.monotonic() + seconds
        while True:
            left = end - self._app.clock.monotonic()
            try:
                line = self._lines.get(timeout=left) if left > 0 else self._lines.get_nowait()
            except queue.Empty:
                return
            if line is None:
                return
            self._emit(line)

    def _say(self, message: str, severity: str = "INFO") -> None:
        self._take(LogLine(OWN, severity, message, {"time": self._app.clock.now().isoformat()}))

    def _take(self, line: LogLine) -> None:
        """Keep a line for `nbactl logs`, and show it. Usable from any thread."""
        self._lines.put(line)
        time = line.entry.get("time")
        at = self._app.clock.now() if time is None else datetime.fromisoformat(str(time))
        try:
            revision = line.revision or None
            self._files.append(line.service, line.severity, line.message, line.entry, at=at, revision=revision)
        except OSError as error:
            if not self._unkept:  # said once: a full disk would be said with each line
                self._unkept = True
                text = f"lines of the log are shown, and not kept for `nbactl logs`: {error}"
                self._lines.put(LogLine(OWN, "WARNING", text))

    def _command(self, revision: RevisionRecord, shared: int, own: int) -> Sequence[str]:
        words = ["serve", revision.service, "--fd", str(shared), "--own-fd", str(own), "--until-eof"]
        if (concurrency := revision.settings.get("concurrency")) is not None:
            words += ["--concurrency", str(int(concurrency))]
        words += ["--output", "jsonl", "--quiet"]
        return [sys.executable, "-m", "nbactl", *words, *given_options(self._app.settings)]

    def _write_state(self) -> None:
        services = {name: service.running for name, service in self._supervisor.services.items()}
        date = None if self._request.date is None else str(self._request.date)
        write_running(state_file(self._app), UpState(self._started_at, date, services))


def _run_due(runner: LocalJobRunner, say: Callable[[str, str], None]) -> None:
    try:
        runner.run_due()
    except NbactlError as error:
        say(f"jobs that are due were not sent: {error.message}", "WARNING")


def _delivery(app: Container) -> PushDelivery | None:
    """Return what pushes the messages of the embedded bus; Pub/Sub's emulator does it by itself."""
    from nbactl.bootstrap import local

    return local.push_delivery(app, app.failures) if app.settings.target == "local" else None


def _begin_without_array(app: Container) -> None:
    """Have a new store keep completions as documents from the first batch on: no old program reads it."""
    from nbactl.core._support.aio import Cancellation
    from nbactl.migrations.completions.migration import Caller
    from nbactl.migrations.model import Operator

    if app.settings.target == "local" or app.environ.get("FIRESTORE_EMULATOR_HOST"):
        operator = Operator("nbactl up", "the store was new, with nothing to migrate")
        app.completions_migration.skip_if_empty(Caller(operator, lambda _: None, Cancellation()))


def _refuse_public_bus(app: Container) -> None:
    if app.settings.target == "gcp" and not app.environ.get("PUBSUB_EMULATOR_HOST"):
        raise PreconditionError(
            "`nbactl up` serves on the loopback, where Pub/Sub of Google Cloud cannot push to",
            cause="The target is gcp, and PUBSUB_EMULATOR_HOST is not set.",
            next_step="Use --target local, or set PUBSUB_EMULATOR_HOST to an emulator.",
        )
