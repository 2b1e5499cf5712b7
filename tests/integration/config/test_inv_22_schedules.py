"""Every key that says when, in which order and with what a workflow runs is heeded (invariant 22)."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.schedule.command import TickRequest, tick
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import EASTERN, GameDate
from nbactl.ports.compute import Work
from nbactl.schedule.decide import LastRun
from nbactl.schedule.occurrences import occurrences_with
from nbactl.testing import FakeClock
from nbactl.workflows.works import works_of
from tests.integration.config import task_functions
from tests.integration.config.keys import proves
from tests.integration.config.project import Project
from tests.kit.decisions import World, eastern, game_day

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.config.workflows import Workflow

DAY = date(2024, 1, 15)
TODAY = GameDate(DAY)
WORKFLOW = "workflows.yaml: workflows.*."
SCHEDULE = f"{WORKFLOW}schedule."


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Project]:
    task_functions.SEEN.clear()
    yield Project(tmp_path, capsys)
    task_functions.GATE.set()


def often(project: Project, schedule: dict[str, Any], **keys: Any) -> Workflow:
    project.workflows["workflows"]["often"] = {
        "description": "Under test", "tasks": ["fetch"], "schedule": schedule, **keys
    }  # fmt: skip
    return project.load().workflows.workflows["often"]


def due(project: Project, **keys: Any) -> list[str]:
    schedule = often(project, keys).schedule
    assert schedule is not None
    times = [each.due_at.astimezone(EASTERN) for each in occurrences_with(schedule, DAY, game_day(DAY))]
    return [f"{each:%d %H:%M}" for each in times]


@proves(SCHEDULE + "after_last_game", SCHEDULE + "at")
def test_inv_22_after_the_last_game_and_several_times_a_day(project: Project) -> None:
    evening = due(project, every="3h", before_first_game="1h", after_last_game="2h")
    assert evening == ["15 18:00", "15 21:00", "16 00:00"], "also past midnight"
    assert due(project, at=["09:00", "21:30"]) == ["15 09:00", "15 21:30"]


@proves(SCHEDULE + "tolerance")
def test_inv_22_tolerance(project: Project) -> None:
    late, since = eastern(DAY, "12:45"), eastern(DAY, "11:00")
    assert World(since=since).outcome("often", often(project, {"at": "12:00"}), late) == ("SKIP", "missed")
    patient = often(project, {"at": "12:00", "tolerance": "1h"})
    assert World(since=since).outcome("often", patient, late) == ("RUN", "due")


@proves(SCHEDULE + "game_days_only", SCHEDULE + "first_game_before", SCHEDULE + "until_found")
def test_inv_22_what_the_games_and_earlier_runs_decide(project: Project) -> None:
    noon = eastern(DAY, "12:00")
    idle, evening = World(), World({DAY: game_day(DAY)})
    always, on_game_days = often(project, {"at": "12:00"}), often(project, {"at": "12:00", "game_days_only": True})
    assert idle.outcome("often", always, noon) == ("RUN", "due")
    assert idle.outcome("often", on_game_days, noon) == ("SKIP", "games")
    assert evening.outcome("often", on_game_days, noon) == ("RUN", "due")
    early = often(project, {"at": "12:00", "first_game_before": "15:00"})
    assert evening.outcome("often", early, noon) == ("SKIP", "early")
    assert World({DAY: game_day(DAY, "12:30")}).outcome("often", early, noon) == ("RUN", "due")
    found = World(runs={("often", TODAY): LastRun("run-1", "done", frozenset({"fetch"}))})
    assert found.outcome("often", often(project, {"every": "2h"}), noon) == ("RUN", "due")
    assert found.outcome("often", often(project, {"every": "2h", "until_found": "fetch"}), noon) == ("SKIP", "found")


@proves(SCHEDULE + "game_date")
def test_inv_22_tomorrow_as_game_date(project: Project) -> None:
    [decision] = World().decide(
        "often", often(project, {"at": "12:00", "game_date": "tomorrow"}), eastern(DAY, "12:00")
    )
    assert decision.game_date == TODAY.plus(1)


@proves(WORKFLOW + "enabled", WORKFLOW + "disabled_reason", WORKFLOW + "needs")
def test_inv_22_workflows_that_are_not_enabled_or_need_others(project: Project) -> None:
    noon = eastern(DAY, "12:00")
    off = often(project, {"at": "12:00"}, enabled=False, disabled_reason="The source is gone")
    [skipped] = World().decide("often", off, noon)
    assert (skipped.action.value, skipped.reason) == ("SKIP", "not enabled: The source is gone")
    needy = often(project, {"at": "12:00"}, needs=["mornings"])
    assert World().outcome("often", needy, noon) == ("WAIT", "needs")
    done = World(runs={("mornings", TODAY): LastRun("run-1", "done")})
    assert done.outcome("often", needy, noon) == ("RUN", "due")


@proves(WORKFLOW + "priority")
def test_inv_22_the_most_urgent_workflow_begins_first(project: Project) -> None:
    noon = eastern(date(2025, 1, 6), "12:00")
    for first, last in (("a", "b"), ("b", "a")):
        task_functions.SEEN.clear()
        for name, priority in ((first, "high"), (last, "normal")):
            project.call(f"of_{name}", "note")
            project.workflows["workflows"][name] = {
                "description": name, "tasks": [f"of_{name}"], "priority": priority, "schedule": {"at": "12:00"}
            }  # fmt: skip
        project.load()
        given = {"config_dir": str(project.folder), "state_dir": str(project.folder / f"state-{first}")}
        with Container(load_settings(given, {}, project.folder), clock=FakeClock(noon)) as app:
            tick(app, TickRequest(only=("workflows",)))
        assert [name for name, _ in task_functions.SEEN] == [f"of_{first}", f"of_{last}"]


@proves(*(f"{WORKFLOW}alerts.{event}.{key}" for event in ("run_failed", "run_partial", "not_run")
          for key in ("severity", "channels")))  # fmt: skip
@proves("workflows.yaml: alerts.not_run.severity", "workflows.yaml: alerts.not_run.channels")
def test_inv_22_alerts_of_a_workflow(project: Project) -> None:
    project.call("bad", "fail")
    events = {"run_failed": True, "run_partial": False}
    for event, required in events.items():
        project.workflows["alerts"][event] = {"severity": "warning", "channels": ["console"]}
        tasks = [{"task": "bad", "required": required}, "bad_too"]
        project.call("bad_too", "one")
        project.workflow(*tasks)
        assert "alert (warning)" in said(project, "w")
        project.workflow(*tasks, alerts={event: {"severity": "info", "channels": ["console"]}})
        assert "alert (info)" in said(project, "w")
        project.workflow(*tasks, alerts={event: {"severity": "info", "channels": ["log"]}})
        assert "alert (" not in said(project, "w")
    quiet = {"severity": "warning", "channels": ["log"]}
    project.workflows["alerts"]["not_run"] = quiet
    config = project.load().workflows
    assert config.workflows["often"].alert("not_run", config.alerts).as_data() == {**quiet, "channels": ("log",)}
    own = often(project, {"at": "12:00"}, alerts={"not_run": {"severity": "info", "channels": ["slack"]}})
    alert = own.alert("not_run", config.alerts)
    assert (alert.severity, alert.channels) == ("info", ("slack",))


def said(project: Project, name: str) -> str:
    project.run(name, "--force")
    return str(project.captured.err)


def uses(kind: str) -> tuple[str, ...]:
    return tuple(f"workflows.yaml: {kind}.*.tasks[].{key}" for key in ("wait", "with", "for_each"))


@pytest.mark.parametrize("kind", ["phases", "workflows"])
@proves(*uses("phases"), *uses("workflows"))
def test_inv_22_parameters_of_a_use_and_waiting_for_an_optional_task(project: Project, kind: str) -> None:
    project.call("a", "note", **{"with": {"kept": 1, "changed": 1}})
    declare(project, kind, {"task": "a", "with": {"changed": 2, "added": 3}})
    project.run("u")
    assert task_functions.SEEN == [("a", {"kept": 1, "changed": 2, "added": 3})]

    project.workflows["tasks"]["predict"]["service"]["body"] = {"day": "{game_date}"}
    declare(project, kind, {"task": "predict", "for_each": "team", "with": {"team": "{team}"}})
    config = project.load().workflows
    executables: dict[str, Any] = {**config.phases, **config.workflows}
    body = {"day": "{game_date}", "team": "{team}"}
    assert works_of(executables["u"].tasks, config, "services") == {
        "predict": Work("service", "predictor", {"path": "/", "body": body, "for_each": "team"})
    }

    project.call("slow", "opened_gate")
    project.call("next", "open_gate")
    declare(project, kind, {"task": "slow", "required": False, "wait": "50ms"}, {"task": "next", "needs": ["slow"]})
    task_functions.GATE.clear()
    [run] = project.run("u", "--force")
    assert [(task["name"], task["status"]) for task in run["tasks"]] == [("slow", "succeeded"), ("next", "succeeded")]
    project.call("slow", "fail")
    [run] = project.run("u", "--force")
    assert [task["status"] for task in run["tasks"]] == ["failed", "succeeded"], "without the optional task"
    assert run["status"] == "partial"


def declare(project: Project, kind: str, *tasks: Any) -> None:
    extra = {"service": "s", "topic": "u"} if kind == "phases" else {}
    project.workflows[kind]["u"] = {"description": "Under test", "tasks": list(tasks), **extra}


def test_every_shipped_phase_and_workflow_states_how_it_runs() -> None:
    config = load_config(shipped_config_dir())
    written = config.positions["workflows"].root.data
    for section in ("phases", "workflows"):
        for name, executable in written[section].items():
            assert {"execution_mode", "max_workers"} <= executable.keys(), name
    flows = config.workflows.workflows
    assert {name for name, flow in flows.items() if flow.schedule and not flow.schedule.depends_on_games} == {
        "morning_operations"
    }, "what the schedule of games comes from must not depend on it"
