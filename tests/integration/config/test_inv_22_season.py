"""Every key of `season:` is heeded (invariant 22)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.config.keys import proves
from tests.integration.config.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SEASON = "workflows.yaml: season.*."


@proves(*(f"{SEASON}{key}" for key in ("first", "last", "breaks[].first", "breaks[].last", "breaks[].reason")))
def test_inv_22_dates_of_a_season_and_its_breaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(tmp_path, capsys)

    def days(first: str, last: str) -> list[tuple[str, str | None]]:
        found = project.command("season", "show", "--from", first, "--to", last)["data"]["days"]
        return [(day["state"], day["reason"]) for day in found]

    pause = {"first": "2024-12-11", "last": "2024-12-12", "reason": "storm"}
    project.workflows["season"] = {"2024-25": {"first": "2024-12-10", "last": "2024-12-13", "breaks": [pause]}}
    before, after = "season 2024-25 begins on 2024-12-10", "season 2024-25 ended on 2024-12-13"
    assert days("2024-12-09", "2024-12-14") == [
        ("off_season", before), ("expected", None), ("break", "storm"), ("break", "storm"), ("expected", None),
        ("off_season", after),
    ]  # fmt: skip
