"""The migration of completions under 50 live writers, with its commands killed: 0 lost, 0 counted twice."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.kit.budget import THOROUGH
from tests.kit.engines import Engine
from tests.proof.live import LiveSystem
from tests.proof.operator import Operator, configuration
from tests.proof.rounds import LEAST_KILLS, Rounds, named_instants

if TYPE_CHECKING:
    from pathlib import Path

PLAYERS = 250 if THOROUGH else 40
PAUSES = {"sqlite": 0.3, "firestore": 1.0}
"""Mean seconds between two messages of a writer: the emulator shares two cores with 50 writers."""


@pytest.fixture(params=["sqlite", "firestore"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "firestore":
        address: str = request.getfixturevalue("firestore_address")
        return Engine("firestore", f"stress-{uuid.uuid4().hex[:12]}", address)
    return Engine("sqlite", str(tmp_path / "state"))


@pytest.mark.timeout(1800 if THOROUGH else 600)
def test_inv_20_live_writers_lose_nothing_while_the_migration_is_killed(engine: Engine, tmp_path: Path) -> None:
    operator = Operator(engine, configuration(tmp_path / "config"))
    try:
        _play(operator, engine, tmp_path / "live")
    finally:
        sys.stdout.write("\n".join(operator.log))


def _play(operator: Operator, engine: Engine, folder: Path) -> None:
    with LiveSystem(engine, folder, players=PLAYERS, pause=PAUSES[engine.kind]) as live:
        rounds = Rounds(live, operator, thorough=THOROUGH)
        live.wait_for_work()
        all_rounds = (rounds.forward, rounds.back, rounds.to_the_end)
        # 50 writers keep the emulator from anything else for minutes: it takes the way forward.
        for play in all_rounds if THOROUGH or engine.kind == "sqlite" else all_rounds[:1]:
            before = sum(operator.kills.values())
            play()
            assert sum(operator.kills.values()) - before >= LEAST_KILLS, operator.kills
        live.stop()
        assert operator.until_done("--validate").data["consistent"]
        assert live.damages(array=False) == []
        assert live.completions() > 200
    if THOROUGH:
        assert set(operator.kills) == named_instants()
