"""A hand-off whose process is killed (SIGKILL) at each instant after the decision: the next phase starts, once."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.core._support.clock import SystemClock
from nbactl.testing import FakeClock
from tests.kit.bus import bus_at
from tests.kit.handoffs import PENDING, PHASE3_TOPIC, TOPICS, Night
from tests.kit.production import DAY, PHASE2
from tests.kit.warm import run_module

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kit.engines import Engine

POINTS = ("documents.before_commit", "phases.decided", "outbox.taken", "outbox.published", "phases.published")


@pytest.mark.needs("processes")
@pytest.mark.parametrize("point", POINTS)
def test_inv_07_inv_20_a_hand_off_survives_kill_9(engine: Engine, tmp_path: Path, point: str) -> None:
    file = tmp_path / "bus.db"
    with closing(engine.open()) as store, closing(bus_at(file, *TOPICS)) as bus:
        Night(store, clock=SystemClock(), bus=bus).report("phase2", *PHASE2[1:3])
        killed = run_module("tests.conformance.handoff_killed", engine.as_text(), str(file), point)
        assert killed.returncode == -9, killed.stderr
        later = FakeClock(SystemClock().now() + timedelta(seconds=PENDING))
        night = Night(store, clock=later, bus=bus)
        assert night.document("phase2").pending is (point != POINTS[0])
        night.report("phase2", PHASE2[0])  # the message was not acknowledged
        night.outbox.sweep()
        night.recorder.sweep()
        assert set(night.keys(PHASE3_TOPIC)) == {f"phase3/{DAY}/1"}
        document = night.document("phase2")
        assert (document.triggered, document.pending) == (True, False)
        assert not night.alerts
