"""Find what did not happen, and have it repaired."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from nbactl.bootstrap.healing import make_healer
from nbactl.cli.ask import Question, operator, proceed
from nbactl.cli.run.command import run
from nbactl.core._support.aio import Cancellation
from nbactl.core.alerts import TextChannel, said_once
from nbactl.errors import CheckFailedError, InterruptedRunError, NbactlError, NotFoundError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core._support.gamedate import GameDate
    from nbactl.healing.healer import HealPlan
    from nbactl.healing.model import Case
    from nbactl.ports.alerts import Alert
    from nbactl.workflows.model import RunReport, RunRequest

_CHANNELS: Final = ("console", "log", "slack")
_WAITING: Final = 3
_TERMINATED: Final = 143
_STATES: Final = ("planned", "healed", "failed", "waiting", "stopped")
BY_HEALER: Final = "heal"
"""Who an automatic repair is by."""


@frozen
class HealRequest:
    """What to heal: of one date, or of the last ones. `auto` never asks, and leaves kinds that are not safe alone."""

    date: GameDate | None = None
    auto: bool = False
    dry_run: bool = False


@frozen
class HealReport:
    """What was found, and what became of it. In a dry run nothing was repaired.

    `stopped` is the signal after which nothing more was repaired.
    """

    request: HealRequest
    plan: HealPlan
    cases: tuple[Case, ...]
    stopped: str | None = None

    @property
    def summary(self) -> dict[str, int]:
        """How many cases are in each state."""
        counts = Counter(case.state for case in self.cases)
        return {state: counts[state] for state in _STATES}

    @property
    def error(self) -> NbactlError | None:
        """Why not everything is well, as far as that is an error: a final stop, a failure, what could not be seen."""
        if self.stopped is not None:
            words = ["nbactl heal", *(["--auto"] if self.request.auto else [])]
            words += [] if self.request.date is None else [f"--date {self.request.date}"]
            message = "terminated" if self.stopped == "SIGTERM" else "interrupted"
            return InterruptedRunError(message, next_step=f"The same command carries on: {' '.join(words)}")
        bad = [case for case in self.cases if case.state in {"stopped", "failed"}]
        if bad:
            stopped = sum(case.state == "stopped" for case in bad)
            return CheckFailedError(
                f"{len(bad)} faults are not healed" if len(bad) > 1 else f"{bad[0].fault.name} is not healed",
                cause=f"{stopped} of them are at their final stop." if stopped else bad[0].reason,
                next_step=f"By hand: {bad[0].fault.by_hand}",
            )
        unknown = self.plan.unknown if self.request.date is not None and not self.cases else ()
        if unknown and not self.plan.failed:
            return NotFoundError(
                f"nothing is known of {unknown[0]}",
                cause="Neither the schedule nor any run covers it.",
                next_step="Choose another --date, or give a --source that has it.",
            )
        return next(iter(self.plan.failed.values()), None)

    @property
    def exit_code(self) -> int:
        """0 if all is healed, 1 for a final stop or a failure, 3 if some remain with budget left; not in a dry run.

        4 if nobody knows of the date, 130 or 143 if it was stopped.
        """
        if self.stopped == "SIGTERM":
            return _TERMINATED
        if self.error is not None:
            return self.error.exit_code
        return _WAITING if self.summary["waiting"] and not self.request.dry_run else 0


def heal(
    app: Container,
    request: HealRequest,
    *,
    confirm: Confirm = proceed,
    announce: Callable[[str], None] | None = None,
    report: Callable[[Case], None] = lambda _: None,
    cancellation: Cancellation | None = None,
) -> HealReport:
    """Find faults, and repair those whose turn it is; `report` gets each case as it ends.

    A cancelled one ends after the repair that is under way. Raises ConfigError where workflows.yaml declares nothing to
    heal.
    """
    cancellation = cancellation or Cancellation()
    alerts = app.alerts(None if announce is None else TextChannel(announce))

    def send(alert: Alert) -> None:
        alerts.send(alert, _CHANNELS if announce is None else said_once(_CHANNELS))

    def execute(wanted: RunRequest) -> RunReport:
        return run(app, wanted, announce=announce, cancellation=cancellation)

    by = BY_HEALER if request.auto else operator()
    healer = make_healer(app, alert=send, execute=execute, by=by)
    plan = healer.look(request.date, auto=request.auto)
    if request.dry_run:
        return HealReport(request, plan, plan.cases)
    if plan.planned and not request.auto:
        lines = tuple(f"{case.fault.name}: {case.fault.plan}" for case in plan.planned)
        confirm(Question(f"Repair {count(len(lines))}?", lines))
    cases: list[Case] = []
    repairs = healer.heal(plan, by)
    while not cancellation.requested and (case := next(repairs, None)) is not None:
        report(case)
        cases.append(case)
    if cancellation.requested:
        return HealReport(request, plan, (*cases, *plan.cases[len(cases) :]), cancellation.reason)
    return HealReport(request, plan, tuple(cases))


def count(number: int) -> str:
    """Return `1 fault`, `3 faults`."""
    return f"{number:,} fault{'' if number == 1 else 's'}"
