from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.testing import FakeClock, memory_documents
from tests.kit.migration import ALL, LIMITS, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUSPECTS = 50


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    clock = FakeClock()
    store = memory_documents(clock)
    yield Lab(store, tmp_path, clock=clock)
    store.close()


def test_however_many_batches_are_suspect_the_second_look_is_waited_for_once(lab: Lab) -> None:
    for number in range(SUSPECTS):
        lab.batch(f"b{number}", ["p1"], completed_count=7)
    before = lab.clock.monotonic()
    report = lab.migration.compare(ALL, lab.caller)
    assert len(report.findings.counter_drift) == SUSPECTS
    assert LIMITS.second_look <= lab.clock.monotonic() - before < 2 * LIMITS.second_look


def test_batches_in_progress_that_agree_are_not_waited_for(lab: Lab) -> None:
    for number in range(SUSPECTS):
        lab.batch(f"b{number}", ["p1"], expected_players=2)
    lab.to("validated")
    before = lab.clock.monotonic()
    gates = lab.migration.gates("switch-reads", compare_active=True)
    assert [gate.missing for gate in gates if gate.name == "active"] == [None]
    assert lab.clock.monotonic() == before
