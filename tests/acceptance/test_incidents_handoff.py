"""Incidents of production that were about hand-offs, staged on production's documents: none can happen again."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from nbactl.config.loader import shipped_config_dir
from nbactl.errors import UnavailableError
from nbactl.ports.documents import Set
from nbactl.testing import faults
from tests.kit.engines import Engine
from tests.kit.handoffs import PHASE3_TOPIC, PHASE4_TOPIC, PHASE5_TOPIC, PHASE6_TOPIC
from tests.kit.orchestrated import Orchestrated, orchestrator
from tests.kit.production import DAY, NIGHT, PHASE2, PHASE3, PHASE4, phase_document, put, report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ON: dict[str, Any] = {"ENABLE_PHASE2_COMPLETION_DEADLINE": "true"}
TASKS2 = ("p2_schedule", "p2_player_boxscores", "p2_injuries", "p2_odds_player_props")


@pytest.fixture(params=["sqlite", "firestore"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    if request.param == "sqlite":
        return Engine("sqlite", str(tmp_path / "state"))
    address: str = request.getfixturevalue("firestore_address")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
    return Engine("firestore", f"incident-{uuid.uuid4().hex[:12]}", address)


@pytest.fixture
def night(engine: Engine, tmp_path: Path) -> Iterator[Orchestrated]:
    with orchestrator(engine, tmp_path) as made:
        yield made


def expecting(folder: Path, *names: str) -> Path:
    """Return a folder of YAML files in which phase 3 waits for these critical names as well."""
    folder.mkdir()
    for file in shipped_config_dir().glob("*.yaml"):
        (folder / file.name).write_text(file.read_text())
    workflows = yaml.safe_load((folder / "workflows.yaml").read_text())
    workflows["phases"]["phase3"]["expected"]["overnight"]["critical"] += names
    workflows["phases"]["phase3"]["tasks"] += [{"task": name, "required": False} for name in names]
    task = dict(workflows["tasks"]["player_game_summary"])
    workflows["tasks"] |= dict.fromkeys(names, task)
    (folder / "workflows.yaml").write_text(yaml.safe_dump(workflows, sort_keys=False))
    return folder


def test_incident_1_a_name_that_nobody_sends_is_an_alert_the_same_night(engine: Engine, tmp_path: Path) -> None:
    with orchestrator(engine, tmp_path, expecting(tmp_path / "config", "switched_off")) as night:
        assert [night.push("phase3", name) for name in PHASE3] == [204] * 5
        assert night.push("phase3", "player_game_sumary") == 400, "a wrong name is refused, into the dead letter"
        assert night.later(hours=2) == []
        assert not night.keys(PHASE4_TOPIC)
        wrong, stuck = night.alerts
        assert "'player_game_sumary' reported, and is not a declared name" in wrong.title
        assert (stuck.severity, stuck.fields["missing"]) == ("critical", "switched_off")


def test_incident_1_a_completion_deadline_goes_on_without_it(engine: Engine, tmp_path: Path) -> None:
    names = PHASE2[3:] if engine.capabilities.emulator else TASKS2[2:]
    with orchestrator(engine, tmp_path, **ON) as night:
        assert [night.push("phase2", name) for name in names] == [204, 204]
        assert night.later(minutes=29) == []
        total = 5 if engine.capabilities.emulator else 4
        assert night.later(minutes=1) == [f"deadline_with_2_of_{total}"]
        assert night.keys(PHASE3_TOPIC) == [f"phase3/{DAY}/1"]
        [alert] = night.alerts
        assert alert.fields["started"] == "phase3"
        assert len(alert.fields["missing"].split(", ")) == total - 2


def test_incident_2_a_second_writer_does_not_keep_the_phase_from_leading_on(night: Orchestrated) -> None:
    """All reports are in the document before their messages arrive, so that each message is a duplicate."""
    written = {name: report(minute=minute) for minute, name in enumerate(PHASE3)}
    put(night.app.documents, {f"phase3_completion/{DAY}": written})
    night.clock.advance(600)
    first: dict[str, Any] = {"execution_id": "exec-0", "timestamp": NIGHT.isoformat()}
    assert night.push("phase3", "PlayerGameSummaryProcessor", **first) == 204
    assert len(night.keys(PHASE4_TOPIC)) == 5
    for name in PHASE3[1:]:
        assert night.push("phase3", name) == 204
    assert len(night.keys(PHASE4_TOPIC)) == 5
    assert not night.alerts, "no back-up was needed"


def test_incident_7_five_of_five_with_0_rows_is_not_complete(night: Orchestrated) -> None:
    assert [night.push("phase4", name, rows=0) for name in PHASE4] == [204] * 5
    assert night.later(hours=3) == []
    assert not night.keys(PHASE5_TOPIC)
    [alert] = night.alerts
    assert alert.severity == "critical"
    assert set(alert.fields["missing"].split(", ")) == set(PHASE4)
    assert [night.push("phase4", name) for name in PHASE4] == [204] * 5, "the corrected processors run again"
    assert night.keys(PHASE5_TOPIC) == [f"phase5/{DAY}/1"]


def test_incident_7_so_is_a_document_that_another_program_filled_with_0_rows(night: Orchestrated) -> None:
    put(night.app.documents, {f"phase4_completion/{DAY}": {name: report(records=0) for name in PHASE4}})
    assert night.push("phase4", PHASE4[0]) == 204
    assert not night.keys(PHASE5_TOPIC)


def test_incident_14_a_message_that_is_lost_is_found_by_the_clock_at_each_boundary(night: Orchestrated) -> None:
    """Everything is published and nothing arrives; each phase leaves a trace only when its message came again."""
    documents = night.app.documents
    steps: dict[str, tuple[tuple[str, ...], str, str]] = {
        "phase3": (PHASE3[::-1], PHASE4_TOPIC, "phase4"),
        "phase4": (PHASE4, PHASE5_TOPIC, "phase5"),
        "phase5": (("player_prop_predictions",), PHASE6_TOPIC, "phase6"),
    }
    for phase, (names, topic, following) in steps.items():
        before = len(night.alerts)
        assert {night.push(phase, name) for name in names} == {204}
        first = len(night.keys(topic))
        assert first
        assert night.later(minutes=10) == ["again"]
        assert len(night.keys(topic)) == 2 * first
        assert [alert.severity for alert in night.alerts[before:]] == ["warning"]
        assert following in night.alerts[-1].title
        if following == "phase5":
            batch: dict[str, Any] = {"game_date": DAY, "created_at": night.clock.now()}
            documents.commit([Set(f"prediction_batches/batch_{DAY}_1", batch)])
        else:
            trace = {f"{following}_completion/{DAY}": {"_last_update": night.clock.now()}}
            put(documents, trace)
        assert night.later(minutes=10) == ["confirmed"]
        if following != "phase5":
            documents.commit([Set(f"{following}_completion/{DAY}", {})])
    assert night.later(hours=20) == []


def test_incident_14_so_is_one_that_production_decided_and_never_published(night: Orchestrated) -> None:
    lost: dict[str, Any] = {"_trigger_pending": True, "_trigger_pending_at": NIGHT, "_trigger_reason": "all_complete"}
    put(night.app.documents, {f"phase4_completion/{DAY}": phase_document(PHASE4, **lost)})
    night.clock.advance(3600)
    assert night.push("phase4", PHASE4[0], execution_id="exec-0") == 204
    assert night.later(seconds=1) == ["all_complete"]
    assert night.keys(PHASE5_TOPIC) == [f"phase5/{DAY}/1"]
    assert [alert.severity for alert in night.alerts] == ["warning"]


COMPLETION = {"processor_name": "x", "game_date": DAY, "status": "success"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        *(
            json.dumps({**COMPLETION, **wrong}).encode()
            for wrong in (
                {"status": "done"}, {"status": None}, {"game_date": "2025-02-30"}, {"game_date": 20250115},
                {"processor_name": ""}, {"processor_name": "\ud800"}, {"record_count": -1}, {"record_count": "many"},
            )
        ),
    ],
)  # fmt: skip
def test_a_message_that_is_not_a_completion_is_refused_and_changes_nothing(tmp_path: Path, data: bytes) -> None:
    with orchestrator(Engine("sqlite", str(tmp_path / "state")), tmp_path) as night:
        assert night.push_raw("phase3", data) == 400
        assert night.app.documents.list_collections() == []


def test_a_store_that_is_down_is_answered_503_so_that_the_message_comes_again(tmp_path: Path) -> None:
    with orchestrator(Engine("sqlite", str(tmp_path / "state")), tmp_path) as night:
        with faults.failing("documents.before_commit", UnavailableError("the disk is full"), times=9):
            assert night.push("phase3", PHASE3[0]) == 503
        assert night.push("phase3", PHASE3[0]) == 204
