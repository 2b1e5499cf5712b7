"""The healer: finds what did not happen, plans, repairs within a budget, and believes only an effect that it sees.

Faults of idle dates are left alone. Many healers may run at once and be killed anywhere (invariants 20 and 27).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbactl.core._support.faults import reach
from nbactl.core._support.gamedate import GameDate
from nbactl.core.audit.entry import Change
from nbactl.core.audit.trail import described
from nbactl.errors import NbactlError, unforeseen
from nbactl.frozen import frozen
from nbactl.healing.model import Case, Scope
from nbactl.ports.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from nbactl.config.healing import HealSpec
    from nbactl.core._support.clock import Clock
    from nbactl.core.audit.entry import Auditing
    from nbactl.core.season.idle import IdleDates
    from nbactl.healing.attempts import Attempts
    from nbactl.healing.model import Fault, FaultKind

_CAUSES: Final = ("handoff_pending", "phase_not_triggered", "batch_stalled", "decision_orphan")
_EFFECTS: Final = ("output_missing", "zero_rows", "ended_at_limit")
"""What is computed again only when nothing is on its way any more."""


@frozen
class HealPlan:
    """What was found, in the order of repair. `failed` are the kinds that could not be looked for, and why.

    Nobody knows of the dates in `unknown`, so that nothing of them is missing.
    """

    cases: tuple[Case, ...]
    scope: Scope
    failed: Mapping[str, NbactlError]
    auto: bool = False
    unknown: tuple[GameDate, ...] = ()

    @property
    def planned(self) -> tuple[Case, ...]:
        """What would be repaired now."""
        return tuple(case for case in self.cases if case.state == "planned")


def after_causes(cases: Sequence[Case]) -> list[Case]:
    """Return the cases, those waiting that may be gone once something else of their date is healed."""
    causes = {
        case.fault.game_date: case.fault
        for case in cases
        if case.fault.kind in _CAUSES and case.fault.game_date is not None and case.state in {"planned", "waiting"}
    }
    return [
        case.ended("waiting", reason=f"after {cause.name}")
        if case.state == "planned"
        and case.fault.kind in _EFFECTS
        and (cause := causes.get(case.fault.game_date)) is not None  # type: ignore[arg-type]
        else case
        for case in cases
    ]


class Healer:
    """Heals. `kinds` are in the order of repair; `days` is how many dates are looked at; `alert` never raises.

    `unknown` returns the dates that nobody knows of, once the kinds have looked.
    """

    def __init__(
        self,
        kinds: Sequence[FaultKind],
        specs: Mapping[str, HealSpec],
        attempts: Attempts,
        *,
        audit: Auditing,
        idle: IdleDates,
        clock: Clock,
        days: int,
        alert: Callable[[Alert], None],
        unknown: Callable[[Scope], tuple[GameDate, ...]],
    ) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._specs = specs
        self._attempts = attempts
        self._audit = audit
        self._idle = idle
        self._clock = clock
        self._days = days
        self._alert = alert
        self._unknown = unknown

    def look(self, date: GameDate | None = None, *, auto: bool = False) -> HealPlan:
        """Return what is wrong and what would be done; changes nothing. With a date, only what is about it."""
        now = self._clock.now()
        today = GameDate.of(now)
        days = [date] if date is not None else list(today.plus(1 - self._days).until(today))
        failed: dict[str, NbactlError] = {}
        busy = self._not_idle(days, failed)
        scope = Scope(tuple(day for day in days if day in busy), now, days[0], only=date is not None)
        faults: list[Fault] = []
        for kind in self._kinds.values():
            try:
                faults += [fault for fault in kind.find(scope) if scope.has(fault)]
            except Exception as error:  # noqa: BLE001 - a kind that cannot be looked for holds up no other
                failed[kind.name] = unforeseen(error)
        named = {fault.game_date for fault in faults if fault.game_date is not None}
        busy |= self._not_idle(sorted(named.difference(days)), failed)
        faults = [fault for fault in faults if fault.game_date is None or fault.game_date in busy]
        cases = after_causes(self._attempts.judge(faults, self._specs))
        cases = [self._by_hand(case) if auto else case for case in cases]
        return HealPlan(tuple(cases), scope, failed, auto, self._unknown(scope))

    def heal(self, plan: HealPlan, by: str) -> Iterator[Case]:
        """Repair what is planned, and yield every case as it ends; then those whose effect is seen now."""
        ended: dict[str, Case] = {}
        for case in plan.cases:
            fault = case.fault
            before = ended.get(f"{fault.kind} {fault.waits_for}")
            may = not plan.auto or self._specs[fault.kind].auto
            turn = case.state in {"planned", "stopped"} or (before is not None and before.state == "healed")
            done = self._heal(replace(fault, waits_for=None), plan.scope.now, by) if turn and may else case
            ended[fault.name] = done
            yield done
        yield from self._closed(plan.scope, ended)
        self._send_alerts()

    def _not_idle(self, days: Sequence[GameDate], failed: dict[str, NbactlError]) -> set[GameDate]:
        """Return the dates of which something is expected; none where nobody can say."""
        if not days:
            return set()
        try:
            idle = self._idle.idle(days)
        except NbactlError as error:
            failed["idle dates"] = error
            return set()
        return {day for day in days if day not in idle}

    def _by_hand(self, case: Case) -> Case:
        if case.state == "planned" and not self._specs[case.fault.kind].auto:
            return case.ended("waiting", reason="it is not repaired automatically: nbactl heal")
        return case

    def _heal(self, fault: Fault, seen_at: datetime, by: str) -> Case:
        """Make one attempt, unless another healer makes it or the budget is used up."""
        kind = self._kinds[fault.kind]
        claimed = self._attempts.claim(fault, self._specs[fault.kind], seen_at)
        if claimed.state != "planned":
            return claimed
        reach("heal.claimed")
        entry = self._audit.begin(Change(f"heal.{fault.kind}", (fault.object,), fault.what), by)
        try:
            action = kind.repair(fault)
            reach("heal.repaired")
            effect = kind.verify(fault)
        except Exception as raised:  # noqa: BLE001 - one that nobody foresaw holds up no other repair
            error = unforeseen(raised)
            done = claimed.ended("failed", reason=described(error))
            self._attempts.end(done)
            self._audit.finish(entry, "failed", error=described(error))
            return done
        if effect is None:
            done = claimed.ended("waiting", action=action, reason="its effect was not seen yet")
        else:
            done = claimed.ended("healed", action=action, effect=effect, next_at=None)
        self._attempts.end(done)
        self._audit.finish(entry, "done", touches=(fault.object, action, *([] if effect is None else [effect])))
        return done

    def _closed(self, scope: Scope, ended: Mapping[str, Case]) -> Iterator[Case]:
        """Yield the cases of before that are not found any more: healed if the effect is seen by now.

        One whose date is not looked at any more is given up.
        """
        for case, stopped in self._attempts.unseen():
            fault = case.fault
            kind = self._kinds.get(fault.kind)
            if kind is None or fault.name in ended or not scope.has(fault):
                continue
            try:
                effect = kind.verify(fault)
            except NbactlError as error:
                yield case.ended("waiting", reason=described(error))
                continue
            if effect is not None:
                self._attempts.close(fault, effect)
                yield case.ended("healed", effect=effect)
            elif not stopped and not scope.only and fault.game_date is not None and fault.game_date < scope.first:
                self._attempts.stop(fault)
                yield case.ended("stopped", reason="no effect was seen, and its date is not looked at any more")
            elif not stopped:
                yield case.ended("waiting", reason="its effect was not seen yet")

    def _send_alerts(self) -> None:
        for fault, attempts, error in self._attempts.unalerted():
            times = f"{attempts} time{'' if attempts == 1 else 's'}"
            about = {"game date": str(fault.game_date)} if fault.game_date is not None else {}
            self._alert(
                Alert(
                    f"heal_stopped/{fault.kind}/{fault.object}",
                    "critical",
                    f"{fault.object} was repaired {times} without effect: nothing tries again",
                    f"{fault.what}. {error or 'No effect was seen.'}",
                    {**about, "kind": fault.kind},
                    next_step=fault.by_hand,
                )
            )
            self._attempts.note_alert(fault)
