"""What is decided about a workflow: by the games of its date, the season, its runs, and how late it is."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.config.workflows import Workflow
from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.core.season.idle import Idle
from nbactl.schedule.decide import LastRun
from tests.kit.config_models import model_of
from tests.kit.decisions import HOUR, World, eastern, game_day

DAY = date(2024, 1, 15)
CHRISTMAS = date(2024, 12, 25)
SPRING, AUTUMN = date(2024, 3, 10), date(2024, 11, 3)
TODAY = GameDate(DAY)
NOON = eastern(DAY, "12:00")
SHIPPED = load_config(shipped_config_dir()).workflows.workflows


def flow(**schedule: Any) -> Workflow:
    return model_of(Workflow, {"description": "x", "tasks": ["t"], "schedule": schedule})


def runs_of(world: World, day: date) -> dict[str, list[str]]:
    """Tick every ten minutes of a day and the night after; returns the times at which each shipped workflow runs."""
    found: dict[str, list[str]] = {}
    world.since = now = eastern(day, "05:00")
    while now < eastern(day + timedelta(days=1), "05:00"):
        world.as_of = now
        for name, workflow in SHIPPED.items():
            for one in world.decide(name, workflow, now):
                if one.id is not None:
                    world.decided.add(one.id)
                if one.action == "RUN" and one.game_date == GameDate(day):
                    found.setdefault(name, []).append(f"{now.astimezone(EASTERN):%H:%M}")
                    world.runs[name, GameDate(day)] = LastRun("run-1", "done", frozenset({"referees"}))
        world.since = now
        now += timedelta(minutes=10)
    return found


def test_on_christmas_the_early_windows_are_open_and_on_a_usual_day_they_are_not() -> None:
    christmas = runs_of(World({CHRISTMAS: game_day(CHRISTMAS, "12:00")}), CHRISTMAS)
    evening = runs_of(World({DAY: game_day(DAY)}), DAY)
    nights = {"post_game_window_1": ["22:00"], "post_game_window_1b": ["23:30"], "post_game_window_2": ["01:00"],
              "post_game_window_2b": ["02:00"], "post_game_window_3": ["04:00"]}  # fmt: skip
    assert {name: evening[name] for name in nights} == nights
    assert {name for name in christmas if name.startswith("early")} == {f"early_game_window_{n}" for n in (1, 2, 3)}
    assert not {name for name in evening if name.startswith("early")}
    assert evening["betting_lines"] == [f"{hour:02}:00" for hour in range(7, 24, 2)]
    assert christmas["betting_lines"][0] == "05:00"
    assert evening["referee_discovery"] == ["06:00"], "found, so not again"
    assert len(evening["injury_discovery"]) == 9


def test_a_day_without_games_costs_nothing_but_the_schedule_itself() -> None:
    assert runs_of(World(), DAY) == {"morning_operations": ["06:00"]}
    off_season = World(idle={TODAY.plus(n): Idle("off_season", "the season is over") for n in range(-3, 4)})
    assert runs_of(off_season, DAY) == {}


@pytest.mark.parametrize(("day", "ticks"), [(SPRING, ("06:59", "07:00")), (AUTUMN, ("06:59", "07:00"))])
def test_inv_14_on_both_clock_change_nights_a_window_is_open_once(day: date, ticks: tuple[str, str]) -> None:
    """02:00 is 03:00 EDT in spring, and 02:00 EST, the hour after the second 01:00, in autumn: both 07:00 UTC."""
    window = flow(at="02:00", game_date="yesterday")
    before, at = (eastern(day, "00:00").replace(hour=int(text[:2]), minute=int(text[3:])) for text in ticks)
    world = World(since=eastern(day, "00:00"))
    assert world.outcome("w", window, before) == ("WAIT", "due")
    [run] = world.decide("w", window, at)
    assert (run.action.value, run.game_date) == ("RUN", GameDate(day).plus(-1))
    world.decided.add(str(run.id))
    assert world.outcome("w", window, at + timedelta(hours=1)) == ("WAIT", "due")


def test_inv_14_the_hour_that_a_night_has_twice_is_named_with_its_zone() -> None:
    midnight, hourly, half_past = eastern(AUTUMN, "00:00"), flow(every="1h"), flow(at="01:30")
    due = World(since=midnight).decide("w", hourly, midnight + timedelta(minutes=90))
    assert [one.reason for one in due if one.action.value == "RUN"] == ["due at 01:00 EDT on 2024-11-03"]
    [later] = World(since=midnight).decide("w", half_past, midnight)
    assert later.reason == "next due at 01:30 EDT on 2024-11-03"
    [usual] = World(since=midnight).decide("w", flow(at="03:00"), midnight)
    assert usual.reason == "next due at 03:00 on 2024-11-03"


def test_while_the_season_is_halted_nothing_runs_and_nothing_is_worth_an_alert() -> None:
    world = World(as_of=NOON - timedelta(days=30), idle={TODAY: Idle("halted", "The arena is flooded")})
    for workflow in (flow(at="12:00"), flow(at="12:00", game_days_only=True)):
        [decision] = world.decide("w", workflow, NOON)
        assert (decision.action.value, decision.why, decision.reason) == ("SKIP", "idle", "The arena is flooded")
    world.idle = {TODAY: Idle("break", "All-Star break")}
    assert world.outcome("w", flow(at="12:00", game_days_only=True), NOON) == ("SKIP", "idle")
    assert world.outcome("w", flow(at="12:00"), NOON) == ("RUN", "due"), "the schedule of games is read in a break, too"


def test_a_schedule_of_games_that_is_old_aborts_what_depends_on_it_until_it_is_read_again() -> None:
    workflow = flow(at="12:00", game_days_only=True)
    world = World({DAY: game_day(DAY)}, as_of=NOON - timedelta(hours=37), since=eastern(DAY, "11:00"))
    [aborted] = world.decide("w", workflow, NOON)
    assert (aborted.action.value, aborted.reason) == (
        "ABORT", "the schedule of games is 37 hours old, at most 36h00m is allowed"
    )  # fmt: skip
    empty = World(as_of=NOON - timedelta(hours=37), idle={TODAY: Idle("no_games", "the schedule has no games")})
    assert empty.outcome("w", workflow, NOON) == ("ABORT", "stale"), "an old schedule proves nothing"
    world.decided.add(str(aborted.id))
    world.as_of = NOON
    assert world.outcome("w", workflow, NOON + timedelta(minutes=10)) == ("RUN", "due")
    world.as_of = NOON - timedelta(hours=37)
    assert world.outcome("w", workflow, NOON + timedelta(hours=1)) == ("WAIT", "due"), "nothing more to decide"


def test_what_waits_too_long_is_skipped_and_says_why() -> None:
    workflow = model_of(Workflow, {"description": "x", "tasks": ["t"], "needs": ["first"], "schedule": {"at": "12:00"}})
    world = World(since=eastern(DAY, "11:00"))
    [waits] = world.decide("w", workflow, NOON)
    assert (waits.why, waits.reason) == ("needs", "waits for first of 2024-01-15")
    world.decided.add(str(waits.id))
    assert world.outcome("w", workflow, NOON + timedelta(hours=1)) == ("SKIP", "waited")
    world.runs["first", TODAY] = LastRun("run-1", "not_done")
    assert world.outcome("w", workflow, NOON) == ("WAIT", "needs")
    world.runs = {("first", TODAY): LastRun("run-1", "done"), ("w", TODAY): LastRun("run-2", "running")}
    assert world.outcome("w", workflow, NOON) == ("WAIT", "running")


def test_of_several_times_that_were_missed_the_last_one_runs() -> None:
    world = World(since=eastern(DAY, "09:00"), tolerance=6 * HOUR)
    decided = world.decide("w", flow(every="1h", between={"start": "10:00", "end": "14:00"}), NOON)
    assert [(one.action.value, one.why) for one in decided] == [
        ("SKIP", "superseded"), ("SKIP", "superseded"), ("RUN", "due")
    ]  # fmt: skip


def test_a_game_that_is_moved_does_not_make_a_workflow_due_twice() -> None:
    workflow = flow(every="2h", before_first_game="7h")
    world = World({DAY: game_day(DAY, "19:00")}, since=eastern(DAY, "11:00"))
    [run] = world.decide("w", workflow, NOON)
    world.decided.add(str(run.id))
    world.games = {DAY: game_day(DAY, "19:30")}
    for minutes in range(5, 115, 10):
        assert world.outcome("w", workflow, NOON + timedelta(minutes=minutes)) == ("WAIT", "due")


def test_games_whose_time_is_not_known_leave_what_counts_from_them_out() -> None:
    world = World({DAY: game_day(DAY).__class__(DAY, 3)})
    assert world.outcome("w", flow(every="2h", before_first_game="7h"), NOON) == ("SKIP", "games")
    assert world.outcome("w", flow(at="12:00", first_game_before="15:00"), NOON) == ("SKIP", "games")
    assert world.outcome("w", flow(at="12:00", game_days_only=True), NOON) == ("RUN", "due")
