"""Gates name the services that would go on in a form that ends with the step: by their marks and their variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.completions.participants import PARTICIPANTS, ParticipantMark, read_participants
from nbactl.core.completions.stages import StageReader
from nbactl.errors import NotAuthorisedError, PreconditionError, UnavailableError
from nbactl.ports.documents import Query
from nbactl.ports.services import DeployedService
from nbactl.testing import faults
from tests.kit.migration import LIMITS, TTL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbactl.migrations.completions.migration import CompletionsMigration
    from tests.kit.migration import Lab

ENABLED, DUAL, READS = "ENABLE_SUBCOLLECTION_COMPLETIONS", "DUAL_WRITE_MODE", "USE_SUBCOLLECTION_READS"
STEPS = {"switch-reads": "validated", "stop-dual-write": "reads_switched", "cleanup": "dual_write_stopped"}


def service(name: str, *secrets: str, unreadable: str | None = None, **env: str) -> DeployedService:
    return DeployedService(name, "", env, frozenset(secrets), None, None, (), "1", unreadable=unreadable)


def deployed(lab: Lab, *services: DeployedService, recorders: Sequence[str] = ()) -> CompletionsMigration:
    """Return the lab's migration beside these deployed services."""
    lab.migration._services = lambda: services
    lab.migration._recorders = recorders
    return lab.migration


def missing(migration: CompletionsMigration, action: str) -> str | None:
    (gate,) = [gate for gate in migration.gates(action) if gate.name == "participants"]
    return gate.missing


def left_by(lab: Lab, name: str, stage: str | None) -> None:
    ParticipantMark(lab.store, lab.clock, service=name, every=60.0).leave(stage)


class TestMarks:
    def test_who_reads_the_stage_leaves_a_mark_with_each_stage_and_now_and_then(self, lab: Lab) -> None:
        reader = StageReader(lab.store, lab.clock, ttl=TTL, service="prediction worker/1")
        assert reader.current() is None
        (first,) = read_participants(lab.store)
        assert (first.service, first.stage, bool(first.version)) == ("prediction worker/1", None, True)
        lab.batch("b", ["p1"])
        lab.to("dual_write")
        reader.current()
        (second,) = read_participants(lab.store)
        assert (second.stage, second.at > first.at) == ("dual_write", True)
        for _ in range(59):
            lab.advance(TTL)
            reader.current()
        assert read_participants(lab.store) == [second]
        lab.advance(TTL)
        reader.current()
        assert read_participants(lab.store)[0].at > second.at

    def test_a_process_of_cloud_run_is_named_by_its_service(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("K_SERVICE", "prediction-worker")
        lab.tracker()._mode("b")
        assert [mark.service for mark in read_participants(lab.store)] == ["prediction-worker"]

    def test_nothing_else_leaves_one(self, lab: Lab) -> None:
        lab.tracker()._mode("b")
        StageReader(lab.store, lab.clock, ttl=TTL, service="").current()
        assert lab.store.count(Query(PARTICIPANTS)) == 0

    def test_a_mark_that_cannot_be_left_holds_up_nobody(self, lab: Lab) -> None:
        reader = StageReader(lab.store, lab.clock, ttl=TTL, service="worker")
        with faults.failing("documents.before_commit", UnavailableError("down"), times=1000):
            assert reader.current() is None
        assert read_participants(lab.store) == []
        lab.advance(TTL)
        reader.current()
        assert len(read_participants(lab.store)) == 1


class TestGates:
    @pytest.mark.parametrize(
        ("action", "behind", "enough"),
        [
            ("switch-reads", "legacy", "dual_write"),
            ("stop-dual-write", "validated", "reads_switched"),
            ("cleanup", "reads_switched", "dual_write_stopped"),
        ],
    )
    def test_a_service_that_has_not_seen_the_stage_closes_the_gate(
        self, lab: Lab, action: str, behind: str, enough: str
    ) -> None:
        lab.batch("b", ["p1"])
        lab.to(STEPS[action])
        for stage in (None, behind):
            left_by(lab, "worker", stage)
            said = str(missing(lab.migration, action))
            assert "worker knows" in said
            assert str(stage or "no migration") in said
        left_by(lab, "worker", enough)
        assert missing(lab.migration, action) is None

    def test_a_step_is_refused_with_what_to_do_and_may_be_forced(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("validated")
        left_by(lab, "worker", "legacy")
        with pytest.raises(PreconditionError, match="worker knows stage legacy") as refused:
            lab.migration.switch_reads(lab.caller)
        assert refused.value.exit_code == 6
        assert "restart it" in str(refused.value.next_step)
        assert lab.migration.switch_reads(lab.caller, force=True).history[-1].forced == ("participants",)

    @pytest.mark.needs("clock")
    def test_a_service_that_was_not_seen_for_long_is_gone(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        left_by(lab, "worker", "legacy")
        lab.to("validated")
        lab.advance(LIMITS.mark_forgotten)
        assert missing(lab.migration, "switch-reads") is None

    @pytest.mark.parametrize(
        ("env", "first", "said"),
        [
            ({DUAL: "true"}, "switch-reads", f"writes only the array ({ENABLED} is not set)"),
            ({ENABLED: "false", DUAL: "true", READS: "false"}, "switch-reads", f"array ({ENABLED}=false)"),
            ({ENABLED: "true"}, "stop-dual-write", f"reads the array ({READS} is not set)"),
            ({ENABLED: "true", READS: "true"}, "cleanup", f"writes the array ({DUAL} is not set)"),
            ({ENABLED: "true", READS: "true", DUAL: "false"}, None, ""),
            ({ENABLED: "perhaps"}, "switch-reads", "contradict"),
            ({"PORT": "8080"}, None, ""),
        ],
    )
    def test_the_variables_of_a_service_without_a_mark_say_what_it_knows(
        self, lab: Lab, env: dict[str, str], first: str | None, said: str
    ) -> None:
        lab.batch("b", ["p1"])
        closed = []
        for action, stage in STEPS.items():
            deployed(lab)
            lab.to(stage)
            if reason := missing(deployed(lab, service("old-worker", **env)), action):
                closed.append((action, reason))
        if first is None:
            assert closed == []
        else:
            assert closed[0][0] == first
            assert said in closed[0][1]
            assert [action for action, _ in closed] == list(STEPS)[list(STEPS).index(first) :]

    def test_what_cannot_be_known_closes_the_gate(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("validated")
        hidden = deployed(lab, service("worker", ENABLED))
        assert f"worker takes {ENABLED} from a secret" in str(missing(hidden, "switch-reads"))
        unreadable = deployed(lab, service("worker", unreadable="two containers"), recorders=["worker"])
        assert "two containers" in str(missing(unreadable, "switch-reads"))

        def refused() -> Any:
            raise NotAuthorisedError("no access")

        lab.migration._services = refused
        assert "the deployed services cannot be listed (no access)" in str(missing(lab.migration, "switch-reads"))

    def test_a_service_that_records_completions_is_old_code_until_it_leaves_a_mark(self, lab: Lab) -> None:
        lab.batch("b", ["p1"])
        lab.to("validated")
        migration = deployed(lab, service("coordinator"), service("scraper"), recorders=["coordinator", "gone"])
        said = str(missing(migration, "switch-reads"))
        assert said == f"coordinator writes only the array ({ENABLED} is not set)"
        left_by(lab, "coordinator", "validated")
        assert missing(migration, "switch-reads") is None
