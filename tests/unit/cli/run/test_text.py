from __future__ import annotations

from dataclasses import replace
from datetime import date

from nbactl.cli.run.plan_text import show_plan
from nbactl.cli.run.text import show_details, show_run_list, show_runs
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import RetryPolicy
from nbactl.ports.compute import Work
from nbactl.workflows.graph import level_of_tasks
from nbactl.workflows.model import PlannedTask, RunPlan, RunStatus
from tests.kit.run_records import MIXED, at, run, task
from tests.kit.shown import screen

FAILED = replace(MIXED, status=RunStatus.FAILED, finished_at=at(2.6))


def test_a_run_is_a_table_of_its_tasks() -> None:
    assert screen(lambda console: show_runs(console, [FAILED])) == (
        "phase3 2024-01-15 ✗ failed  run-01jd3k9xq2m7t0, resumes run-01jd3k9xq2m7s9, took 2.6s\n"
        "TASK                          STATE        ROWS  ATTEMPTS  TOOK  REMARK\n"
        "team_offense_game_summary     ✓ succeeded    22         1  0.4s\n"
        "player_game_summary           ✓ succeeded   229         2  0.9s\n"
        "team_defense_game_summary     ✗ failed                  3  2.5s  the warehouse is held by <pid 17>\n"
        "upcoming_player_game_context  ○ no data       0         1  1.0s  done in run-01jd3k9xq2m7s9\n"
        "upcoming_team_game_context    ▸ running                 1\n"
        "injury_report                 - skipped                          "
        "needs team_defense_game_summary, which failed\n"
    )


def test_a_run_that_was_not_needed_is_one_line() -> None:
    skipped = replace(FAILED, status=RunStatus.SKIPPED, reason="finished by run-1")
    text = screen(lambda console: show_runs(console, [skipped]))
    assert text == "phase3 2024-01-15 - skipped  finished by run-1\n"


def test_of_many_runs_only_what_went_wrong_is_reported_in_full() -> None:
    good = run(task("a", "succeeded", 0, 1, rows=3))
    text = screen(lambda console: show_runs(console, [good] * 7 + [FAILED]))
    assert text.count("✓ succeeded") == 7
    assert "held by <pid 17>" in text
    assert "team_offense_game_summary" not in text


def test_the_list_is_one_line_a_run() -> None:
    shown = [(FAILED, "failed"), (MIXED, "interrupted")]
    lines = screen(lambda console: show_run_list(console, shown)).splitlines()
    assert lines[0].split() == ["RUN", "NAME", "DATE", "STATE", "STARTED", "TASKS", "ROWS", "TOOK", "GROUP"]
    assert lines[1].split()[:5] == ["run-01jd3k9xq2m7t0", "phase3", "2024-01-15", "✗", "failed"]
    assert lines[1].split()[5:] == ["2024-01-15", "23:00:01", "EST", "3/6", "251", "2.6s"]
    assert "■ interrupted" in lines[2]


def test_details_name_cause_and_next_step_and_the_traceback_with_v() -> None:
    short = screen(lambda console: show_details(console, FAILED, "failed", None))
    assert "cause: another writer" in short
    assert "next:  Wait for it." in short
    assert "pid 17 on host" in short
    assert "boom" not in short
    assert "boom" in screen(lambda console: show_details(console, FAILED, "failed", None), verbosity=1)


def planned(name: str, *needs: str, **more: object) -> PlannedTask:
    work = Work("processor", name)
    return replace(PlannedTask(name, work, 3600.0, RetryPolicy("bigquery", 4), needs), **more)  # type: ignore[arg-type]


PLAN = RunPlan(
    "phase4", "phase", GameDate(date(2024, 1, 15)), "sample", "phase4/2024-01-15", "parallel", 5,
    (
        planned("factors", "cache"),
        planned("cache"),
        planned("features", "factors", "zones"),
        planned("zones", required=False, excluded="left out by --skip"),
        planned("defense", carried=task("defense", "succeeded", 0, 1)),
    ),
    deadline=7200.0,
)  # fmt: skip


def test_levels_are_what_could_start_together() -> None:
    assert level_of_tasks(PLAN.tasks) == {"cache": 0, "zones": 0, "defense": 0, "factors": 1, "features": 2}


def test_a_plan_is_shown_level_by_level() -> None:
    done = replace(PLAN, name="phase3", tasks=(), skip_reason="finished by run-1")
    assert screen(lambda console: show_plan(console, [done, PLAN])) == (
        "phase3 2024-01-15  nothing to do: finished by run-1\n"
        "\n"
        "phase4 2024-01-15  parallel, at most 5 at once, within 2h00m\n"
        "LEVEL  TASK      REQUIRED  TIMEOUT  TRIES  ACTION                  AFTER\n"
        "    1  cache     yes       1h00m        4  run\n"
        "    1  zones     no        1h00m        4  left out by --skip\n"
        "    1  defense   yes       1h00m        4  keep: succeeded before\n"
        "    2  factors   yes       1h00m        4  run                     cache\n"
        "    3  features  yes       1h00m        4  run                     factors, zones\n"
    )
