from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.cli.status.view import board_json, show_board
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.core.lease.leases import Lease, Leases
from nbactl.testing import FakeClock, memory_documents
from nbactl.workflows.board import Board, Boards, PhaseLine
from nbactl.workflows.freshness import Freshness, NoVersions
from nbactl.workflows.ledger import Ledger
from nbactl.workflows.settling import Settling
from tests.kit.run_records import START, at, run, task
from tests.kit.shown import screen

if TYPE_CHECKING:
    from nbactl.ports.documents import DocumentStore
    from nbactl.workflows.model import RunRecord

WORKFLOWS = load_config(shipped_config_dir()).workflows
LEASES = (
    Lease("old/2024-01-15", "host:boot:16:1:run-0", 1, at(-1)),
    Lease("other/2024-01-15", "host:boot:18:1:run-8", 2, at(3600)),
    Lease("phase1/2024-01-15", run().owner, 3, at(3600)),
)
FRESHNESS = Freshness(WORKFLOWS, "local", NoVersions, Settling(FakeClock(START), 28 * 3600.0))
PHASE1 = ("schedule", "player_boxscores", "injuries", "odds")


def ledger_of(*runs: RunRecord, dead: tuple[str, ...] = ()) -> Ledger:
    """A ledger of these runs; those whose id is in `dead` have lost their process."""
    clock = FakeClock(START)
    documents: DocumentStore = memory_documents(clock)
    leases = Leases(documents, clock, is_dead=lambda _: False)
    ledger = Ledger(documents, clock, is_dead=lambda owner: owner.rpartition(":")[2] in dead)
    for each in runs:
        own = replace(each, lease=f"{each.name}/{each.run_id}", owner=f"host:boot:17:1:{each.run_id}")
        ledger.start(own, supersedes=None)
        leases.acquire(own.lease, own.owner, 3600.0)
        if each.dismissed:
            ledger.dismiss([each.run_id], by="ann", reason=None)
    return ledger


def phase1(status: str, run_id: str = "run-1", begin: float = 0, **tasks: str) -> RunRecord:
    done = [task(name, tasks.get(name, "succeeded"), 0, 1, required=name in PHASE1[:2]) for name in PHASE1]
    end = None if status == "running" else at(begin + 2)
    return run(*done, run_id=run_id, name="phase1", status=status, started_at=at(begin), end=None, finished_at=end)


def board(*runs: RunRecord, dead: tuple[str, ...] = (), after: float = 60) -> Board:
    boards = Boards(WORKFLOWS, {"run.phase": 3600.0}, ledger_of(*runs, dead=dead), "local", lambda: LEASES, FRESHNESS)
    return boards.draw(run().game_date, "sample", at(after))


def line(of: Board, name: str) -> PhaseLine:
    return next(phase for phase in of.phases if phase.name == name)


def test_a_phase_without_a_run_is_missing_and_waits_for_the_one_before() -> None:
    empty = board()
    assert line(empty, "phase1").state == "missing"
    assert line(empty, "phase2").waits_for == ("phase1",)
    assert not empty.wrong


def test_a_phase_whose_tasks_run_as_services_only_is_unavailable_here() -> None:
    name = "player_prop_predictions"
    tasks = {**WORKFLOWS.tasks, name: WORKFLOWS.tasks[name].replaced(processor=None)}
    workflows = WORKFLOWS.replaced(tasks=tasks)
    boards = Boards(workflows, {"run.phase": 3600.0}, ledger_of(), "local", lambda: LEASES, FRESHNESS)
    assert line(boards.draw(run().game_date, "sample", at(60)), "phase5").state == "unavailable"


def test_done_is_judged_by_the_set_of_tasks_and_not_by_what_the_run_says() -> None:
    whole = board(phase1("succeeded"))
    assert line(whole, "phase1").state == "succeeded"
    assert line(whole, "phase2").waits_for == ()
    part = line(board(phase1("succeeded", odds="skipped")), "phase1")
    assert (part.state, part.missing) == ("partial", ("odds",))


def test_a_failed_or_dead_run_is_wrong() -> None:
    failed = board(phase1("failed", schedule="timed_out"))
    assert (line(failed, "phase1").state, line(failed, "phase1").failed) == ("failed", ("schedule",))
    assert failed.wrong
    dead = board(phase1("running", schedule="running"), dead=("run-1",))
    assert line(dead, "phase1").state == "interrupted"
    assert dead.wrong


def test_a_run_past_its_deadline_is_late_and_one_before_it_is_not() -> None:
    limit = "phase1_deadline"
    phase = WORKFLOWS.phases["phase1"].replaced(deadline=limit)
    workflows = WORKFLOWS.replaced(phases={**WORKFLOWS.phases, "phase1": phase})
    boards = Boards(
        workflows, {limit: 100.0}, ledger_of(phase1("running", schedule="running")), "local", tuple, FRESHNESS
    )
    for after, late in ((99, False), (101, True)):
        drawn = boards.draw(run().game_date, "sample", at(after))
        assert line(drawn, "phase1").late is late
        assert drawn.wrong is late
        assert line(drawn, "phase1").deadline == START + timedelta(seconds=100)


def test_failures_that_were_run_again_are_not_listed() -> None:
    first, again = phase1("failed", schedule="failed"), phase1("succeeded", "run-2", begin=10)
    other = replace(first, name="phase2", run_id="run-3", game_date=first.game_date.plus(-1))
    assert [each.run_id for each in board(first, again, other).failures] == ["run-3"]


def test_the_screen_names_what_is_wrong_and_who_is_at_work() -> None:
    drawn = board(
        phase1("failed", schedule="failed"), phase1("running", "run-9", begin=5, odds="running"), dead=(), after=65
    )
    text = screen(lambda console: show_board(console, drawn))
    assert text.startswith("2024-01-15  sample on local, at 23:01:06 Eastern\n")
    assert "phase1  ▸ running  3/4" in text
    assert "Running\n  phase1 2024-01-15  for 1m00s, pid 17 on host" in text
    assert "Leases without a running run\n  other/2024-01-15  pid 18 on host" in text
    assert "old/" not in text, "it ran out"


def test_the_json_names_every_phase_with_its_tasks() -> None:
    data = board_json(board(phase1("failed", schedule="failed")))
    assert data["wrong"] is True
    assert data["phases"][0] | {"deadline_at": None} == {
        "name": "phase1",
        "state": "failed",
        "reason": None,
        "late": False,
        "deadline_at": None,
        "run_id": "run-1",
        "tasks": list(PHASE1),
        "done": ["player_boxscores", "injuries", "odds"],
        "failed": ["schedule"],
        "missing": [],
        "waits_for": [],
        "by": None,
        "production": None,
    }
    assert data["counts"] == {"failed": 1}
    assert [each["run_id"] for each in data["failures"]] == ["run-1"]


def test_what_failed_on_other_dates_is_listed_and_does_not_decide() -> None:
    old = replace(phase1("failed", "run-0", begin=-90_000, schedule="failed"), game_date=run().game_date.plus(-1))
    drawn = board(old, phase1("succeeded"))
    assert [each.run_id for each in drawn.failures] == ["run-0"]
    assert drawn.failures[0].tasks, "with its tasks, which say why"
    assert not drawn.wrong


def test_a_failed_task_of_the_date_decides_though_it_is_no_phase() -> None:
    alone = replace(phase1("failed", "run-2", begin=5, schedule="failed"), name="team_offense", kind="task")
    drawn = board(phase1("succeeded"), alone)
    assert drawn.wrong
    assert board_json(drawn)["counts"] == {"failed": 1}
    assert [each["run_id"] for each in board_json(drawn)["failures"]] == ["run-2"]
    assert (
        board(phase1("succeeded"), alone, replace(alone, run_id="run-3", started_at=at(9))).failed[0].run_id == "run-3"
    )
    other_source = replace(alone, source="nba_api")
    assert not board(phase1("succeeded"), other_source).wrong
    assert [each.run_id for each in board(phase1("succeeded"), other_source).failures] == ["run-2"]


def test_a_dismissed_failure_is_neither_counted_nor_listed() -> None:
    gone = {"at": START, "by": "ann", "reason": None}
    failed = replace(phase1("failed", schedule="failed"), dismissed=gone)
    other = replace(failed, run_id="run-0", game_date=run().game_date.plus(-1))
    task_of_date = replace(failed, run_id="run-4", name="x", kind="task")
    drawn = board(failed, other, task_of_date)
    assert not drawn.wrong
    assert drawn.failures == ()
    assert line(drawn, "phase1").state == "failed", "it is shown as it is"
    assert "dismissed" in screen(lambda console: show_board(console, drawn))


def test_reasons_are_folded_to_eighty_columns() -> None:
    error = {"type": "DataError", "message": "the source does not answer what was asked for " * 4}
    old = replace(phase1("failed", "run-0", schedule="failed"), game_date=run().game_date.plus(-1))
    old = replace(old, tasks=tuple(replace(each, error=error) for each in old.tasks))
    text = screen(lambda console: show_board(console, board(old)))
    assert "run-0" in text
    assert max(map(len, text.splitlines())) <= 80
