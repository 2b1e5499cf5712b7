"""A report of thirty nights, with a bad week, idle dates, and names that would be markup."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from nbactl.core._support.gamedate import GameDate
from nbactl.core.audit.entry import AuditEntry, Change
from nbactl.core.season.idle import Idle
from nbactl.outputs.model import Grid, Output, OutputState
from nbactl.reporting.conditions import Condition
from nbactl.reporting.measures import Durations, PhaseTimes, TaskErrors, nights, total
from nbactl.reporting.report import CostUsage, FlagChange, Report
from nbactl.reporting.sent import SentAlert

HOSTILE = "</td><script>alert('x')</script>\x1b[2J&\"'"
UNTIL = datetime(2024, 2, 1, 12, 0, tzinfo=UTC)
FIRST = GameDate(date(2024, 1, 3))
_TASKS = {
    "phase1": ("schedule", "player_boxscores"),
    "phase2": ("p2_schedule", "p2_player_boxscores"),
    "phase3": (
        "player_game_summary", "team_offense_game_summary", "team_defense_game_summary",
        "upcoming_player_game_context", "upcoming_team_game_context",
    ),
    "phase4": (
        "team_defense_zone_analysis", "player_shot_zone_analysis", "player_daily_cache", "player_composite_factors",
        "ml_feature_store",
    ),
    "phase5": ("player_prop_predictions",),
    HOSTILE: ("x",),
    "phase6": ("predictions_export", "prediction_accuracy"),
}  # fmt: skip


def a_grid(days: int = 30) -> Grid:
    outputs, last = [], FIRST.plus(days - 1)
    idle = {FIRST.plus(9): Idle("no_games", "no games"), FIRST.plus(10): Idle("halted", HOSTILE)}
    for number, day in enumerate(FIRST.until(last)):
        due = datetime(day.day.year, day.day.month, day.day.day, 12, tzinfo=UTC) + timedelta(days=1)
        for phase, names in _TASKS.items() if day not in idle else ():
            for name in names:
                state, made = OutputState.COMPLETE, _at(due - timedelta(hours=2))
                if number in (14, 15) and phase in ("phase5", "phase6"):
                    state, made = OutputState.MISSING, None
                elif number % 7 == 3 and phase == "phase4":
                    made = due + timedelta(minutes=42)
                elif number == 20 and name == "player_daily_cache":
                    state, made = OutputState.FAILED, None
                reason = HOSTILE if state is not OutputState.COMPLETE else None
                outputs.append(Output(day, phase, name, state, True, due, made, "nbactl", "run-1", reason=reason))  # noqa: FBT003
    return Grid(tuple(outputs), idle, UNTIL)


def _at(time: datetime) -> datetime | None:
    return time


def a_report(days: int = 30) -> Report:
    grid, last = a_grid(days), FIRST.plus(days - 1)
    found = nights(grid, FIRST, last)
    phases = [
        PhaseTimes(
            name,
            Durations(days, 33.0 + index * 9, 42.0 + index * 30),
            Durations(30, 31.0 + index * 9, 40.0 + index * 9),
            index % 2,
            tuple(
                (day, 30.0 + index * 9 + 12 * (n % 5) + (60 if n == 14 else 0))
                for n, day in enumerate(FIRST.until(last))
            ),
        )
        for index, name in enumerate(_TASKS)
    ]
    condition = Condition("late_outputs", "2024-01-17", "critical", f"3 outputs of {HOSTILE}", UNTIL, UNTIL)
    change = Change("heal.outbox", (f"outbox/{HOSTILE}",), reason="pending")
    return Report(
        since=UNTIL - timedelta(days=days),
        until=UNTIL,
        nights=tuple(found),
        reliability=total(found),
        grid=grid,
        phases=tuple(phases),
        tasks=(
            TaskErrors("player_daily_cache", 29, 33, 5, 1, HOSTILE),
            TaskErrors("odds", 120, 123, 3, 0, None),
        ),
        runs=174,
        failed_runs=3,
        cost=CostUsage(4210, 380 * 2**30, 2.32, 300 * 2**30),
        cost_unknown=None,
        duplicates={"messages": 41, "completions": 3},
        flags=(FlagChange("ENABLE_IDEMPOTENCY_KEYS", UNTIL, 50.0, True, "ana@laptop", HOSTILE),),  # noqa: FBT003
        incidents=(condition,),
        alerts=(SentAlert("rule/x/1", "critical", HOSTILE, "slack", UNTIL, UNTIL, None),),
        repairs=(AuditEntry("audit-1", UNTIL, "heal", change, "done", UNTIL),),
        warnings=(f"logs of production: {HOSTILE}",),
    )
