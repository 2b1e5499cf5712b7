"""The migration on batches with everything that production's coordinator writes into them (invariant 29)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.completions.documents import batch_path
from tests.kit.migration import ALL

if TYPE_CHECKING:
    from tests.kit.migration import Lab


def production_fields(lab: Lab) -> dict[str, Any]:
    now = lab.clock.now()
    return {
        "created_at": now,
        "dataset_prefix": "",
        "last_updated": now,
        "created_by_instance": "coordinator-00042-abc",
        "claimed_by_instance": "coordinator-00042-abc",
        "claim_expires_at": now + timedelta(minutes=5),
        "stall_completed": False,
        "stall_reason": None,
        "of_a_later_program": {"a": [1, {"b": now}]},
    }


@pytest.mark.parametrize("noted", [{}, {"p1": 3}, ...], ids=["an empty map", "a map", "no map"])
def test_inv_29_a_batch_of_the_coordinator_goes_the_whole_way(lab: Lab, noted: Any) -> None:
    """An old batch: it lacks its counters and `updated_at`."""
    theirs = production_fields(lab)
    lacking = {"total_predictions": ..., "completed_count": ...}
    lab.batch("b1", ["p1", "p2"], predictions_by_player=noted, failed_players=["p3"], **lacking, **theirs)
    assert lab.migration.compare(ALL, lab.caller).findings.unreadable == []
    for stage in ("dual_write", "backfilled", "validated", "reads_switched", "dual_write_stopped", "cleaned"):
        lab.to(stage)
        progress = lab.tracker().progress("b1")
        assert (progress.completed, progress.failed) == (2, ("p3",))
    found = lab.store.get(batch_path("b1"))
    assert found is not None
    assert {name: found.data[name] for name in theirs} == theirs
    assert lab.counter("b1") == 2


def test_a_completion_makes_an_old_batch_known_to_the_rule_of_stalled_batches(lab: Lab) -> None:
    lab.batch("b1", ["p1"], expected_players=5, **production_fields(lab))
    found = lab.store.get(batch_path("b1"))
    assert found is not None
    assert "updated_at" not in found.data
    lab.tracker().record_completion("b1", "p2", 5)
    found = lab.store.get(batch_path("b1"))
    assert found is not None
    assert found.data["updated_at"] == found.data["updated_at"].astimezone()


def test_what_was_counted_beside_the_total_counts_with_it(lab: Lab) -> None:
    lab.batch("b1", ["p1"], total_predictions=3, total_predictions_subcoll=4, **production_fields(lab))
    assert lab.tracker().progress("b1").predictions == 7
    lab.to("reads_switched")
    assert lab.tracker().progress("b1").predictions == 7


def test_a_batch_that_was_closed_by_a_stall_stays_closed(lab: Lab) -> None:
    fields = production_fields(lab) | {"stall_completed": True, "stall_reason": "97% and quiet", "is_complete": True}
    lab.batch("b1", ["p1", "p2"], expected_players=3, **fields | {"completion_time": lab.clock.now()})
    lab.to("reads_switched")
    progress = lab.tracker().progress("b1")
    assert (progress.is_complete, progress.missing) == (True, 1)
