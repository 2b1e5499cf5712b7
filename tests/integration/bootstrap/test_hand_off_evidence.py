"""What shows the orchestrator that the next phase began, and what does not (invariant 26)."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap.services import make_services
from nbactl.ports.documents import Set
from tests.kit.engines import Engine
from tests.kit.handoffs import DATE, PHASE3_TOPIC
from tests.kit.orchestrated import Orchestrated, orchestrator
from tests.kit.production import DAY, NIGHT, PHASE3, PHASE4, RUN_HISTORY, put_rows, report, run_row
from tests.kit.run_records import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EARLIER, LATER = NIGHT - timedelta(minutes=1), NIGHT + timedelta(minutes=1)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Orchestrated]:
    with orchestrator(Engine("sqlite", str(tmp_path / "state")), tmp_path) as made:
        yield made


def write(night: Orchestrated, path: str, data: dict[str, Any]) -> None:
    night.app.documents.commit([Set(path, data)])


def reported(night: Orchestrated, at: datetime) -> None:
    write(night, f"phase4_completion/{DAY}", {PHASE4[0]: report(completed_at=at)})


def recorded(night: Orchestrated, at: datetime) -> None:
    begun = replace(run(name="phase4", status="running", started_at=at), game_date=DATE)
    night.app.ledger.start(begun, supersedes=None)


def batched(night: Orchestrated, at: datetime) -> None:
    write(night, "prediction_batches/old", {"game_date": DAY, "created_at": at.isoformat()})


@pytest.mark.parametrize(("at", "found"), [(LATER, "confirmed"), (EARLIER, "again")])
@pytest.mark.parametrize(
    ("names", "evidence"), [(PHASE3, reported), (PHASE3, recorded), (PHASE4, batched)], ids=["report", "run", "batch"]
)
def test_inv_26_evidence_is_what_came_after_the_decision(
    night: Orchestrated,
    names: tuple[str, ...],
    evidence: Callable[[Orchestrated, datetime], None],
    at: datetime,
    found: str,
) -> None:
    phase = "phase3" if names is PHASE3 else "phase4"
    for name in names:
        night.push(phase, name)
    evidence(night, at)
    assert found in night.later(minutes=10)


@pytest.mark.parametrize(("minute", "found"), [(1, "confirmed"), (-1, "again")])
def test_inv_26_on_gcp_the_run_history_of_production_is_evidence(
    tmp_path: Path, firestore_address: str, monkeypatch: pytest.MonkeyPatch, minute: int, found: str
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    engine = Engine("firestore", f"evidence-{minute + 1}-{tmp_path.name[-1]}", firestore_address)
    with closing(engine.open()), orchestrator(engine.another(), tmp_path) as night:
        row = run_row("PlayerDailyCacheProcessor", minute=minute, status="running")
        put_rows(night.app.warehouse, "nba_reference.processor_run_history", RUN_HISTORY, [row])
        for name in PHASE3:
            night.push("phase3", name)
        assert night.later(minutes=10) == [found]


def test_the_deadline_is_that_of_the_parameter(tmp_path: Path) -> None:
    variables: dict[str, Any] = {
        "ENABLE_PHASE2_COMPLETION_DEADLINE": "true",
        "PHASE2_COMPLETION_TIMEOUT_MINUTES": "10",
    }
    with orchestrator(Engine("sqlite", str(tmp_path / "state")), tmp_path, **variables) as night:
        night.push("phase2", "p2_schedule")
        assert night.later(minutes=9) == []
        assert night.later(minutes=1) == ["deadline_with_1_of_4"]
        assert night.keys(PHASE3_TOPIC) == [f"phase3/{DAY}/1"]


@pytest.mark.parametrize("minutes", ["0", "-5", "soon", "99999999999999999999"])
def test_a_deadline_that_is_none_leaves_the_usual_one(tmp_path: Path, minutes: str) -> None:
    variables = {"ENABLE_PHASE2_COMPLETION_DEADLINE": "true", "PHASE2_COMPLETION_TIMEOUT_MINUTES": minutes}
    with orchestrator(Engine("sqlite", str(tmp_path / "state")), tmp_path, None, **variables) as night:
        assert night.push("phase2", "p2_schedule") == 204
        assert night.later(minutes=29) == []
        assert night.later(minutes=1) == ["deadline_with_1_of_4"]


def test_a_sweep_in_the_background_reports_what_it_cannot_read_and_does_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    variables: dict[str, Any] = {"ENABLE_PHASE2_COMPLETION_DEADLINE": "true"}
    with orchestrator(Engine("sqlite", str(tmp_path / "state")), tmp_path, **variables) as night:
        night.push("phase2", "p2_schedule")
        write(night, "phase2_completion/a-nonsense", {"_next_check_at": NIGHT})
        night.clock.advance(1800)
        make_services(night.app, ["orchestrator"])
        [sweep] = [task for task in night.app._background if task._name == "hand-offs"]
        sweep._work()
        assert night.keys(PHASE3_TOPIC) == [f"phase3/{DAY}/1"]
        assert "'a-nonsense' is not a date" in caplog.text
