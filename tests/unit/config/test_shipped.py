"""The files that come with nbactl are right, and say what the operator relies on."""

from __future__ import annotations

import re
from datetime import time

from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.pipeline.registry import PROCESSORS
from nbactl.pipeline.statements import table_sql


def test_the_shipped_files_have_no_problem() -> None:
    config = load_config(shipped_config_dir())
    assert list(config.workflows.phases) == ["phase1", "phase2", "phase3", "phase4", "phase5", "phase6"]
    assert config.timeouts["warehouse.query"] == 60.0
    assert len(config.flags.flags) == 10


def test_workflows_have_their_eastern_times() -> None:
    schedules = {name: flow.schedule for name, flow in load_config(shipped_config_dir()).workflows.workflows.items()}
    at = {name: (plan.at[0], plan.game_date) for name, plan in schedules.items() if plan is not None and plan.at}
    assert at == {
        "morning_recovery": (time(6), "yesterday"),
        "early_game_window_1": (time(15), "today"),
        "early_game_window_2": (time(18), "today"),
        "early_game_window_3": (time(21), "today"),
        "post_game_window_1": (time(22), "today"),
        "post_game_window_1b": (time(23, 30), "today"),
        "post_game_window_2": (time(1), "yesterday"),
        "post_game_window_2b": (time(2), "yesterday"),
        "post_game_window_3": (time(4), "yesterday"),
    }


def test_a_task_needs_the_tasks_of_its_phase_whose_tables_it_reads() -> None:
    """A table that is still being written would be read as if it were empty."""
    workflows = load_config(shipped_config_dir()).workflows
    for phase in (workflows.phases["phase3"], workflows.phases["phase4"]):
        needs = {use.task: set(use.needs) for use in phase.tasks}
        writers = {workflows.tasks[name].processor: name for name in needs}
        for name in needs:
            sql = table_sql(str(workflows.tasks[name].processor))
            reads = {writers[table] for table in re.findall(r"nba_\w+\.\w+", sql) if table in writers}
            assert reads <= closure(name, needs), f"{name} reads {reads} without needing them"


def closure(name: str, needs: dict[str, set[str]]) -> set[str]:
    return {name} | {each for needed in needs[name] for each in closure(needed, needs)}


def test_inv_10_every_processor_that_is_registered_has_a_task_and_every_task_is_run_by_something() -> None:
    workflows = load_config(shipped_config_dir()).workflows
    assert {task.processor for task in workflows.tasks.values()} - {None} == set(PROCESSORS)
    used = {use.task for each in (*workflows.phases.values(), *workflows.workflows.values()) for use in each.tasks}
    assert used == set(workflows.tasks)


TOPICS = {
    "phase1": ("nba-phase1-scrapers-complete", None),
    "phase2": ("nba-phase2-raw-complete", None),
    "phase3": ("nba-phase3-analytics-complete", "nba-phase3-trigger"),
    "phase4": ("nba-phase4-precompute-complete", "nba-phase4-trigger"),
    "phase5": ("nba-phase5-predictions-complete", "nba-predictions-trigger"),
    "phase6": ("nba-phase6-export-complete", "nba-phase6-export-trigger"),
}


def test_each_phase_has_the_topic_that_says_done_and_the_one_that_starts_it() -> None:
    phases = load_config(None).workflows.phases
    assert {name: (phase.topic, phase.trigger_topic) for name, phase in phases.items()} == TOPICS
