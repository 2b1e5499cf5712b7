"""Judges a night: phases against their due times, the whole against its limit, rows, fallbacks, and other nights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.config.due import due_at
from nbactl.core._support.durations import format_duration
from nbactl.core._support.gamedate import EASTERN
from nbactl.frozen import frozen
from nbactl.outputs.model import WRONG, OutputState
from nbactl.reporting.measures import durations
from nbactl.reporting.overnight.model import NOT_THERE, Check, OvernightReport, PhaseNight, Timing
from nbactl.reporting.overnight.sessions import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core._support.gamedate import GameDate
    from nbactl.outputs.model import Grid, Output
    from nbactl.reporting.overnight.model import Session
    from nbactl.reporting.overnight.sessions import Found, NightRecords

NIGHTS: Final = 30
"""How many nights before are compared with."""
_FEW: Final = 5
"""With fewer nights nothing is called slow."""
_SLOW: Final = 1.5
_TOTAL: Final = "cascade"
_SHOWN: Final = 5


@frozen
class Overnight:
    """Validates nights. `longest` is how many seconds the whole cascade may take.

    Of `unrecorded` phases production keeps no record: that nobody recorded one does not mean that it did not run.
    """

    workflows: WorkflowsFile
    records: NightRecords
    grid: Callable[[GameDate, GameDate], Grid]
    longest: float
    unrecorded: Collection[str] = ()

    def validate(self, day: GameDate, now: datetime) -> OvernightReport:
        """Return what is to be said of the night after a game date, as it is at `now`.

        Raises what the ledger, the documents and the calendar raise.
        """
        grid = self.grid(day, day)
        if (idle := grid.idle.get(day)) is not None:
            return OvernightReport(day, (), (Check("idle", f"{idle.kind}: {idle.reason}", ok=True),), (), idle)
        found, warnings = self.records.read(day.plus(-NIGHTS), day)
        sessions = {name: chosen(found.get((name, day), ())) for name in self.workflows.phases}
        outputs = self._known(grid, sessions)
        phases = tuple(self._phases(day, outputs, sessions))
        if not grid.outputs and not any(sessions.values()):
            return OvernightReport(day, phases, (), (), None, (*grid.warnings, *warnings))
        checks = (
            _ran(phases),
            *_in_time(phases, now),
            _total(phases, self.longest),
            _fallbacks(phases),
            _rows([output for of_phase in outputs.values() for output in of_phase]),
        )
        timing = tuple(self._timing(day, found))
        slow = [
            f"{one.name} took {_long(one.this_night)}, and 95 of 100 nights at most {_long(one.p95)}"
            for one in timing
            if one.slow
        ]
        return OvernightReport(day, phases, checks, timing, None, (*grid.warnings, *warnings, *slow))

    def _known(self, grid: Grid, sessions: Mapping[str, Session | None]) -> dict[str, list[Output]]:
        """Return the outputs of each phase that runs on this target, as far as anything can be said of them."""
        known: dict[str, list[Output]] = {name: [] for name, session in sessions.items() if session is not None}
        for output in grid.outputs:
            of_phase = known.setdefault(output.phase, [])
            if output.rows is not None or output.phase not in self.unrecorded or sessions[output.phase] is not None:
                of_phase.append(output)
        return {name: known[name] for name in sessions if name in known}

    def _phases(
        self, day: GameDate, outputs: Mapping[str, list[Output]], sessions: Mapping[str, Session | None]
    ) -> Iterator[PhaseNight]:
        for name, of_phase in outputs.items():
            phase, session = self.workflows.phases[name], sessions[name]
            needed = {need: sessions[need] for need in phase.needs}
            rows = [output.rows for output in of_phase if output.rows is not None and output.unit == "rows"]
            yield PhaseNight(
                name,
                due_at(phase.due, day, "overnight"),
                session,
                tuple(output for output in of_phase if output.required),
                sum(rows) if rows else None,
                _waited(session, needed.values()),
                _less(session, needed, outputs),
            )

    def _timing(self, day: GameDate, found: Found) -> Iterator[Timing]:
        times: dict[str, dict[GameDate, float]] = {name: {} for name in self.workflows.phases}
        nights = [day.plus(-number) for number in range(NIGHTS + 1)]
        whole: dict[GameDate, float] = {}
        for night in nights:
            sessions = [chosen(found.get((name, night), ())) for name in times]
            done = [one for one in sessions if one is not None and one.complete and one.seconds is not None]
            for one in done:
                times[one.phase][night] = one.seconds or 0.0
            if (span := _span(done)) is not None:
                whole[night] = span
        for name, seconds in {**times, _TOTAL: whole}.items():
            if seconds:
                yield _compared(name, seconds.pop(day, None), sorted(seconds.values()))


def _less(
    session: Session | None, needed: Mapping[str, Session | None], outputs: Mapping[str, Sequence[Output]]
) -> str | None:
    """Return with what less than everything a phase was done: its own hand-off, or a start before what it needs."""
    if session is None:
        return None
    if session.fallback is not None:
        return session.fallback
    for name, before in needed.items():
        if before is None:
            if any(output.required and output.state in NOT_THERE for output in outputs.get(name, ())):
                return f"it began without {name}"
        elif before.ended_at is None or before.ended_at > session.started_at:
            return f"it began before {name} had ended"
    return None


def _waited(session: Session | None, needed: Iterable[Session | None]) -> float | None:
    ends = [one.ended_at for one in needed if one is not None and one.ended_at is not None]
    if session is None or not ends:
        return None
    return max(0.0, (session.started_at - max(ends)).total_seconds())


def _span(sessions: Sequence[Session]) -> float | None:
    ends = [one.ended_at for one in sessions if one.ended_at is not None]
    return (max(ends) - min(one.started_at for one in sessions)).total_seconds() if ends else None


def _ran(phases: Sequence[PhaseNight]) -> Check:
    missing = [output for phase in phases for output in phase.missing]
    if not missing:
        outputs = sum(len(phase.required) for phase in phases)
        return Check("ran", f"{len(phases)} phases with {outputs} required outputs", ok=True)
    parts = [
        f"{phase.name} {', '.join(output.name for output in phase.missing)}"
        if len(phase.missing) < len(phase.required)
        else f"all of {phase.name}"
        for phase in phases
        if phase.missing
    ]
    failed = any(output.state in WRONG for output in missing)
    return Check(
        "ran", f"{'not there' if failed else 'not there yet'}: {'; '.join(parts)}", ok=False if failed else None
    )


def _in_time(phases: Sequence[PhaseNight], now: datetime) -> Iterator[Check]:
    for phase in phases:
        if phase.due_at is None:
            continue
        name, due = f"due:{phase.name}", f"due at {_clock(phase.due_at)}"
        ended = phase.session.ended_at if phase.session is not None and phase.session.complete else None
        if ended is not None:
            late = "" if phase.late is None else f", {format_duration(phase.late)} late"
            yield Check(name, f"ended at {_clock(ended)}, {due}{late}", ok=phase.late is None)
        elif phase.session is None and not phase.missing:
            yield Check(name, f"nobody recorded when it ended; {due}", ok=None)
        else:
            yield Check(name, f"not done, {due}", ok=None if now < phase.due_at else False)


def _total(phases: Sequence[PhaseNight], longest: float) -> Check:
    seconds = _span([phase.session for phase in phases if phase.session is not None])
    if seconds is None:
        return Check("total", "nobody recorded when phases ran", ok=None)
    detail = f"{format_duration(seconds)} from the first start to the last end, of {format_duration(longest)}"
    return Check("total", detail, ok=seconds < longest)


def _fallbacks(phases: Sequence[PhaseNight]) -> Check:
    used = [f"{phase.name}: {phase.fallback}" for phase in phases if phase.fallback is not None]
    if used:
        return Check("fallback", "; ".join(used), ok=False)
    if all(phase.session is None for phase in phases):
        return Check("fallback", "nobody recorded what phases had", ok=None)
    return Check("fallback", "none", ok=True)


def _rows(outputs: Sequence[Output]) -> Check:
    """Judge what is behind the outputs that are recorded as done."""
    done = [output for output in outputs if output.by is not None and output.state is not OutputState.FAILED]
    empty = [output for output in done if output.state is OutputState.MISSING]
    short = [output for output in done if output.state is OutputState.PARTIAL and output.required]
    if empty or short:
        named = [_said(output) for output in (*empty, *short)]
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        return Check("rows", f"{'; '.join(named[:_SHOWN])}{more}", ok=False)
    counted = [output for output in done if output.rows is not None]
    if not counted:
        return Check("rows", "no rows were counted", ok=None)
    return Check("rows", f"{len(counted)} outputs have the rows that they should have", ok=True)


def _compared(name: str, this_night: float | None, before: Sequence[float]) -> Timing:
    usual = durations(before)
    slow = this_night is not None and usual.p95 is not None and len(before) >= _FEW and this_night > usual.p95 * _SLOW
    return Timing(name, len(before), usual.median, usual.p95, this_night, slow)


def _said(output: Output) -> str:
    reason = f" ({output.reason})" if output.reason else ""
    return f"{output.name} {output.state.value}{reason}"


def _clock(at: datetime) -> str:
    return f"{at.astimezone(EASTERN):%Y-%m-%d %H:%M}"


def _long(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds)
