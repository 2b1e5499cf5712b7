"""Times of day are HH:MM; everything else is refused with its place (invariant 21)."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

import pytest

from nbactl.config.loader import load_config
from nbactl.core._support.gamedate import parse_time_of_day
from tests.kit.config_files import edit, problems, small_config

if TYPE_CHECKING:
    from pathlib import Path

WRONG = [
    "22.30", "22:00Z", "22:00+01:00", "22:00-05:00", "22", "2230", "T22:30", "22:30:00", "22:30:15.5", "1:00", "1:0",
    "24:00", "22:60", " 22:30", "22:30 ", "10pm", "10:30 PM", "22h30", "٢٢:٣٠", "", "22:30 ET",
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_inv_21_any_other_form_is_refused_with_file_line_and_column(tmp_path: Path, text: str) -> None:
    edit(small_config(tmp_path), "workflows.yaml", 'at: "01:00"', f'at: "{text}"')
    (problem,) = problems(tmp_path)
    assert problem.startswith(f"workflows.yaml:50:20: workflows.at_night.schedule.at is '{text}': ")
    assert "write a time of day as HH:MM" in problem


@pytest.mark.parametrize("text", ["10:00Z", "10", "10.00"])
@pytest.mark.parametrize("side", ["start", "end"])
def test_inv_21_a_window_is_held_to_it_too(tmp_path: Path, side: str, text: str) -> None:
    was = {"start": 'start: "06:00"', "end": 'end: "10:00"'}[side]
    edit(small_config(tmp_path), "workflows.yaml", was, f'{side}: "{text}"')
    (problem,) = problems(tmp_path)
    assert f".{side} is '{text}': write a time of day as HH:MM" in problem
    assert problem.split(": ")[0].count(":") == 2


def test_a_number_without_quotes_is_refused(tmp_path: Path) -> None:
    edit(small_config(tmp_path), "workflows.yaml", 'at: "01:00"', "at: 22:30")
    loaded = load_config(tmp_path).workflows.workflows["at_night"].schedule if not problems(tmp_path) else None
    assert loaded is None or loaded.at == (time(22, 30),)


@pytest.mark.parametrize(("text", "expected"), [("00:00", time(0)), ("23:59", time(23, 59)), ("06:05", time(6, 5))])
def test_hours_and_minutes_are_read(text: str, expected: time) -> None:
    assert parse_time_of_day(text) == expected


@pytest.mark.parametrize("value", [*WRONG, None, 2230, 22.5, time(22, 30)])
def test_nothing_else_is(value: object) -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        parse_time_of_day(value)
