"""A year of ticks at random intervals against a plain model: every occurrence runs once, or is skipped for a reason."""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nbactl.config.workflows import Workflow
from nbactl.core._support.gamedate import GameDate
from nbactl.core.season.idle import Idle
from nbactl.ports.calendar import GameDay
from nbactl.schedule.decide import Action, LastRun
from tests.kit.config_models import model_of
from tests.kit.decisions import World

if TYPE_CHECKING:
    from collections.abc import Iterator

NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = date(2024, 1, 1), date(2024, 12, 31)
OFF_SEASON = (date(2024, 6, 20), date(2024, 9, 30))
CHRISTMAS = date(2024, 12, 25)
ONE_DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def flow(**schedule: Any) -> Workflow:
    return model_of(Workflow, {"description": "x", "tasks": ["find"], "schedule": schedule})


FLOWS = {
    "night": flow(at=["01:30", "02:30"], game_date="yesterday", game_days_only=True),
    "morning": flow(once_between={"start": "06:00", "end": "10:00"}),
    "early": flow(at="15:00", first_game_before="13:00", tolerance="2h"),
    "lines": flow(every="4h", between={"start": "05:00", "end": "23:00"}, before_first_game="9h"),
    "late": flow(every="1h", between={"start": "00:00", "end": "06:00"}, after_last_game="4h", game_date="yesterday"),
    "referees": flow(every="6h", until_found="find", game_days_only=True, tolerance="8h"),
}
TOLERANCE = timedelta(minutes=30)


@dataclass(frozen=True)
class Due:
    """An occurrence as the model has it."""

    flow: str
    at: datetime
    latest: datetime
    game_date: date
    allowed: bool = True


def at(day: date, text: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(text), NEW_YORK).astimezone(UTC)


def expected_on(day: date, games: dict[date, GameDay]) -> Iterator[Due]:
    """Yield what is due on a day, written down workflow by workflow."""
    today, before = games.get(day), games.get(day - ONE_DAY)
    for text in ("01:30", "02:30"):
        moment = at(day, text)
        yield Due("night", moment, moment + TOLERANCE, day - ONE_DAY, before is not None)
    off = OFF_SEASON[0] <= day <= OFF_SEASON[1]
    yield Due("morning", at(day, "06:00"), at(day, "10:00"), day, not off)
    cut_off = today is not None and today.first_tip_off is not None and today.first_tip_off < at(day, "13:00")
    yield Due("early", at(day, "15:00"), at(day, "17:00"), day, cut_off)
    for hour in (5, 9, 13, 17, 21):
        moment = at(day, f"{hour:02}:00")
        if today is not None and today.first_tip_off is not None and moment >= today.first_tip_off - 9 * HOUR:
            yield Due("lines", moment, moment + TOLERANCE, day)
    moment = at(day, "00:00")
    while before is not None and before.last_tip_off is not None and moment <= at(day, "06:00"):
        if moment <= before.last_tip_off + 4 * HOUR:
            yield Due("late", moment, moment + TOLERANCE, day - ONE_DAY)
        moment += HOUR
    moment = at(day, "00:00")
    while moment < at(day + ONE_DAY, "00:00"):
        yield Due("referees", moment, moment + 8 * HOUR, day, today is not None)
        moment += 6 * HOUR


def expected(games: dict[date, GameDay], ticks: list[datetime]) -> dict[tuple[str, datetime], datetime | None]:
    """Return when each occurrence runs, None if it is skipped."""
    days = [FIRST + timedelta(days=n) for n in range(-1, (LAST - FIRST).days + 1)]
    found: dict[tuple[str, datetime], datetime | None] = {}
    runs: dict[tuple[str, date], int] = {}
    of_date: dict[tuple[str, date], list[Due]] = {}
    every = sorted((one for day in days for one in expected_on(day, games)), key=lambda one: one.at)
    every = [one for one in every if one.latest >= ticks[0]]
    for one in every:
        of_date.setdefault((one.flow, one.game_date), []).append(one)
    for one in every:
        tick = next_tick(ticks, one.at)
        if tick is None:
            continue
        runs_at = None
        if tick <= one.latest and one.allowed:
            later = any(one.at < other.at <= tick for other in of_date[one.flow, one.game_date])
            enough = one.flow == "referees" and runs.get((one.flow, one.game_date), 0) >= 2
            runs_at = None if later or enough else tick
        if runs_at is not None:
            runs[one.flow, one.game_date] = runs.get((one.flow, one.game_date), 0) + 1
        found[one.flow, one.at] = runs_at
    return found


def next_tick(ticks: list[datetime], moment: datetime) -> datetime | None:
    index = bisect_left(ticks, moment)
    return ticks[index] if index < len(ticks) else None


def season(rng: random.Random) -> dict[date, GameDay]:
    games = {}
    day = FIRST - 3 * ONE_DAY
    while day <= LAST + 3 * ONE_DAY:
        off = OFF_SEASON[0] <= day <= OFF_SEASON[1]
        if day == CHRISTMAS or (not off and rng.random() < 0.7):
            first = at(day, "12:00") if day == CHRISTMAS else at(day, f"{rng.choice((12, 15, 19, 22))}:30")
            games[day] = GameDay(day, 5, first_tip_off=first, last_tip_off=max(first, at(day, "22:30")))
        day += ONE_DAY
    return games


def ticks_of(rng: random.Random) -> list[datetime]:
    """Return ticks that mostly come within the hour, sometimes too late, and now and then not for days."""
    moment, found = at(FIRST, "00:00"), []
    while moment < at(LAST, "23:00"):
        found.append(moment)
        spread = rng.random()
        hours = rng.uniform(0.02, 1.5) if spread < 0.3 else rng.uniform(1.5, 8) if spread < 0.98 else rng.uniform(8, 90)
        moment += timedelta(seconds=round(hours * 3600))
    return found


@given(seed=st.integers(0, 2**32))
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_inv_14_in_a_year_of_ticks_each_occurrence_runs_once_or_is_skipped_for_a_reason(seed: int) -> None:
    rng = random.Random(seed)
    games, ticks = season(rng), ticks_of(rng)
    over = Idle("off_season", "the season is over")
    off = {GameDate(OFF_SEASON[0] + timedelta(days=n)): over for n in range((OFF_SEASON[1] - OFF_SEASON[0]).days + 1)}
    world = World(games, idle=off, tolerance=TOLERANCE.total_seconds(), since=ticks[0])
    made: dict[tuple[str, datetime], datetime | None] = {}
    runs: dict[tuple[str, GameDate], int] = {}
    for now in ticks:
        for name, workflow in FLOWS.items():
            for decision in world.decide(name, workflow, now):
                slot = decision.slot
                if slot is None or decision.action not in (Action.RUN, Action.SKIP):
                    continue
                assert decision.reason
                assert slot.id not in world.decided, "decided twice"
                world.decided.add(slot.id)
                if slot.whole_day:
                    assert decision.action is Action.SKIP
                    continue
                made[name, slot.occurrence.due_at] = now if decision.action is Action.RUN else None
                if decision.action is Action.RUN:
                    assert slot.occurrence.due_at <= now <= slot.latest
                    key = (name, slot.occurrence.game_date)
                    runs[key] = runs.get(key, 0) + 1
                    found = frozenset({"find"} if runs[key] == 2 else ())
                    world.runs[key] = LastRun("run", "done", found)
        world.since = now
        recent = f"{now - timedelta(days=16):%Y%m%d}"
        world.decided = {one for one in world.decided if one.rpartition("-")[2][:8] >= recent}
    assert made == expected(games, ticks)
