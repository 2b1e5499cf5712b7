"""Alert rules: conditions of `alerts.rules` in workflows.yaml, judged from what is stored.

Each rule finds the subjects of which its condition holds, such as game dates; each of these is stored
(conditions.py). A rule that cannot be judged is a warning, and leaves its conditions as they are.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from nbactl.core._support.faults import reach
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import ContentionError, NbactlError
from nbactl.frozen import frozen
from nbactl.ports.alerts import Alert
from nbactl.ports.documents import Set
from nbactl.reporting.conditions import WATCHED, Finding, conditions_unsettled, end, mark_sent, observe, unsent
from nbactl.reporting.judges import LASTING, NotApplicable, TooFew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbactl.config.alert_rules import AlertRule
    from nbactl.core.season.idle import IdleDates
    from nbactl.ports.documents import DocumentStore, Transaction
    from nbactl.reporting.conditions import Condition, Message
    from nbactl.reporting.judges import Facts, Judge, Judged

RuleState = Literal["alerting", "waiting", "quiet", "too_few", "not_applicable", "idle", "unknown", "resting"]
NOT_IN_SEASON: Final = ("halted", "off_season", "break")
"""While today is idle for one of these, nothing is judged. A date without games in the season is only left out."""


CHECKS: Final = "alert_rule_checks"
"""The collection that says when rules were judged whose facts are billed; its documents are named by rule."""
BILLED: Final = ("failure_rate", "error_spike", "cost_anomaly", "late_outputs", "services")
"""The conditions whose facts are queries of BigQuery on target gcp, or start instances of services."""


class Resting(Exception):  # noqa: N818 - an outcome
    """The rule was judged a short while ago, and judging it is billed."""


@frozen
class RuleOutcome:
    """The outcome of a rule; `why` says on what it rests. `sample` is what it was judged from, where it was."""

    rule: str
    state: RuleState
    why: str
    value: float | None = None
    sample: int | None = None
    subjects: tuple[str, ...] = ()


@frozen
class AlertRound:
    """What the rules came to. `sent` and `resolved` are the keys of the alerts that this process sent."""

    at: datetime
    outcomes: tuple[RuleOutcome, ...]
    sent: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class AlertRules:
    """Judges the rules and sends what there is to say. `judges` are by the kind of condition.

    What is said of a condition that lasts is at least `apart` apart, however short its window is. Where facts are
    billed, a rule that needs them is judged at most once in `billed_every`. `notice` gets every warning.
    """

    def __init__(
        self,
        rules: Mapping[str, AlertRule],
        judges: Mapping[str, Judge],
        facts: Callable[[datetime], Facts],
        store: DocumentStore,
        *,
        idle: Callable[[], IdleDates],
        send: Callable[[Alert, Iterable[str]], None],
        apart: timedelta,
        billed_every: timedelta | None,
        notice: Callable[[str], object],
    ) -> None:
        self._rules = rules
        self._judges = judges
        self._facts = facts
        self._store = store
        self._idle = idle
        self._send = send
        self._apart = apart
        self._billed_every = billed_every
        self._notice = notice

    def evaluate(self, now: datetime, *, dry_run: bool = False) -> AlertRound:
        """Judge every rule as of `now`, and send what has begun, lasts or has ended.

        Ticks may overlap and be killed anywhere: each message is sent once, and none is lost. A dry run changes and
        sends nothing. Raises UnavailableError if the document store does not answer.
        """
        if not self._rules:
            return AlertRound(now, ())
        facts, warnings = self._facts(now), []
        try:
            today = GameDate.of(now)
            idle = self._idle().idle([today]).get(today)
        except NbactlError as error:
            idle = None
            warnings.append(f"alert rules: whether games are expected today is not known: {error.message}")
        if idle is not None and idle.kind in NOT_IN_SEASON:
            why = f"nothing is expected today: {idle.reason}"
            return AlertRound(now, tuple(RuleOutcome(name, "idle", why) for name in self._rules))
        known = conditions_unsettled(self._store)
        outcomes: list[RuleOutcome] = []
        messages = [] if dry_run else self._left(known, now)
        for name, rule in self._rules.items():
            of_rule = {one.subject: one for one in known if one.rule == name and one.open}
            outcome, to_send = self._judge(name, rule, facts, of_rule, now, dry_run=dry_run)
            outcomes.append(outcome)
            messages += to_send
            if outcome.state == "unknown":
                warnings.append(f"the alert rule {name} was not judged: {outcome.why}")
        warnings = [*dict.fromkeys((*warnings, *facts.warnings))]
        for warning in warnings:
            self._notice(warning)
        sent = [(message.said, self._say(message)) for message in messages]
        return AlertRound(
            now,
            tuple(outcomes),
            sent=tuple(key for said, key in sent if said == "alert"),
            resolved=tuple(key for said, key in sent if said == "resolved"),
            warnings=tuple(warnings),
        )

    def _left(self, known: Iterable[Condition], now: datetime) -> list[Message]:
        """Return what killed ticks did not send of what has ended; what no rule is about any more ends unsaid."""
        messages = []
        for condition in known:
            if condition.rule in WATCHED:
                continue
            if condition.rule not in self._rules:
                end(self._store, condition, now, quiet=True)
            elif not condition.open and (message := unsent(self._store, condition, now)) is not None:
                messages.append(message)
        return messages

    def _judge(
        self,
        name: str,
        rule: AlertRule,
        facts: Facts,
        known: Mapping[str, Condition],
        now: datetime,
        *,
        dry_run: bool,
    ) -> tuple[RuleOutcome, list[Message]]:
        try:
            if not dry_run:
                self._check_due(name, rule, now)
            judged = self._judges[rule.when](rule, facts, frozenset(known))
        except NotApplicable as nothing:
            return RuleOutcome(name, "not_applicable", str(nothing)), []
        except (Resting, TooFew, NbactlError) as error:
            # What was decided on before is still said.
            left = [] if dry_run else [unsent(self._store, condition, now) for condition in known.values()]
            outcome = _unjudged(name, error, tuple(known))
            return outcome, [message for message in left if message is not None]
        messages = [] if dry_run else self._recorded(name, rule, judged, known, now)
        waits = all(self._waits(rule, known.get(subject), now) for subject in judged.findings)
        state: RuleState = "quiet" if not judged.findings else "waiting" if waits else "alerting"
        return RuleOutcome(name, state, judged.why, judged.value, judged.sample, tuple(judged.findings)), messages

    def _check_due(self, name: str, rule: AlertRule, now: datetime) -> None:
        """Take this turn of a rule whose facts are billed. Raises Resting if another tick took it a short while ago."""
        if self._billed_every is None or rule.when not in BILLED:
            return
        path, before = f"{CHECKS}/{name}", now - self._billed_every

        def take(transaction: Transaction) -> datetime | None:
            found = transaction.get(path)
            judged_at = None if found is None else found.data.get("judged_at")
            if isinstance(judged_at, datetime) and judged_at > before:
                return judged_at
            transaction.write(Set(path, {"judged_at": now}))
            return None

        try:
            judged_at = self._store.transaction(take)
        except ContentionError:
            judged_at = now
        if judged_at is not None:
            raise Resting(f"judged at {judged_at:%H:%M} UTC; its facts are billed, so not at every tick")

    def _recorded(
        self, name: str, rule: AlertRule, judged: Judged, known: Mapping[str, Condition], now: datetime
    ) -> list[Message]:
        window, lasting = max(timedelta(seconds=rule.window), self._apart), _lasting(rule)
        steps: list[Callable[[], Message | None]] = []
        for subject, title in judged.findings.items():
            steps.append(
                partial(observe, self._store, Finding(name, subject, rule.severity, title, window, lasting), now)
            )
        for subject, condition in known.items():
            if subject not in judged.findings:
                step = unsent if subject in judged.unseen else end
                steps.append(partial(step, self._store, condition, now))
        found = []
        for take in steps:
            try:
                found.append(take())
            except ContentionError:
                continue  # other ticks are recording it
        return [message for message in found if message is not None]

    @staticmethod
    def _waits(rule: AlertRule, known: Condition | None, now: datetime) -> bool:
        return now - (now if known is None else known.since) < _lasting(rule)

    def _say(self, message: Message) -> str:
        condition = message.condition
        rule = self._rules[condition.rule]
        subject = f"/{condition.subject}" if condition.subject else ""
        key = f"rule/{condition.rule}{subject}/{message.number}"
        since = f"{condition.since:%Y-%m-%d %H:%M} UTC"
        if message.said == "alert":
            alert = Alert(key, rule.severity, condition.title, fields={"since": since}, next_step=rule.next)
        else:
            ended = f"{condition.ended_at:%Y-%m-%d %H:%M} UTC" if condition.ended_at else ""
            alert = Alert(key, "info", f"resolved: {condition.title}", fields={"since": since, "until": ended})
        reach("alert_rules.decided")
        self._send(alert, rule.channels)
        mark_sent(self._store, message)
        return key


def _unjudged(name: str, error: Resting | TooFew | NbactlError, subjects: tuple[str, ...]) -> RuleOutcome:
    if isinstance(error, TooFew):
        return RuleOutcome(name, "too_few", str(error), sample=error.sample, subjects=subjects)
    if isinstance(error, Resting):
        return RuleOutcome(name, "resting", str(error), subjects=subjects)
    return RuleOutcome(name, "unknown", error.message, subjects=subjects)


def _lasting(rule: AlertRule) -> timedelta:
    return timedelta(seconds=rule.window) if rule.when in LASTING else timedelta()
