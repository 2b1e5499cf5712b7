"""What a person and a program are shown of tasks that are not fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.run.json import run_json
from nbactl.cli.run.plan_text import show_plan
from nbactl.cli.run.view import finished, planned
from nbactl.workflows.observers import RunAlerts
from tests.kit.shown import screen
from tests.kit.versioned import DAYS, Project
from tests.kit.workflow import DAY

if TYPE_CHECKING:
    from nbactl.ports.alerts import Alert


def test_a_dry_run_shows_the_state_and_the_reason_of_every_task() -> None:
    project = Project()
    project.run("phase3")
    project.source(DAY, "new")
    plans = project.harness.plan("phase3")
    phase1, phase2, _ = planned(plans).data["plan"]
    assert [(task["state"], task["reason"]) for task in phase1["tasks"]] == [
        ("stale", "stale: the source changed"),
        ("fresh", None),
    ]
    assert (phase1["depends_on"], phase2["depends_on"]) == (None, f"phase1 {DAY}")
    text = screen(lambda console: show_plan(console, plans))
    assert "run: stale: the source changed" in text
    assert f"if phase1 {DAY} changes what it reads" in text


def test_a_task_in_the_ledger_has_its_versions_and_why_it_ran_again() -> None:
    project = Project()
    project.run("phase2")
    project.source(DAY, "new")
    report = project.run("phase2")
    load = run_json(report.runs[1])["tasks"][0]
    assert load["reason"] == f"stale: the raw file of box {DAY} changed"
    assert load["versions"] == {"code": "1", "reads": {"raw:box": "new"}, "writes": {"raw.box": "new"}}
    assert load["incomplete"] == []


def test_dates_that_a_run_made_stale_are_one_warning_with_the_command() -> None:
    project = Project()
    project.run("phase4", dates=DAYS)
    project.source(DAYS[0], "new")
    report = project.run("phase4", dates=DAYS[:1])
    view = finished(report, "again", "nbactl run phase4 --from A --to B")
    assert view.exit_code == 0
    stale = f"phase3 {DAYS[1]}, phase4 {DAYS[1]}, phase3 {DAYS[2]} and 3 more"
    (warning,) = view.warnings
    assert warning == f"no longer fresh: {stale}; bring up to date: nbactl run phase4 --from A --to B"


def test_a_run_that_lacks_games_names_them_in_its_error_and_in_its_alert() -> None:
    project = Project()
    project.shelf.lacks[DAY.day] = ("BOS at MIA is not over",)
    alerts: list[Alert] = []
    observer = RunAlerts(project.harness.workflows.alerts, lambda alert, _: alerts.append(alert))
    harness = project.harness
    report = harness.runner.execute(harness.request("phase1"), observer=observer, cancellation=harness.cancellation)
    view = finished(report, "nbactl run phase1")
    assert view.error is not None
    assert (view.exit_code, view.error.cause) == (3, "BOS at MIA is not over")
    assert str(view.error.next_step).endswith("Collect again when the source has more: nbactl run phase1")
    assert alerts[0].title == f"phase1 {DAY} partial: BOS at MIA is not over"


def test_nothing_to_do_is_said_of_what_is_fresh() -> None:
    project = Project()
    project.run("phase2")
    report = project.run("phase2")
    shown = screen(lambda console: finished(report, "again").show(console))
    assert "skipped  finished by" in shown
