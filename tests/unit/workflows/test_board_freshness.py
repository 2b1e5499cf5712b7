"""What the board says of a date whose data, code or output are no longer those of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.cli.status.view import board as status_view
from nbactl.cli.status.view import show_board
from nbactl.workflows.board import Boards
from tests.kit.shown import screen
from tests.kit.versioned import Project
from tests.kit.workflow import DAY

if TYPE_CHECKING:
    from nbactl.workflows.board import Board, PhaseLine


def line(of: Board, name: str) -> PhaseLine:
    return next(phase for phase in of.phases if phase.name == name)


def board_of(project: Project) -> Board:
    harness = project.harness
    freshness = harness.runner.planner.freshness
    boards = Boards(harness.workflows, {}, harness.ledger, "local", tuple, freshness)
    return boards.draw(DAY, "sample", harness.clock.now())


def test_what_changed_since_is_stale_with_its_reason_and_ends_with_3() -> None:
    project = Project()
    project.run("phase3")
    assert [phase.state for phase in board_of(project).phases] == ["succeeded"] * 3 + ["missing"]
    project.source(DAY, "new")
    drawn = board_of(project)
    assert (line(drawn, "phase1").state, line(drawn, "phase1").reason) == ("stale", "the source changed")
    assert line(drawn, "phase2").state == "succeeded"
    assert line(drawn, "phase4").waits_for == ()
    shown = status_view(drawn)
    assert (drawn.wrong, shown.exit_code) == (False, 3)
    assert shown.error is not None
    assert shown.error.message == f"{DAY}: 1 stale (phase1)"


def test_inv_25_an_output_that_is_gone_is_wrong() -> None:
    project = Project()
    project.run("phase3")
    del project.shelf.values["sum.player", DAY.day]
    drawn = board_of(project)
    assert (line(drawn, "phase3").state, line(drawn, "phase3").gone) == ("stale", True)
    shown = status_view(drawn)
    assert (drawn.wrong, shown.exit_code) == (True, 1)
    assert shown.error is not None
    assert shown.error.cause == f"sum.player {DAY} is gone"
    assert shown.error.next_step == f"Run what is left: nbactl run phase3 --date {DAY}"


def test_a_date_that_lacks_games_is_incomplete_and_names_them() -> None:
    project = Project()
    project.shelf.lacks[DAY.day] = ("BOS at MIA is not over",)
    project.run("phase3")
    drawn = board_of(project)
    assert (line(drawn, "phase1").state, line(drawn, "phase1").reason) == ("incomplete", "BOS at MIA is not over")
    assert status_view(drawn).exit_code == 3
    assert "BOS at MIA is not over" in screen(lambda console: show_board(console, drawn))


def test_a_board_whose_versions_cannot_be_asked_says_so() -> None:
    project = Project()
    project.run("phase3")
    project.shelf.away = True
    drawn = board_of(project)
    assert [phase.state for phase in drawn.phases] == ["succeeded"] * 3 + ["missing"]
    assert list(status_view(drawn).warnings) == ["freshness was not checked: the shelf is away"]
