"""What each kind of alert rule looks at, and of which subjects its condition holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Final

from nbactl.core._support.durations import format_duration
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import ConfigError, DataError
from nbactl.frozen import frozen
from nbactl.outputs.model import WRONG, OutputState
from nbactl.reporting.runs import without_idle

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from nbactl.config.alert_rules import AlertRule
    from nbactl.core.season.idle import IdleDates
    from nbactl.outputs.model import Grid, Output
    from nbactl.ports.warehouse import WarehouseJob
    from nbactl.reporting.runs import Ran, RanRun
    from nbactl.rollouts.health import ServiceHealth
    from nbactl.rollouts.model import Rollout

_SHOWN: Final = 3
_DAY: Final = timedelta(days=1)
_MOST_DATES: Final = 60
"""How far back open conditions of dates are looked at again."""
_LEAST_BYTES: Final = 10 * 2**30
"""A day is not dear for less above the median: six cents."""


LASTING: Final = ("health", "rollout", "services", "jobs")
"""The conditions of which `window` says how long they must last."""


class TooFew(Exception):  # noqa: N818 - an outcome
    """There is too little to judge from."""

    def __init__(self, sample: int, minimum: int, what: str) -> None:
        super().__init__(f"{sample:,} of the {minimum:,} {what} that a verdict needs")
        self.sample = sample


class NotApplicable(Exception):  # noqa: N818 - as above
    """There is nothing of that kind here, such as jobs of BigQuery on this machine."""


@frozen
class Judged:
    """What a rule found: titles by subject. Of the `unseen` subjects nothing was found out."""

    findings: Mapping[str, str]
    why: str
    value: float | None
    sample: int
    unseen: frozenset[str] = frozenset()


@frozen
class ServicesSeen:
    """The declared services: how many there are, and of those that are not as they should be what is wrong."""

    declared: int
    wrong: Mapping[str, str]
    warnings: Sequence[str] = ()


@frozen
class JobsSeen:
    """The scheduled jobs: how many are declared or there, and what is wrong with some of them."""

    total: int
    wrong: Mapping[str, str]


@frozen
class Sources:
    """Where facts come from. Each raises what its backend raises.

    `health` is None where there are services and nothing says where, `jobs` None on a target without such a history,
    `services` None on a target where nothing is deployed, `scheduled` None on one without a scheduler.
    """

    ran: Callable[[datetime, datetime], Ran]
    idle: Callable[[], IdleDates]
    grid: Callable[[GameDate, GameDate], Grid]
    jobs: Callable[[datetime, datetime], Iterable[WarehouseJob]] | None
    health: Callable[[], Sequence[ServiceHealth] | None]
    rollouts: Callable[[], tuple[Sequence[Rollout], Mapping[str, str]]]
    services: Callable[[], ServicesSeen] | None
    scheduled: Callable[[], JobsSeen] | None = None


class Facts:
    """What is known at a moment. Each fact is read once, when a rule first asks for it, for the longest window."""

    def __init__(self, sources: Sources, now: datetime, longest: timedelta) -> None:
        self.now = now
        self.sources = sources
        self.warnings: list[str] = []
        self._longest = longest

    @cached_property
    def _runs(self) -> Sequence[RanRun]:
        ran = self.sources.ran(self.now - self._longest, self.now)
        self.warnings += [f"alert rules: {text}" for text in ran.warnings]
        dates = sorted({run.game_date for run in ran.runs})
        return without_idle(ran.runs, self.sources.idle().idle(dates) if dates else {})

    def runs(self, window: float) -> list[RanRun]:
        """Return the runs of the last `window` seconds whose dates have games."""
        since = self.now - timedelta(seconds=window)
        return [run for run in self._runs if run.started_at >= since]


Judge = Callable[["AlertRule", Facts, "Collection[str]"], Judged]
"""Judges a rule by the facts; the last argument are the subjects of which the condition is known to hold."""


def failure_rate(rule: AlertRule, facts: Facts, _: Collection[str]) -> Judged:
    """Judge which share of the runs failed."""
    ended = [run for run in facts.runs(rule.window) if run.ended]
    failed = [run for run in ended if run.failed]
    _enough(len(ended), rule, "runs")
    names = _listed(f"{run.name} {run.game_date}" for run in failed)
    return _share(rule, len(failed), len(ended), "runs failed", names)


def error_spike(rule: AlertRule, facts: Facts, _: Collection[str]) -> Judged:
    """Judge which share of the attempts of tasks failed."""
    tasks = [task for run in facts.runs(rule.window) for task in run.tasks]
    attempts, failed = sum(task.attempts for task in tasks), sum(task.failed_attempts for task in tasks)
    _enough(attempts, rule, "attempts")
    worst: dict[str, int] = {}
    for task in tasks:
        if task.failed_attempts:
            worst[task.name] = worst.get(task.name, 0) + task.failed_attempts
    names = _listed(f"{name} {worst[name]}" for name in sorted(worst, key=lambda name: (-worst[name], name)))
    return _share(rule, failed, attempts, "attempts of tasks failed", names)


def cost_anomaly(rule: AlertRule, facts: Facts, _: Collection[str]) -> Judged:
    """Judge how much more bytes were billed in the last 24 hours than in the median 24 hours of the window before."""
    if facts.sources.jobs is None:
        raise NotApplicable("this target keeps no history of what queries cost")
    days = max(1, round(rule.window / 86_400))
    billed = [0] * (days + 1)
    for job in facts.sources.jobs(facts.now - (days + 1) * _DAY, facts.now):
        ago = int((facts.now - job.created_at) / _DAY)
        if 0 <= ago <= days:
            billed[ago] += job.bytes_billed
    before = [total for total in billed[1:] if total]
    _enough(len(before), rule, "days with jobs")
    usual = median(before)
    increase = (billed[0] - usual) / usual
    sizes = f"{_gib(billed[0])} billed in 24 hours, {_gib(usual)} is the median of {len(before)} days"
    if increase <= rule.above or billed[0] - usual < _LEAST_BYTES:
        return Judged({}, sizes, increase, len(before))
    return Judged({"": f"BigQuery costs {1 + increase:.1f} times the usual: {sizes}"}, sizes, increase, len(before))


def health(rule: AlertRule, facts: Facts, _: Collection[str]) -> Judged:
    """Judge which share of the services is not healthy."""
    services = facts.sources.health()
    if services is None:
        raise ConfigError("no service is known: set NBACTL_HEALTH_URLS")
    if not services:
        raise NotApplicable("no service is deployed on this target, and NBACTL_HEALTH_URLS names none")
    _enough(len(services), rule, "services")
    bad = [service for service in services if not service.green]
    names = _listed(f"{service.name} ({service.detail})" for service in bad)
    return _share(rule, len(bad), len(services), "services are not healthy", names)


def rollout(rule: AlertRule, facts: Facts, _: Collection[str]) -> Judged:
    """Judge which share of the open rollouts is paused, or has baked and does not advance."""
    rollouts, unreadable = facts.sources.rollouts()
    if unreadable:
        raise DataError(next(iter(unreadable.values())))
    under_way = [one for one in rollouts if one.is_open]
    if not under_way:
        return Judged({}, "no rollout is under way", 0.0, 0)
    _enough(len(under_way), rule, "rollouts")
    stuck = {
        one.key: "is paused" if one.status.value == "paused" else "has baked, and does not advance"
        for one in under_way
        if one.status.value == "paused" or facts.now >= one.bakes_until
    }
    why = f"{len(stuck)} of {len(under_way)} rollouts are paused or overdue"
    share = len(stuck) / len(under_way)
    titles = {key: f"the rollout of {key} {what}" for key, what in stuck.items()}
    return Judged(titles if share > rule.above else {}, why, share, len(under_way))


def late_outputs(rule: AlertRule, facts: Facts, known: Collection[str]) -> Judged:
    """Judge for each date which share of its required outputs is missing, failed or late; known ones are seen again."""
    last = GameDate.of(facts.now)
    first = GameDate.of(facts.now - timedelta(seconds=rule.window))
    oldest = last.plus(-_MOST_DATES)
    dates = {subject: GameDate(date.fromisoformat(subject)) for subject in known}
    first = min([first, *(day for day in dates.values() if day >= oldest)])
    grid = facts.sources.grid(first, last)
    facts.warnings += [f"alert rules: {text}" for text in grid.warnings]
    by_date: dict[GameDate, list[Output]] = {}
    for output in grid.outputs:
        if output.required and output.state is not OutputState.EXPECTED:
            by_date.setdefault(output.game_date, []).append(output)
    unseen = frozenset(subject for subject, day in dates.items() if day < oldest)
    total = sum(len(outputs) for outputs in by_date.values())
    if not by_date:
        return Judged({}, f"nothing was due from {first} to {last}", 0.0, 0, unseen)
    judged = {day: outputs for day, outputs in by_date.items() if len(outputs) >= rule.minimum}
    if not judged:
        _enough(max(map(len, by_date.values())), rule, "outputs of a date")
    findings, worst = {}, 0.0
    for day, outputs in judged.items():
        wrong = [output for output in outputs if output.state in WRONG]
        worst = max(worst, len(wrong) / len(outputs))
        if len(wrong) / len(outputs) > rule.above:
            names = _listed(f"{output.phase} {output.name} {output.state.value}" for output in wrong)
            findings[str(day)] = f"{len(wrong)} of {len(outputs)} outputs of {day} are not there: {names}"
    why = f"{len(findings)} of {len(by_date)} dates lack outputs that were due ({total:,} outputs)"
    return Judged(findings, why, worst, total, unseen)


def services(rule: AlertRule, facts: Facts, _: Collection[str]) -> Judged:
    """Judge which share of the declared services is not as it should be; each one is a subject of its own."""
    if facts.sources.services is None:
        raise NotApplicable("no service is deployed on this target")
    seen = facts.sources.services()
    facts.warnings += [f"alert rules: {text}" for text in seen.warnings]
    _enough(seen.declared, rule, "services")
    share = len(seen.wrong) / seen.declared
    why = f"{len(seen.wrong)} of {seen.declared} declared services are not as they should be"
    titles = {name: f"{name}: {what}" for name, what in seen.wrong.items()}
    return Judged(titles if share > rule.above else {}, why, share, seen.declared)


def jobs(rule: AlertRule, facts: Facts, _: Collection[str]) -> Judged:
    """Judge which share of the scheduled jobs is not as it should be; each one is a subject of its own."""
    if facts.sources.scheduled is None:
        raise NotApplicable("this target has no scheduler")
    seen = facts.sources.scheduled()
    _enough(seen.total, rule, "jobs")
    share = len(seen.wrong) / seen.total
    why = f"{len(seen.wrong)} of {seen.total} scheduled jobs are not as they should be"
    titles = {name: f"job {name}: {what}" for name, what in seen.wrong.items()}
    return Judged(titles if share > rule.above else {}, why, share, seen.total)


JUDGES: Final[Mapping[str, Judge]] = {
    "failure_rate": failure_rate,
    "error_spike": error_spike,
    "cost_anomaly": cost_anomaly,
    "health": health,
    "rollout": rollout,
    "late_outputs": late_outputs,
    "services": services,
    "jobs": jobs,
}


def _enough(sample: int, rule: AlertRule, what: str) -> None:
    if sample < rule.minimum:
        raise TooFew(sample, rule.minimum, what)


def _share(rule: AlertRule, part: int, whole: int, what: str, names: str) -> Judged:
    share = part / whole
    why = f"{part:,} of {whole:,} {what} ({share:.1%}, limit {rule.above:.1%})"
    within = "" if rule.when == "health" else f" within {format_duration(rule.window)}"
    title = f"{part:,} of {whole:,} {what}{within}: {names}"
    return Judged({"": title} if share > rule.above else {}, why, share, whole)


def _listed(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def _gib(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB"
