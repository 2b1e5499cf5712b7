"""A closed gate says how long to wait, or which command to run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from nbactl.migrations.completions.gates import gates_of
from nbactl.migrations.model import MigrationState, Validation
from nbactl.testing import FakeClock
from tests.kit.migration import DAY, LIMITS

NOW = FakeClock().now()


def closed(action: str, state: MigrationState) -> dict[str, tuple[str, str]]:
    """Return what is missing and what to do about it, by gate."""
    gates = gates_of(action, state, LIMITS, NOW, max_age=LIMITS.max_age)
    return {gate.name: (gate.missing, gate.provide) for gate in gates if gate.missing is not None}


def state(stage: str, *, days: float, settle: float = 0.0, drift: float | None = None) -> MigrationState:
    """Return a migration in `stage` for so many days, validated just now."""
    proof = Validation(NOW, NOW, stage, True, "0", 1, 1, 0)  # noqa: FBT003 - in order
    return MigrationState(
        "completions",
        stage,
        "local",
        changed_at=NOW - timedelta(days=days),
        settle_until=NOW + timedelta(seconds=settle),
        last_validation=proof,
        drift_at=None if drift is None else NOW - timedelta(days=drift),
    )


def test_the_time_that_is_left_is_said() -> None:
    assert closed("stop-dual-write", state("reads_switched", days=8)) == {}
    assert closed("stop-dual-write", state("reads_switched", days=8, settle=16)) == {
        "settled": (
            "some writers may not know of the last step for another 16s",
            "Wait 16s, then run the same command again.",
        )
    }
    found = closed("stop-dual-write", state("reads_switched", days=5))
    assert LIMITS.reads_bake == 7 * DAY
    assert found == {
        "bake": (
            "reads have been on the subcollection for only 5d00h of 7d00h",
            "Wait 2d00h; watch: nbactl migrate completions --validate --watch",
        )
    }


def test_an_inconsistency_starts_the_waiting_time_again() -> None:
    found = closed("stop-dual-write", state("reads_switched", days=8, drift=1))
    assert found == {
        "drift": (
            "an inconsistency was seen 24h00m ago",
            "Wait 6d00h; watch: nbactl migrate completions --validate --watch",
        )
    }


def test_a_failed_validation_leads_to_the_repair() -> None:
    unproven = state("backfilled", days=1)
    assert closed("switch-reads", unproven)["stage"][1] == "First: nbactl migrate completions --validate"
    failed = replace(unproven, last_validation=Validation(NOW, NOW, "backfilled", False, "0", 1, 1, 3))  # noqa: FBT003
    assert closed("switch-reads", failed)["stage"][1] == (
        "Repair what the validation found (nbactl migrate completions --repair --dry-run), then validate again."
    )
