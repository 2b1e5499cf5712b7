"""`nbactl services scale|traffic|rollback`: what to expect, only revisions that are ready, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.cli.services.change.kit import WORKER, Project, undo_of
from tests.kit.cloud_run_server import LATEST, PINNED

R1, R2, R3 = (f"{WORKER}-0000{number}-{ending}" for number, ending in ((1, "abc"), (2, "oth"), (3, "oth")))


def answered(project: Project, revision: str, count: int, seconds: float = 2.0) -> None:
    """Have a revision answer requests an hour ago."""
    at = datetime.now(UTC) - timedelta(hours=1)
    project.monitoring.answered(WORKER, revision, at, [seconds * 1000] * count)


def three_revisions(project: Project) -> None:
    """Deploy twice more; the second of the three never served."""
    project.cloud.redeploy(WORKER)
    project.cloud.redeploy(WORKER)
    answered(project, R1, 300)
    answered(project, R3, 100)


def test_inv_13_scale_shows_what_to_expect_and_is_undone_byte_for_byte(project: Project) -> None:
    before = project.state()
    answered(project, R1, 10)
    data = project("scale", WORKER, "--min-instances", "2", "--max-instances", "40", "--concurrency", "5")
    assert [(each["setting"], each["before"], each["after"]) for each in data["changes"]] == [
        ("min_instances", 0, 2),
        ("max_instances", 20, 40),
        ("concurrency", 1, 5),
    ]
    # 2 vCPU and 2 GiB in us-west2: 2 * 4 * $0.0000035 * 730 h * 3,600 s.
    assert data["effects"][:4] == [
        "workers: 40 instances of 5 at once = 200 players, now 20",
        "players a minute: at most 6,000, now 600 (2 s each, measured)",
        (
            "minimum instances: 2 cost about $73.58 a month, now $0.00 "
            "(2 vCPU, 2 GiB; idle, request-based billing; prices of 2025-01-01)"
        ),
        "instances in the last 24h00m: none was measured",
    ]
    template = project.state()["template"]
    assert (template["scaling"], template["maxInstanceRequestConcurrency"]) == (
        {"maxInstanceCount": 40, "minInstanceCount": 2},
        5,
    )
    assert project.warnings == []
    project(*undo_of(data))
    assert project.state() == before


def test_what_to_expect_is_shown_once_with_the_question(project: Project) -> None:
    assert project.text("scale", WORKER, "--max-instances", "40").count("workers: ") == 1


def test_scale_without_measurements_does_not_guess_how_long_a_player_takes(project: Project) -> None:
    project.monitoring.refusals += [(403, "denied")] * 3
    shown = project.text("scale", WORKER, "--max-instances", "44", "--dry-run")
    assert "players a minute: not known, because no request was measured" in shown
    assert "nothing was measured: " in shown
    assert project("scale", WORKER, "--max-instances", "20")["changes"] == []


@pytest.mark.parametrize(
    "words", [(), ("--min-instances", "21"), ("--max-instances", "0"), ("--concurrency", "1001")], ids=" ".join
)
def test_a_scale_that_no_service_takes_is_refused(project: Project, words: tuple[str, ...]) -> None:
    project("scale", WORKER, *words, code=2)
    assert project.cloud.patches() == []


def test_traffic_goes_to_named_revisions_keeps_tags_and_is_undone_byte_for_byte(project: Project) -> None:
    three_revisions(project)
    project.cloud.services[WORKER]["traffic"] = [
        {"type": PINNED, "revision": R1, "percent": 100, "tag": "stable"},
        {"type": LATEST, "tag": "next"},
    ]
    project.cloud._finish(WORKER)
    before = project.state()
    data = project("traffic", WORKER, "--to", f"{R2}=10", "--to", "latest")
    (change,) = data["changes"]
    assert change["after"] == [
        {"revision": R2, "percent": 10, "tag": None},
        {"revision": None, "percent": 90, "tag": "next"},
        {"revision": R1, "percent": 0, "tag": "stable"},
    ]
    assert data["effects"] == [
        f"a new revision will get 90 %, until you move them: nbactl services traffic {WORKER} --to-latest"
    ]
    assert project.state()["template"] == before["template"]
    project(*undo_of(data))
    assert project.state() == before
    project("traffic", WORKER, "--to-latest")
    assert project("traffic", WORKER, "--to-latest")["changes"] == []
    assert project.state()["traffic"][0] == {"type": LATEST, "percent": 100, "tag": "next"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--to", "prediction-worker-00001-abd"), 4, "has no revision"),
        (("--to", R3), 6, f"the revision {R3} is not ready"),
        (("--to", f"{R1}=10"), 2, "add up to 10, not 100"),
        (("--to", f"{R1}=60", "--to", "latest=50"), 2, "add up to 110, not 100"),
        (("--to", f"{R1}=ten"), 2, "is not REVISION or REVISION=PERCENT"),
        ((), 2, "choose one of"),
    ],
)
def test_traffic_never_goes_to_what_is_not_there_or_not_ready(
    project: Project, words: tuple[str, ...], code: int, said: str
) -> None:
    three_revisions(project)
    project.cloud.revisions[R3]["conditions"] = [{"type": "Ready", "state": "CONDITION_FAILED", "message": "no port"}]
    error = project("traffic", WORKER, *words, code=code)
    assert said in error["message"]
    if code == 4:
        assert error["next"] == f"Did you mean '{R1}'?"
    assert project.cloud.patches() == []


def test_a_rollback_goes_to_the_newest_older_revision_that_is_ready_and_served(project: Project) -> None:
    three_revisions(project)
    before = project.state()
    shown = project.text("rollback", WORKER, "--dry-run")
    assert f"to {R1}: the newest one before that is ready and served (300 requests lately)" in shown
    assert f"{R2} had no requests lately" in shown
    data = project("rollback", WORKER, "--reason", "wrong numbers")
    assert data["services"][0]["status"] == "done"
    assert project.state()["traffic"] == [{"type": PINNED, "revision": R1, "percent": 100}]
    assert f"a new revision will get 0 %, until you move them: nbactl services traffic {WORKER}" in data["effects"][-1]
    assert f"{WORKER} has no older revision that is ready" in project("rollback", WORKER, code=6)["message"]
    project(*undo_of(data))
    assert project.state() == before
    project.cloud.revisions[R1]["conditions"] = [{"type": "Ready", "state": "CONDITION_FAILED", "message": "no port"}]
    assert f"the revision {R1} is not ready" in project("rollback", WORKER, "--revision", R1, code=6)["message"]
    assert project("rollback", WORKER)["effects"][0].startswith(f"to {R2}: the newest one that is ready; it had no")


def test_without_measurements_a_rollback_says_that_it_does_not_know_which_revisions_served(project: Project) -> None:
    three_revisions(project)
    project.monitoring.refusals += [(403, "denied")] * 3
    data = project("rollback", WORKER)
    assert project.state()["traffic"] == [{"type": PINNED, "revision": R2, "percent": 100}]
    assert data["effects"][0].startswith(f"to {R2}: ready, made ")
    assert any("it is not known which revisions served" in warning for warning in project.warnings)


def test_a_setting_of_the_service_as_a_whole_is_changed_and_undone_there(project: Project) -> None:
    project.cloud.services[WORKER]["scaling"] = {"minInstanceCount": 1}
    project.cloud.pin(WORKER)
    before = project.state()
    data = project("scale", WORKER, "--min-instances", "3")
    assert (project.state()["scaling"], project.state()["template"]) == ({"minInstanceCount": 3}, before["template"])
    assert "will get 0 %" not in project.text("scale", WORKER, "--min-instances", "4", "--dry-run")
    assert project.records()[0]["services"][0]["settings"]["service_wide"] == ["min_instances"]
    project(*undo_of(data))
    assert project.state() == before
