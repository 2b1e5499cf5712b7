"""A process that runs a prediction batch from its trigger to its end, and dies at a fault point: STORE FAULT."""

from __future__ import annotations

import sys
from dataclasses import replace

from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease.holder import is_dead, process_identity
from tests.kit.engines import open_engine
from tests.kit.prediction_night import LIMITS, TRIGGER, Night, player_inputs

ROSTER = {
    "ada": player_inputs("ada"),
    "bob": player_inputs("bob", games=200),
    "rookie": player_inputs("rookie", games=0),
}


def night(store: str) -> Night:
    """Return a process of the night. Rows that come late are looked for at once."""
    limits = replace(LIMITS, late=0.0)
    return Night(
        open_engine(store), SystemClock(), ROSTER, owner=process_identity("night"), is_dead=is_dead, limits=limits
    )


def live(one: Night) -> None:
    """Deliver all messages once."""
    one.coordinator.start(TRIGGER)
    one.work()
    one.hear()
    one.coordinator.sweep()
    one.outbox.sweep()


if __name__ == "__main__":
    faults.arm_from_environment(sys.argv[2])
    live(night(sys.argv[1]))
