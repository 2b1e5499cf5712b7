"""The functions behind `nbactl flags`, called from Python without the command line."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.flags.adopt.command import AdoptRequest, adopt_flags
from nbactl.cli.flags.command import (
    DiffRequest,
    EvaluateRequest,
    SetRequest,
    check_flags,
    diff_flags,
    evaluate_flag,
    flag_history,
    list_flags,
    rollback_flags,
    set_flags,
    show_flag,
)
from nbactl.cli.flags.emergency import RollbackRequest
from nbactl.cli.flags.rollout.command import (
    RolloutRequest,
    abort_rollouts,
    advance_rollouts,
    pause_rollouts,
    rollout_status,
    start_rollouts,
)
from nbactl.cli.flags.services.command import (
    SyncRequest,
    flags_drift,
    rollback_services,
    sync_services,
    undo_change,
)
from nbactl.cli.services.change.command import UndoRequest
from nbactl.config.settings import load_settings
from nbactl.core.flags.moves import ALL, OFF, Position
from nbactl.errors import CancelledError, NotFoundError, PreconditionError, UsageError
from tests.integration.cli.flags.services_kit import DECLARED, RAW, quick_config
from tests.kit.cloud_run_server import cloud_run_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.cli.ask import Question
    from nbactl.deployments.plan import ServiceOutcome
    from nbactl.deployments.records import ChangeRecord
    from tests.kit.cloud_run_server import CloudRun

KEY = "query_caching"
HALF = Position(50.0, enabled=True)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Container]:
    settings = load_settings({"state_dir": str(tmp_path / "state"), "target": "local"}, {}, tmp_path)
    with Container(settings, environ={}) as container:
        yield container


def percent(app: Container, key: str = KEY) -> float | None:
    line = next(line for line in list_flags(app).lines if line.key == key)
    return line.percent if line.enabled else None


def refuse(_: Question) -> None:
    raise CancelledError


def test_a_flag_is_set_listed_evaluated_and_rolled_back(app: Container) -> None:
    planned = set_flags(app, SetRequest(HALF, (KEY,), dry_run=True))
    assert ([move.key for move in planned.changing], dict(planned.states), percent(app)) == ([KEY], {}, 0.0)
    done = set_flags(app, SetRequest(HALF, (KEY,), reason="second stage"))
    assert (done.states[KEY].percent, done.undo) == (50.0, [["flags", "set", KEY, "--percent", "0"]])
    assert percent(app) == 50.0
    assert set_flags(app, SetRequest(HALF, (KEY,))).changing == ()
    line = show_flag(app, KEY).line
    assert (line.percent, line.reason, line.stage) == (50.0, "second stage", 2)
    explained = evaluate_flag(app, EvaluateRequest(KEY, "request-1")).explanation
    assert explained.evaluation.value is (explained.bucket is not None and explained.bucket < 50_000)
    diff = diff_flags(app, DiffRequest(ALL, [f"request-{number}" for number in range(100)], (KEY,)))
    assert diff.counts == {KEY: len(diff.flips)}
    assert 0 < len(diff.flips) < 100
    back = rollback_flags(app, RollbackRequest((KEY,), reason="stale"))
    assert (back.moves[0].after, percent(app)) == (OFF, None)
    assert [(state.percent, state.reason) for state in flag_history(app, KEY).states] == [
        (0.0, "stale"), (50.0, "second stage")
    ]  # fmt: skip
    assert [state.version for state in flag_history(app, KEY, limit=1).states] == [2]
    assert check_flags(app).findings == ()


def test_what_is_asked_is_what_is_changed_and_a_no_changes_nothing(app: Container) -> None:
    asked: list[Question] = []
    set_flags(app, SetRequest(HALF, (KEY,)), confirm=asked.append)
    assert [(question.text, question.lines) for question in asked] == [
        ("Change 1 flag?", (f"  {KEY}: 0 % to 50 %",))
    ]  # fmt: skip
    with pytest.raises(CancelledError):
        set_flags(app, SetRequest(OFF, (KEY,)), confirm=refuse)
    with pytest.raises(CancelledError):
        start_rollouts(app, RolloutRequest(("structured_logging",)), confirm=refuse)
    assert (percent(app), rollout_status(app).states) == (50.0, ())


def test_names_are_checked_before_anything_is_changed(app: Container) -> None:
    with pytest.raises(NotFoundError, match="there is no flag 'query_cachin'") as refused:
        set_flags(app, SetRequest(HALF, (KEY, "query_cachin")))
    assert refused.value.next_step == f"Did you mean '{KEY}'?"
    with pytest.raises(UsageError):
        rollback_flags(app, RollbackRequest((KEY,), every=True))
    assert percent(app) == 0.0


def test_a_rollout_is_started_advanced_paused_and_aborted(app: Container) -> None:
    planned = start_rollouts(app, RolloutRequest((KEY,), dry_run=True))
    assert (planned.plan, planned.rollouts, percent(app)) == ((f"{KEY}: to 10 %",), (), 0.0)
    [rollout] = start_rollouts(app, RolloutRequest((KEY,), "new")).rollouts
    assert (rollout.percent, percent(app)) == (10.0, 10.0)
    with pytest.raises(PreconditionError, match="is being rolled out already"):
        start_rollouts(app, RolloutRequest((KEY,)))
    with pytest.raises(PreconditionError, match="over request at the same time"):
        start_rollouts(app, RolloutRequest(("structured_logging",)))
    with pytest.raises(PreconditionError, match=f"{KEY} does not advance: hold"):
        advance_rollouts(app, RolloutRequest((KEY,)))
    done = advance_rollouts(app, RolloutRequest((KEY,), force=True))
    assert (done.plan, percent(app)) == ((f"{KEY}: to 50 %",), 50.0)
    pause_rollouts(app, RolloutRequest((KEY,)))
    assert start_rollouts(app, RolloutRequest((KEY,), dry_run=True)).plan == (f"{KEY}: resume at 50 %",)
    start_rollouts(app, RolloutRequest((KEY,)))
    [state] = rollout_status(app, [KEY]).states
    assert state.next is not None
    assert (state.rollout.percent, state.next.action) == (50.0, "hold")
    abort_rollouts(app, RolloutRequest((KEY,)))
    assert percent(app) == 0.0
    with pytest.raises(PreconditionError, match="is aborted"):
        abort_rollouts(app, RolloutRequest((KEY,)))


def test_on_local_there_is_no_service_to_change(app: Container) -> None:
    assert (flags_drift(app).findings, flags_drift(app).services) == ((), None)
    with pytest.raises(NotFoundError, match="nothing to sync"):
        sync_services(app, SyncRequest())
    with pytest.raises(NotFoundError):
        undo_change(app, UndoRequest("last"))
    done = rollback_services(app, RollbackRequest((KEY,)))
    assert (done.variables, done.changed) == ({"ENABLE_QUERY_CACHING": "false"}, None)


@pytest.fixture
def cloud(firestore_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudRun]:
    with cloud_run_server(f"test-{uuid.uuid4().hex[:20]}") as server:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
        monkeypatch.setenv("CLOUD_RUN_EMULATOR_HOST", server.address)
        quick_config(tmp_path)
        for name in DECLARED:
            server.deploy(name, {"LOG_LEVEL": "info"})
        yield server


@pytest.fixture
def gcp(cloud: CloudRun, tmp_path: Path) -> Iterator[Container]:
    given = {
        "target": "gcp", "project": cloud.project, "config_dir": str(tmp_path), "state_dir": str(tmp_path / "state")
    }  # fmt: skip
    with Container(load_settings(given, {}, tmp_path), environ=os.environ) as container:
        yield container


def test_services_are_compared_brought_in_line_and_back(gcp: Container, cloud: CloudRun) -> None:
    cloud.set_env(RAW, ENABLE_QUERY_CACHING="true")
    set_flags(gcp, SetRequest(HALF, (KEY,)))
    with pytest.raises(PreconditionError, match="nothing was taken over"):
        sync_services(gcp, SyncRequest())
    with pytest.raises(CancelledError):
        adopt_flags(gcp, AdoptRequest(), confirm=refuse)
    adopted = adopt_flags(gcp, AdoptRequest())
    assert adopted.adoption is not None
    assert adopted.plan.of("kept")[0].key == KEY
    [finding] = flags_drift(gcp).findings
    assert (finding.key, finding.service) == (KEY, RAW)
    planned = sync_services(gcp, SyncRequest(dry_run=True)).result
    assert planned is not None
    assert [(plan.service, plan.after.env) for plan in planned.work.plans] == [(RAW, {"ENABLE_QUERY_CACHING": None})]
    with pytest.raises(CancelledError):
        sync_services(gcp, SyncRequest(), confirm=refuse)
    assert cloud.patches() == []
    events: list[ChangeRecord | ServiceOutcome] = []
    result = sync_services(gcp, SyncRequest(reason="left from a test"), report=events.append).result
    assert result is not None
    assert result.change is not None
    assert (result.exit_code, [outcome.service for outcome in result.outcomes]) == (0, [RAW])
    assert events == [result.change, *result.outcomes]
    assert (cloud.env(RAW), flags_drift(gcp).findings) == ({"LOG_LEVEL": "info"}, ())
    undo_change(gcp, UndoRequest(result.change.id))
    assert cloud.env(RAW) == {"LOG_LEVEL": "info", "ENABLE_QUERY_CACHING": "true"}
    with pytest.raises(UsageError, match="was undone already"):
        undo_change(gcp, UndoRequest(result.change.id))


def test_flags_are_switched_off_on_every_service_without_the_store(gcp: Container, cloud: CloudRun) -> None:
    done = rollback_services(gcp, RollbackRequest((KEY,)))
    assert done.changed is not None
    assert done.changed.result is not None
    assert {outcome.service for outcome in done.changed.result.outcomes} == set(DECLARED)
    assert all(cloud.env(name)["ENABLE_QUERY_CACHING"] == "false" for name in DECLARED)
