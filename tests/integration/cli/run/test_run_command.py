from __future__ import annotations

import json
import shlex
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.small_project import DATE, Project, project, wait_for_line

if TYPE_CHECKING:
    from pathlib import Path

DAY = ("--date", DATE)


@pytest.fixture
def here(tmp_path: Path) -> Project:
    return project(tmp_path / "project")


def test_a_good_run_shows_its_tasks_and_where_to_look(here: Project) -> None:
    done = here.run("run", "first", *DAY)
    head, columns, row = done.stdout.splitlines()
    assert head.startswith(f"first {DATE} ✓ succeeded  run-")
    assert columns.split() == ["TASK", "STATE", "ROWS", "ATTEMPTS", "TOOK", "REMARK"]
    assert row.split()[:5] == ["good", "✓", "succeeded", "3", "1"]
    assert "good succeeded 3 rows" in done.stderr
    assert "nbactl runs gantt last" in done.stderr


def test_with_json_stdout_is_one_document_with_the_promised_keys(here: Project) -> None:
    done = here.run("run", "second", *DAY, "-o", "json", code=1)
    document = json.loads(done.stdout)
    assert document["schema"] == "nbactl/run/v1"
    assert document["ok"] is False
    assert document["error"]["code"] == "run_failed"
    assert document["error"]["cause"] == "bad: bad cannot <go> on: It never could."
    assert document["error"]["next"].splitlines()[-2].startswith("Look: nbactl runs show run-")
    first, second = document["data"]["runs"]
    assert (first["name"], first["status"]) == ("first", "succeeded"), "what it needs ran first"
    assert document["run_id"] == second["run_id"]
    assert {task["name"]: task["status"] for task in second["tasks"]} == {"bad": "failed", "after_bad": "skipped"}
    assert first["group"] == second["group"] is not None


def test_the_envelope_names_the_last_run_that_there_is(here: Project) -> None:
    file = here.folder / "workflows.yaml"
    third = "  third: {description: Waits, service: none, topic: none, needs: [second], tasks: [slow]}\nworkflows:"
    file.write_text(file.read_text().replace("workflows:", third, 1))
    document = json.loads(here.run("run", "third", *DAY, "-o", "json", code=1).stdout)
    *_, failed, skipped = document["data"]["runs"]
    assert (failed["status"], skipped["status"], skipped["run_id"]) == ("failed", "skipped", None)
    assert document["run_id"] == failed["run_id"]


def test_quiet_says_nothing_but_what_went_wrong(here: Project) -> None:
    assert here.run("run", "first", *DAY, "-q").stderr == ""
    quiet = here.run("run", "second", *DAY, "-q", code=1).stderr
    assert quiet.startswith(f"alert (critical): second {DATE} failed: bad failed, after_bad skipped\n")
    assert "bad started" not in quiet


def test_verbose_shows_the_log_instead_of_the_progress(here: Project) -> None:
    said = here.run("run", "first", *DAY, "-v").stderr
    assert f"good: writing  day={DATE}" in said
    assert "in detail" not in said
    assert "in detail" in here.run("run", "first", *DAY, "-vv", "--force").stderr


def test_failed_optional_tasks_end_with_3_and_alert_on_the_channels_of_their_rule(here: Project) -> None:
    done = here.run("run", "mixed", *DAY, code=3)
    assert "◐ partial" in done.stdout
    assert "alert" not in done.stderr, "run_partial goes to the log alone"
    log = here.run("runs", "logs", "last").stdout
    assert f"WARNING mixed: mixed {DATE} partial: bad failed  alert=run_partial" in log


def test_a_finished_date_is_skipped_and_force_runs_it_again(here: Project) -> None:
    (first,) = here.data("run", "first", *DAY)["runs"]
    (again,) = here.data("run", "first", *DAY)["runs"]
    assert (again["status"], again["run_id"]) == ("skipped", first["run_id"])
    told = here.run("run", "first", *DAY)
    assert f"finished by {first['run_id']}" in told.stdout
    assert "--force" in told.stderr
    (forced,) = here.data("run", "first", *DAY, "--force")["runs"]
    assert forced["status"] == "succeeded"
    assert forced["run_id"] != first["run_id"]


def test_a_dry_run_shows_the_plan_and_leaves_no_file(here: Project) -> None:
    text = here.run("run", "second", *DAY, "--dry-run").stdout
    assert "LEVEL  TASK" in text
    assert [line.split() for line in text.splitlines() if "after_bad" in line] == [
        ["2", "after_bad", "yes", "5m00s", "1", "run", "bad"]
    ]
    assert [plan["name"] for plan in here.data("run", "second", *DAY, "--dry-run")["plan"]] == ["first", "second"]
    assert not here.state.exists()


def test_a_plan_for_gcp_needs_no_cloud(here: Project) -> None:
    (plan,) = here.data("run", "first", *DAY, "--dry-run", "--target", "gcp")["plan"]
    assert plan["tasks"][0]["work"] == {"kind": "service", "target": "writers"}


def test_ctrl_c_records_what_is_done_and_prints_a_command_that_resumes(here: Project) -> None:
    process = here.start("run", "sleepy", *DAY)
    wait_for_line(process, "slow started")
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "good       ✓ succeeded" in out
    resume = next(line for line in said.splitlines() if "Resume: " in line).partition("Resume: ")[2]
    assert resume == f"nbactl run sleepy --date {DATE}"
    (plan,) = here.data(*shlex.split(resume)[1:], "--dry-run")["plan"]
    assert plan["resumed_from"] is not None
    assert [task["carried_from"] is not None for task in plan["tasks"]] == [True, False, False]


def test_sigterm_ends_with_143(here: Project) -> None:
    process = here.start("run", "sleepy", *DAY, "-o", "json")
    wait_for_line(process, "slow started")
    process.terminate()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 143
    document = json.loads(out)
    assert document["error"]["code"] == "interrupted"
    assert document["data"]["runs"][0]["status"] == "cancelled"


def test_a_second_start_is_refused_with_6_and_names_the_holder(here: Project) -> None:
    process = here.start("run", "sleepy", *DAY)
    wait_for_line(process, "slow started")
    refused = here.run("run", "sleepy", *DAY, code=6)
    assert f"pid {process.pid}" in refused.stderr
    process.terminate()
    process.communicate(timeout=30)


USAGE: list[tuple[list[str], int, str]] = [
    (["frist"], 4, "Did you mean 'first'?"),
    (["dayly"], 4, "Did you mean 'daily'?"),
    (["first", "--only", "goood"], 2, "Did you mean 'good'?"),
    (["first", "--date", DATE, "--from", DATE], 2, "--date does not go together"),
    (["first", "--resume", "last", "--force"], 2, "does not go together"),
    (["first", "--date", DATE, "--resume", "last"], 4, "nothing to resume"),
    (["first", "--no-wait"], 2, "--no-wait does not work"),
    (["first", "--max-workers", "0"], 2, "max-workers"),
    (["first", "--mode", "both"], 2, "parallel"),
    (["first", "--timeout", "10"], 2, "is not a valid duration"),
    (["first", "--source", "path:/does/not/exist"], 4, "/does/not/exist"),
    ([], 2, "Missing argument"),
]


@pytest.mark.parametrize(("arguments", "code", "told"), USAGE)
def test_a_wrong_call_says_what_to_do(here: Project, arguments: list[str], code: int, told: str) -> None:
    refused = here.run("run", *arguments, code=code)
    assert told in refused.stderr
    assert refused.stdout == ""


def test_a_range_is_one_group_and_ends_with_the_worst_code(here: Project) -> None:
    span = ("--from", "2025-01-05", "--to", "2025-01-07")
    runs: list[dict[str, Any]] = here.data("run", "first", *span)["runs"]
    assert [run["status"] for run in runs] == ["succeeded"] * len(runs)
    assert len({run["group"] for run in runs}) == 1
    assert [run["game_date"] for run in runs] == sorted(run["game_date"] for run in runs)
    assert len(here.data("run", "mixed", *span, code=3)["runs"]) == 3
