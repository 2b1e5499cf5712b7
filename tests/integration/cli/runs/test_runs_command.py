from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.kit.small_project import DATE, Project, project, wait_for_line

if TYPE_CHECKING:
    from pathlib import Path

DAY = ("--date", DATE)


@pytest.fixture
def here(tmp_path: Path) -> Project:
    return project(tmp_path / "project")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which first succeeded, then second failed."""
    made = project(tmp_path_factory.mktemp("ran") / "project")
    made.run("run", "second", *DAY, code=1)
    return made


def test_the_list_is_newest_first_and_filtered(ran: Project) -> None:
    def names(*filters: str) -> list[str]:
        return [run["name"] for run in ran.data("runs", "list", *filters)["runs"]]

    assert names() == ["second", "first"]
    assert names("--status", "failed") == ["second"]
    assert names("--name", "first", "--since", "1h") == ["first"]
    assert names("--date", "2025-01-05") == []
    assert names("--since", "today", "--limit", "1") == ["second"]
    lines = ran.run("runs", "list", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["second", "first"]


def test_reading_an_empty_ledger_makes_no_files(here: Project) -> None:
    empty = here.run("runs", "list")
    assert (empty.stdout, empty.stderr) == ("", "No runs yet.\n")
    assert here.data("runs", "list")["runs"] == []
    here.run("runs", "show", "last", code=4)
    assert not here.state.exists()


def test_a_run_is_found_by_id_by_its_beginning_and_as_last(ran: Project) -> None:
    newest, first = ran.data("runs", "list")["runs"]
    assert ran.data("runs", "show", "last")["run"]["run_id"] == newest["run_id"]
    assert ran.data("runs", "show", first["run_id"])["run"]["name"] == "first"
    assert ran.data("runs", "show", first["run_id"][:-1])["run"]["name"] == "first"
    assert "2 runs begin with" in ran.run("runs", "show", first["run_id"][:6], code=2).stderr
    assert "runs list" in ran.run("runs", "show", "run-none", code=4).stderr


def test_inv_17_show_names_cause_next_step_and_with_v_the_traceback(ran: Project) -> None:
    shown = ran.run("runs", "show", "last").stdout
    assert "bad: DataError: bad cannot <go> on" in shown
    assert "cause: It never could." in shown
    assert "next:  Leave it out." in shown
    assert "Traceback" not in shown
    assert "small_project_tasks.py" in ran.run("runs", "show", "last", "-v").stdout
    (task, _) = ran.data("runs", "show", "last")["run"]["tasks"]
    assert "Traceback" in task["error"]["traceback"]


def test_inv_17_the_log_has_the_context_and_the_traceback(ran: Project) -> None:
    entries = ran.data("runs", "logs", "last", "--level", "error")["entries"]
    failure = entries[0]
    assert failure["message"] == "task failed"
    assert failure["labels"].keys() >= {"run_id", "workflow", "task", "game_date", "correlation_id"}
    assert "cannot <go> on" in failure["stack_trace"]
    said = ran.run("runs", "logs", "last", "--task", "bad").stdout
    assert "task started" in said
    assert "after_bad" not in said


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["list", "--status", "faild"], 2, "Did you mean 'failed'?"),
        (["list", "--name", "secnd"], 4, "Did you mean 'second'?"),
        (["list", "--name", "daily"], 4, "one run for each phase"),
        (["list", "--since", "7x"], 2, "not a valid duration"),
        (["logs", "last", "--level", "warn"], 2, "Did you mean 'warning'?"),
        (["logs", "last", "--task", "badd"], 4, "Did you mean 'bad'?"),
        (["cancel", "last"], 6, "is not running: it ended as failed"),
        (["gantt", "last", "--html", "."], 2, "is a directory"),
        (["gantt", "last", "--html", "no/such/folder.html"], 2, "cannot be written"),
    ],
)
def test_a_wrong_call_says_what_to_do(ran: Project, arguments: list[str], code: int, told: str) -> None:
    assert told in ran.run("runs", *arguments, code=code).stderr


def test_the_timeline_goes_to_the_terminal_or_to_a_page(ran: Project, tmp_path: Path) -> None:
    drawn = ran.run("runs", "gantt", "last").stdout
    assert "✗ bad" in drawn
    assert "needs bad, which failed" in drawn
    page = tmp_path / "page.html"
    assert ran.data("runs", "gantt", "last", "--html", str(page))["html"] == str(page)
    text = page.read_text()
    assert "cannot &lt;go&gt; on" in text
    assert "<go>" not in text


def test_a_group_is_listed_shown_and_drawn_together(ran: Project, tmp_path: Path) -> None:
    second, first = ran.data("runs", "list")["runs"]
    assert first["group"] == second["group"] is not None
    assert [run["name"] for run in ran.data("runs", "list", "--group", first["group"])["runs"]] == ["second", "first"]
    assert [run["name"] for run in ran.data("runs", "show", "last")["runs"]] == ["first", "second"]
    assert [run["name"] for run in ran.data("runs", "show", first["run_id"])["runs"]] == ["first"]
    shown = ran.run("runs", "show", first["group"]).stdout
    assert shown.startswith(f"second {DATE}: 2 runs, {first['group']}\n")
    assert "run          " + first["run_id"] not in shown, "details of those that did not succeed only"
    assert "run          " + second["run_id"] in shown
    drawn = ran.run("runs", "gantt", "last").stdout
    for label in (f"✓ first {DATE}", f"✗ second {DATE}", "✓ good", "✗ bad"):
        assert label in drawn
    page = tmp_path / "group.html"
    ran.run("runs", "gantt", "last", "--html", str(page))
    assert "second 2025-01-06: 2 runs" in page.read_text()
    assert page.read_text().count("Timeline of the tasks") == 2
    assert "2 groups" not in ran.run("runs", "show", "group-none", code=4).stderr


@pytest.fixture(scope="module")
def ranged(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which first succeeded and second failed on four dates, and first ran alone after that."""
    made = project(tmp_path_factory.mktemp("ranged") / "project")
    made.run("run", "second", "--from", "2025-01-06", "--to", "2025-01-09", code=1)
    made.run("run", "first", "--date", "2025-01-10")
    return made


def test_a_range_is_one_line_of_the_list_unless_its_runs_are_asked_for(ranged: Project) -> None:
    listed = ranged.run("runs", "list")
    head, alone, group = (line.split() for line in listed.stdout.splitlines())
    assert head[:4] == ["RUN", "NAME", "DATE", "STATE"]
    assert alone[1:3] == ["first", "2025-01-10"]
    assert group[0].startswith("group-")
    assert group[1:7] == ["second", "2025-01-06", "to", "2025-01-09", "✗", "failed"]
    assert "4/8 runs" in listed.stdout
    assert listed.stderr == "List the runs of a group: nbactl runs list --group GROUP\n"
    (_, newest) = ranged.run("runs", "list", "--limit", "1").stdout.splitlines()
    assert newest.split()[1] == "first"
    for arguments in (("--expand",), ("--group", group[0]), ("--name", "first"), ("--date", "2025-01-06")):
        runs = ranged.data("runs", "list", *arguments)["runs"]
        assert len(ranged.run("runs", "list", *arguments).stdout.splitlines()) == 1 + len(runs)
    assert len(ranged.data("runs", "list")["runs"]) == 9, "programs get every run"


def test_a_range_is_summed_up_and_drawn_as_dates_and_phases(ranged: Project) -> None:
    group = ranged.data("runs", "list", "--expand", "--date", "2025-01-06")["runs"][0]["group"]
    shown = ranged.run("runs", "show", group).stdout.splitlines()
    assert shown[0] == f"second 2025-01-06 to 2025-01-09: 8 runs, {group}"
    assert [line.split()[:5] for line in shown[2:4]] == [["first", "4", "4", "0", "0"], ["second", "4", "0", "0", "4"]]
    assert [line.split()[:5] for line in shown[6:]] == [["2025-01-06", "and", "3", "more", "second"]]
    drawn = ranged.run("runs", "gantt", group).stdout.splitlines()
    assert drawn[1].split() == ["DATE", "FIRST", "SECOND"]
    assert [line.split()[0] for line in drawn[2:6]] == [f"2025-01-0{day}" for day in (6, 7, 8, 9)]
    assert all("✓" in line and "✗" in line for line in drawn[2:6])
    assert len(ranged.data("runs", "show", group)["runs"]) == 8


def test_a_list_that_is_cut_says_so(ran: Project) -> None:
    shown = ran.run("runs", "list", "--expand", "--limit", "1").stderr
    assert "Showing 1 of 2 runs. Use --limit to see more." in shown
    assert ran.run("runs", "list", "--expand", "--limit", "2").stderr == ""
    assert ran.data("runs", "list", "--limit", "1")["total"] == 2


def test_cancel_from_another_terminal_waits_for_the_end(here: Project) -> None:
    process = here.start("run", "sleepy", *DAY)
    wait_for_line(process, "slow started")
    assert "slow, after_bad" in here.run("runs", "cancel", "last", "--dry-run").stderr
    assert process.poll() is None, "a dry run changes nothing"
    (run_id,) = [run["run_id"] for run in here.data("runs", "list", "--status", "running")["runs"]]
    assert here.data("runs", "cancel", run_id)["run"]["status"] == "cancelled"
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert "was already cancelled" in here.run("runs", "cancel", run_id).stderr


def test_cancel_gives_up_waiting_with_8(here: Project) -> None:
    process = here.start("run", "sleepy", *DAY)
    wait_for_line(process, "slow started")
    process.send_signal(signal.SIGSTOP)
    assert "still running after" in here.run("runs", "cancel", "last", "--timeout", "300ms", code=8).stderr
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_inv_20_a_run_whose_process_was_killed_is_shown_as_interrupted(here: Project) -> None:
    process = here.start("run", "sleepy", *DAY)
    wait_for_line(process, "slow started")
    process.kill()
    process.communicate(timeout=30)
    (run,) = here.data("runs", "list", "--status", "interrupted")["runs"]
    assert run["status"] == "interrupted"
    assert here.data("runs", "list", "--status", "running")["runs"] == []
    assert "■ interrupted" in here.run("runs", "show", "last").stdout
    assert "process died" in here.run("runs", "cancel", "last", code=6).stderr
    assert here.run("runs", "logs", "last", "--follow").stdout.count("slow: task started") == 1


def test_following_a_log_ends_with_the_run(here: Project) -> None:
    process = here.start("run", "sleepy", *DAY)
    wait_for_line(process, "slow started")
    follower = here.start("runs", "logs", "last", "--follow", "-o", "jsonl")
    assert follower.stdout is not None
    assert json.loads(follower.stdout.readline())["message"] == "run started", "before the run has ended"
    process.terminate()
    process.communicate(timeout=30)
    rest, _ = follower.communicate(timeout=30)
    assert json.loads(rest.splitlines()[-1])["message"] == "run cancelled"
    assert follower.returncode == 0


def test_leaving_a_followed_log_is_no_failure(here: Project) -> None:
    process = here.start("run", "sleepy", *DAY)
    wait_for_line(process, "slow started")
    follower = here.start("runs", "logs", "last", "--follow")
    assert follower.stdout is not None
    assert "run started" in follower.stdout.readline()
    follower.send_signal(signal.SIGINT)
    follower.communicate(timeout=30)
    assert follower.returncode == 0
    process.terminate()
    process.communicate(timeout=30)
