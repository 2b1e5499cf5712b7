"""The commands that run the pipeline and look at it, called from Python: no Typer, no console, no process."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.config.command import SettingValue, explain_key, show_config, validate_config
from nbactl.cli.doctor.command import diagnose
from nbactl.cli.run.command import plan, run
from nbactl.cli.runs.command import (
    CancelRequest,
    LogRequest,
    RunListRequest,
    cancel_run,
    list_runs,
    read_log,
    show_runs,
)
from nbactl.cli.schedule.command import TickRequest, show_timetable, tick
from nbactl.cli.status.command import read_board, watch_board
from nbactl.config.settings import load_settings
from nbactl.core._support.aio import Cancellation
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import NotFoundError, PreconditionError, UsageError
from nbactl.workflows.model import RunRequest
from tests.kit.small_project import DATE, project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.workflows.model import RunEvent

DAY = GameDate(date.fromisoformat(DATE))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Container]:
    here = project(tmp_path / "project")
    given = {"config_dir": str(here.folder), "state_dir": str(here.state)}
    with Container(load_settings(given, {}, tmp_path)) as made:
        yield made


def test_a_request_is_planned_run_and_observed(app: Container) -> None:
    request = RunRequest(("second",), (DAY,))
    assert [planned.name for planned in plan(app, request)] == ["first", "second"]
    assert list(list_runs(app, RunListRequest()).runs) == [], "a plan changes nothing"
    events: list[RunEvent] = []
    alerts: list[str] = []
    report = run(app, request, observer=events.append, announce=alerts.append)
    assert [(ended.name, ended.status.value) for ended in report.runs] == [("first", "succeeded"), ("second", "failed")]
    assert [event.run.name for event in events if event.kind == "run_finished"] == ["first", "second"]
    assert [alert.splitlines()[0] for alert in alerts] == [
        f"alert (critical): second {DATE} failed: bad failed, after_bad skipped"
    ]
    found = list_runs(app, RunListRequest(limit=1))
    assert ([listed.run.name for listed in found.runs], found.total) == (["second"], 2)
    assert [(listed.run.name, listed.state) for listed in show_runs(app, "last").runs] == [
        ("first", "succeeded"),
        ("second", "failed"),
    ]
    assert [listed.run.name for listed in show_runs(app, report.runs[0].run_id).runs] == ["first"]
    group = report.runs[0].group
    assert group is not None
    assert list_runs(app, RunListRequest(group=group)).total == 2
    messages = [entry["message"] for entry in read_log(app, LogRequest("last", task="bad")).entries]
    assert "task failed" in messages


def test_a_run_is_stopped_by_its_cancellation_and_by_another_caller(app: Container) -> None:
    stop = Cancellation()

    def stop_at_slow(event: RunEvent) -> None:
        if event.kind == "task_started" and event.task is not None and event.task.name == "slow":
            stop.request("enough")

    (stopped,) = run(app, RunRequest(("sleepy",), (DAY,)), observer=stop_at_slow, cancellation=stop).runs
    assert (stopped.status.value, stopped.reason) == ("cancelled", "enough")
    assert cancel_run(app, CancelRequest("last")).already

    started = threading.Event()

    def tell(event: RunEvent) -> None:
        if event.kind == "task_started" and event.task is not None and event.task.name == "slow":
            started.set()

    worker = threading.Thread(target=lambda: run(app, RunRequest(("sleepy",), (DAY,)), observer=tell), daemon=True)
    worker.start()
    assert started.wait(20)
    assert cancel_run(app, CancelRequest("last", dry_run=True)).state == "running"
    done = cancel_run(app, CancelRequest("last", timeout=20.0))
    worker.join(20)
    assert (done.state, done.already) == ("cancelled", False)


def test_unknown_names_and_states_are_refused_with_the_closest(app: Container) -> None:
    with pytest.raises(NotFoundError) as name:
        list_runs(app, RunListRequest(name="frist"))
    assert name.value.next_step == "Did you mean 'first'?"
    assert list(list_runs(app, RunListRequest(name="first")).runs) == [], "declared, and never run"
    with pytest.raises(UsageError) as state:
        list_runs(app, RunListRequest(status="faild"))
    assert state.value.next_step == "Did you mean 'failed'?"
    run(app, RunRequest(("first",), (DAY,)))
    with pytest.raises(PreconditionError, match="it ended as succeeded"):
        cancel_run(app, CancelRequest("last"))


def test_the_board_is_read_and_watched(app: Container) -> None:
    def polls() -> Iterator[None]:
        yield
        yield
        run(app, RunRequest(("first",), (DAY,)))
        yield

    assert [phase.state for phase in read_board(app, DATE).phases] == ["missing", "missing"]
    boards = list(watch_board(app, DATE, polls()))
    assert [board.phases[0].state for board in boards] == ["missing", "succeeded"], "changes only"


def test_the_timetable_and_a_tick(app: Container) -> None:
    found = show_timetable(app, DAY, time(19, 0))
    assert found.first_game == datetime(2025, 1, 7, 0, 0, tzinfo=UTC)
    assert {row.name: row.reason for row in found.rows} == {"mixed": "by hand", "sleepy": "by hand"}
    looked = tick(app, TickRequest(dry_run=True))
    assert (looked.value("rollouts"), looked.value("outbox"), looked.error) == ([], None, None)
    assert tick(app, TickRequest(at=datetime(2025, 1, 7, tzinfo=UTC))).value("outbox") is None, "a time to try out"
    swept = tick(app, TickRequest()).value("outbox")
    assert (tuple(swept.published), dict(swept.failed)) == ((), {})


def test_the_configuration_is_shown_checked_and_explained(app: Container) -> None:
    values = {one.setting.name: (one.value, one.origin) for one in show_config(app).settings}
    assert values["state_dir"] == (str(app.settings.state_dir), "flag")
    assert values["target"] == ("local", "default")
    assert validate_config(app).counts["workflows"] == {"tasks": 4, "phases": 2, "workflows": 2}
    setting = explain_key(app, "NBACTL_TARGET")
    assert isinstance(setting, SettingValue)
    assert setting.value == "local"
    key = explain_key(app, "phases.second.needs")
    assert not isinstance(key, SettingValue)
    assert tuple(key.value) == ("first",)


def test_the_installation_is_examined(app: Container) -> None:
    found = diagnose(app)
    assert found.failed == ()
    assert found.summary["ok"] >= 5
    assert sum(found.summary.values()) == len(found.findings)
