"""When the outputs of a phase are due is what the file says (invariant 22), in Eastern wall-clock time."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.due import DueTime, DueTimes, due_at
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.core._support.gamedate import GameDate, parse_time_of_day
from nbactl.core.phases.modes import MODES
from tests.integration.config.keys import proves
from tests.integration.config.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core.phases.modes import Mode

DAY = GameDate(date(2025, 1, 15))


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Project:
    return Project(tmp_path, capsys)


def due(project: Project, mode: Mode, **times: Any) -> str:
    project.workflows["phases"]["first"]["due"] = {mode: times}
    phase = project.load().workflows.phases["first"]
    assert all(due_at(phase.due, DAY, other) is None for other in MODES if other != mode)
    return str(due_at(phase.due, DAY, mode))


@pytest.mark.parametrize("mode", MODES)
@proves(*(f"workflows.yaml: phases.*.due.{mode}.at" for mode in MODES))
@proves(*(f"workflows.yaml: phases.*.due.{mode}.days" for mode in MODES))
def test_inv_22_due_by_mode(project: Project, mode: Mode) -> None:
    assert due(project, mode, at="06:00") == "2025-01-15 11:00:00+00:00"
    assert due(project, mode, at="07:30") == "2025-01-15 12:30:00+00:00"
    assert due(project, mode, at="06:00", days=1) == "2025-01-16 11:00:00+00:00"
    assert due(project, mode, at="06:00", days=-1) == "2025-01-14 11:00:00+00:00"


def test_a_due_time_far_away_and_an_unknown_mode_are_refused(project: Project) -> None:
    project.workflows["phases"]["first"]["due"] = {"overnight": {"at": "06:00", "days": 8}}
    assert any("must be at most 7" in problem for problem in project.problems())
    project.workflows["phases"]["first"]["due"] = {"over_night": {"at": "06:00"}}
    assert any("overnight" in problem for problem in project.problems())


@pytest.mark.parametrize(
    ("day", "at", "utc"),
    [
        (date(2025, 3, 8), "06:00", "2025-03-09 10:00:00+00:00"),  # the clocks went forward at 02:00
        (date(2025, 3, 8), "02:30", "2025-03-09 07:30:00+00:00"),  # which is 03:30 that night
        (date(2025, 11, 1), "06:00", "2025-11-02 11:00:00+00:00"),  # they went back at 02:00
        (date(2025, 11, 1), "01:30", "2025-11-02 05:30:00+00:00"),  # the first time
    ],
)
def test_inv_14_a_due_time_holds_in_the_nights_of_daylight_saving(day: date, at: str, utc: str) -> None:
    times = DueTimes(overnight=DueTime(at=parse_time_of_day(at), days=1))
    assert str(due_at(times, GameDate(day), "overnight")) == utc


def test_the_shipped_phases_are_due_one_after_the_other() -> None:
    phases = load_config(shipped_config_dir()).workflows.phases
    for mode in MODES:
        times = [due_at(phase.due, DAY, mode) for phase in phases.values()]
        assert None not in times
        assert times == sorted(times, key=str)
    overnight = {name: str(due_at(phase.due, DAY, "overnight")) for name, phase in phases.items()}
    assert overnight["phase4"] == "2025-01-16 11:00:00+00:00", "06:00 the next morning"
    assert overnight["phase5"] == "2025-01-16 12:00:00+00:00", "07:00 the next morning"
