"""The jitter of a timeout is heeded by what is done again and again (invariant 22)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from nbactl.core._support.durations import Interval
from tests.integration.config.keys import proves
from tests.integration.config.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@proves("timeouts.yaml: timeouts.*.jitter")
def test_inv_22_jitter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(tmp_path, capsys)
    rng = random.Random(1)
    assert {project.load().timeouts.interval("breakers.sync").pause(rng) for _ in range(3)} == {60.0}
    project.timeouts["timeouts"]["breakers.sync"]["jitter"] = 0.1
    interval = project.load().timeouts.interval("breakers.sync")
    assert interval == Interval(60.0, 0.1)
    pauses = [interval.pause(rng) for _ in range(1000)]
    assert min(pauses) >= 54.0
    assert max(pauses) <= 66.0
    assert max(pauses) - min(pauses) > 10.0
    assert [interval.pause(random.Random(7)) for _ in range(2)] == [interval.pause(random.Random(7))] * 2
    project.timeouts["timeouts"]["breakers.sync"]["jitter"] = 1.0
    assert project.problems() == ["timeouts.breakers.sync.jitter is 1.0: must be below 1."]
