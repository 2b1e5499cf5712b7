"""The files that come with nbactl are right, and say what the operator relies on."""

from __future__ import annotations

from datetime import time

from nbactl.config.loader import load_config, shipped_config_dir


def test_the_shipped_files_have_no_problem() -> None:
    config = load_config(shipped_config_dir())
    assert list(config.workflows.phases) == ["phase1", "phase2", "phase3", "phase4", "phase5", "phase6"]
    assert config.timeouts["warehouse.query"] == 60.0
    assert len(config.flags.flags) == 9


def test_workflows_have_their_eastern_times() -> None:
    schedules = {name: flow.schedule for name, flow in load_config(shipped_config_dir()).workflows.workflows.items()}
    at = {name: (plan.at, plan.game_date) for name, plan in schedules.items() if plan is not None and plan.at}
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
