from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from nbactl.cli.runs.gantt import Line, gantt_lines
from nbactl.cli.runs.timeline import timeline
from tests.kit.run_records import MIXED, at, run, task

if TYPE_CHECKING:
    from nbactl.workflows.model import RunRecord

WIDE = """\
                                ╷0         ╷0.5s       ╷1.0s      ╷1.5s       ╷2.0s
✓ team_offense_game_summary     █████████                                                    0.4s
✓ player_game_summary           ·········█████████████████████                               0.9s x2
✗ team_defense_game_summary     ██████████████████████████████████████████████████████████   2.5s x3
○ upcoming_player_game_context  · done in run-01jd3k9xq2m7s9
▸ upcoming_team_game_context    ···························▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒ 1.4s
- injury_report                 · needs team_defense_game_summary, which failed
  3 at once                     ▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅███▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▃▃"""


def drawn(record: RunRecord, width: int) -> str:
    return "\n".join(plain(line) for line in gantt_lines(record, at(2.6), width))


def plain(line: Line) -> str:
    return "".join(piece.text for piece in line)


def test_a_run_is_drawn_with_every_kind_of_task_on_one_axis() -> None:
    assert drawn(MIXED, 100) == WIDE


def test_on_a_terminal_too_narrow_for_bars_names_and_durations_remain() -> None:
    lines = drawn(MIXED, 30).splitlines()
    assert len(lines) >= len(MIXED.tasks)
    assert drawn(run(task("p2", "succeeded", 0, 2)), 12) == "✓ p2 2.0s"


def test_a_task_that_took_no_time_still_has_a_bar() -> None:
    assert "█" in drawn(run(task("quick", "succeeded", 1.0, 1.0), end=1.0), 60)


def test_a_run_that_took_no_time_at_all_is_drawn() -> None:
    assert "█" in drawn(run(task("quick", "succeeded", 0, 0), end=0), 60)


def test_a_run_in_which_nothing_ran_says_why() -> None:
    text = drawn(run(task("late", "skipped", reason="stopped before its turn"), status="cancelled"), 80)
    assert "stopped before its turn" in text
    assert "at once" not in text


def test_tasks_that_follow_one_another_are_not_at_once() -> None:
    chain = run(task("a", "succeeded", 0, 1), task("b", "succeeded", 1, 2), end=2)
    assert timeline(chain, at(2)).peak() == 1
    assert timeline(MIXED, at(2.6)).peak() == 3


@pytest.mark.parametrize(("seconds", "most"), [(0.004, 6), (0.9, 3), (7, 5), (61, 7), (3599, 4), (90_000, 9), (9e6, 5)])
def test_ticks_are_round_and_few(seconds: float, most: int) -> None:
    ticks = timeline(run(end=seconds), at(seconds)).ticks(most)
    assert ticks[0] == 0
    assert 1 <= len(ticks) <= most
    assert ticks[-1] <= seconds


times = st.floats(0, 5000, allow_nan=False)
tasks = st.builds(
    lambda name, status, begin, length: task(name, status, begin, begin + length),
    st.text("abc_é漢", min_size=1, max_size=40),
    st.sampled_from(["succeeded", "failed", "running", "timed_out", "cancelled"]),
    times,
    times,
)


@given(st.lists(tasks, max_size=6), st.integers(1, 250), times)
def test_no_line_is_wider_than_the_terminal_and_no_task_is_missing(rows: list[object], width: int, end: float) -> None:
    record = run(*rows, end=end)  # type: ignore[arg-type]
    lines = [plain(line) for line in gantt_lines(record, at(end), width)]
    assert all(cell_len(line) <= width for line in lines)
    assert sum(line[:1] in set("✓✗▸■") for line in lines) == len(rows)
