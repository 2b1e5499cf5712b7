from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from nbactl.cli.status.view import board_json, show_board
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.core.lease.leases import Lease
from nbactl.testing import FakeClock
from nbactl.workflows.board import Board, Boards, PhaseLine
from nbactl.workflows.freshness import Freshness, NoVersions
from nbactl.workflows.model import RunStatus
from nbactl.workflows.settling import Settling
from tests.kit.run_records import START, at, run, task
from tests.kit.shown import screen

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.core._support.gamedate import GameDate
    from nbactl.workflows.model import RunRecord

WORKFLOWS = load_config(shipped_config_dir()).workflows
LEASES = (
    Lease("old/2024-01-15", "host:boot:16:1:run-0", 1, at(-1)),
    Lease("other/2024-01-15", "host:boot:18:1:run-8", 2, at(3600)),
    Lease("phase1/2024-01-15", run().owner, 3, at(3600)),
)
FRESHNESS = Freshness(WORKFLOWS, "local", NoVersions(), Settling(FakeClock(START), 28 * 3600.0))
PHASE1 = ("schedule", "player_boxscores", "injuries", "odds")


@dataclass
class Runs:
    """Runs in memory; those whose id is in `dead` have lost their process."""

    runs: list[RunRecord]
    dead: tuple[str, ...] = ()

    def list(
        self,
        name: str | None = None,
        date: GameDate | None = None,
        since: datetime | None = None,
        status: str | None = None,
        limit: int | None = 20,
    ) -> list[RunRecord]:
        assert (name, date, since) == (None, None, None)
        found = [each for each in self.runs if status in (None, self.state(each))]
        return sorted(found, key=lambda each: each.started_at, reverse=True)[:limit]

    def latest(self, name: str, game_date: GameDate, source: str) -> RunRecord | None:
        found = [each for each in self.list() if (each.name, each.game_date, each.source) == (name, game_date, source)]
        return found[0] if found else None

    def interrupted(self, run: RunRecord) -> bool:
        return self.state(run) == "interrupted"

    def state(self, run: RunRecord) -> str:
        return "interrupted" if run.run_id in self.dead and run.status is RunStatus.RUNNING else run.status.value


def phase1(status: str, run_id: str = "run-1", begin: float = 0, **tasks: str) -> RunRecord:
    done = [task(name, tasks.get(name, "succeeded"), 0, 1, required=name in PHASE1[:2]) for name in PHASE1]
    end = None if status == "running" else at(begin + 2)
    return run(*done, run_id=run_id, name="phase1", status=status, started_at=at(begin), end=None, finished_at=end)


def board(*runs: RunRecord, dead: tuple[str, ...] = (), after: float = 60) -> Board:
    boards = Boards(WORKFLOWS, {"run.phase": 3600.0}, Runs(list(runs), dead), "local", lambda: LEASES, FRESHNESS)
    return boards.draw(run().game_date, "sample", at(after))


def line(of: Board, name: str) -> PhaseLine:
    return next(phase for phase in of.phases if phase.name == name)


def test_a_phase_without_a_run_is_missing_and_waits_for_the_one_before() -> None:
    empty = board()
    assert line(empty, "phase1").state == "missing"
    assert line(empty, "phase2").waits_for == ("phase1",)
    assert line(empty, "phase5").state == "unavailable", "its tasks run as services only"
    assert not empty.wrong


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
    boards = Boards(workflows, {limit: 100.0}, Runs([phase1("running", schedule="running")]), "local", tuple, FRESHNESS)
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
    assert "phase1  ▸ running      3/4" in text
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
    }
    assert [each["run_id"] for each in data["failures"]] == ["run-1"]
