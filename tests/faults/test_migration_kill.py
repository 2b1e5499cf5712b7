"""Each action of the migration is killed with SIGKILL at each of its dangerous instants, and given again."""

from __future__ import annotations

import json
import re
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from nbactl.core.completions.documents import batch_path, completion_path
from nbactl.migrations.record import state_document, state_path
from nbactl.ports.documents import Delete, Set, Update
from tests.faults.migration_project import BAKE, Project, settle
from tests.kit.migration import ALL, Lab, PassingClock
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from nbactl.adapters.sqlite.documents import SqliteDocuments

PLAYERS: Final = {"b1": {"p1", "p2"}, "b2": {"q1"}, "b3": set[str]()}

# What is killed: the stage before it, the action, its instant, the stage after it.
KILLS: Final = [
    ("legacy", "start-dual-write", "before_stage", "dual_write"),
    ("legacy", "start-dual-write", "stage_changed", "dual_write"),
    ("dual_write", "backfill", "before_chunk", "backfilled"),
    ("dual_write", "backfill", "chunk_written", "backfilled"),
    ("dual_write", "backfill", "before_checkpoint", "backfilled"),
    ("dual_write", "backfill", "checkpointed", "backfilled"),
    ("dual_write", "backfill", "before_reconcile", "backfilled"),
    ("dual_write", "backfill", "reconciled", "backfilled"),
    ("dual_write", "backfill", "backfilled", "backfilled"),
    ("dual_write", "backfill", "stage_changed", "backfilled"),
    ("backfilled", "validate", "checkpointed", "validated"),
    ("backfilled", "validate", "validated", "validated"),
    ("validated", "repair", "before_repair", "validated"),
    ("validated", "repair", "repair_saved", "validated"),
    ("validated", "repair", "repaired", "validated"),
    ("validated", "switch-reads", "before_stage", "reads_switched"),
    ("reads_switched", "stop-dual-write", "stage_changed", "dual_write_stopped"),
    ("dual_write_stopped", "cleanup", "exported", "cleaned"),
    ("dual_write_stopped", "cleanup", "removed", "cleaned"),
    ("dual_write_stopped", "cleanup", "before_stage", "cleaned"),
    ("dual_write_stopped", "rollback", "put_back", "reads_switched"),
    ("dual_write_stopped", "rollback", "before_stage", "reads_switched"),
    ("dual_write_stopped", "rollback", "stage_changed", "reads_switched"),
    ("reads_switched", "rollback", "stage_changed", "validated"),
    ("dual_write_stopped", "rollback", "rolled_back", "reads_switched"),
    ("reads_switched", "rollback", "rolled_back", "validated"),
    ("validated", "rollback", "rolled_back", "legacy"),
    ("reads_switched", "rollback --to validated", "rollback_acknowledged", "validated"),
    ("dual_write_stopped", "rollback --to validated", "rolled_back", "validated"),
    ("dual_write_stopped", "rollback --to validated", "rollback_acknowledged", "validated"),
]


@pytest.mark.parametrize(("before", "action", "point", "after"), KILLS)
def test_inv_20_the_same_command_carries_on(tmp_path: Path, before: str, action: str, point: str, after: str) -> None:
    project = Project(tmp_path)
    store = project.store()
    seen = prepare(store, tmp_path, before, action)

    words = f"--{action}".split()
    killed = project.migrate(*words, faults=f"migration.{point}=kill", check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = project.migrate(*words, check=False)
    assert again.returncode == 0, again.stderr

    settle()
    lab = real(store, tmp_path)
    assert lab.migration.stage == after
    for batch, players in seen.items():
        if after not in ("dual_write", "legacy"):
            assert {each["player_lookup"] for each in lab.documents(batch).values()} == players
        if after not in ("cleaned", "dual_write_stopped"):
            assert set(lab.array(batch) or ()) == players
        assert lab.counter(batch) == len(players)
    changes = [(change.before, change.after) for change in lab.migration.record.read().history]
    assert len(changes) == len(set(changes)), "no step is taken twice"
    store.close()


@pytest.mark.parametrize("point", ["before_stage", "stage_changed"])
def test_inv_19_a_killed_undo_of_a_clean_up_carries_on(tmp_path: Path, point: str) -> None:
    project = Project(tmp_path)
    store = project.store()
    prepare(store, tmp_path, "cleaned", "cleanup --undo")
    [file] = (tmp_path / "exports").glob("completions-cleanup-*.jsonl")
    killed = project.migrate("--cleanup", "--undo", str(file), faults=f"migration.{point}=kill", check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    project.migrate("--cleanup", "--undo", str(file))
    lab = real(store, tmp_path)
    assert lab.migration.stage == "dual_write_stopped"
    assert {batch: set(lab.array(batch) or ()) for batch in PLAYERS} == PLAYERS
    assert [change.after for change in lab.migration.record.read().history[-2:]] == ["cleaned", "dual_write_stopped"]
    store.close()


@pytest.mark.parametrize(("output", "number", "code"), [("table", "SIGINT", 1), ("jsonl", "SIGTERM", 143)])
def test_drift_under_watch_raises_the_alarm_once(tmp_path: Path, output: str, number: str, code: int) -> None:
    project = Project(tmp_path)
    store = project.store()
    real(store, tmp_path).batch("b1", ["p1", "p2"])
    advance(store, tmp_path, "reads_switched")
    log = tmp_path / "err"
    with log.open("w") as err, (tmp_path / "out").open("w+") as out:
        watch = project.start("--validate", "--watch", "-o", output, out=out, err=err)
        wait_until(lambda: rounds(tmp_path / "out") >= 2, watch)
        assert "no longer agree" not in log.read_text()
        store.commit([Delete(completion_path("b1", "p1"))])
        wait_until(lambda: "no longer agree: 1 missing" in log.read_text(), watch)
        seen = rounds(tmp_path / "out")
        wait_until(lambda: rounds(tmp_path / "out") >= seen + 2, watch)
        watch.send_signal(getattr(signal, number))
        assert watch.wait(10) == code, log.read_text()
    told = (tmp_path / "out").read_text()
    assert log.read_text().count("no longer agree") == 1, "one alarm for one drift"
    if output == "jsonl":
        lines = [json.loads(line) for line in told.splitlines()]
        assert lines[0]["consistent"] is True
        assert lines[-1]["missing"] == [{"batch": "b1", "player": "p1"}]
    else:
        assert "2 completions in 1 batches, stage reads_switched" in told
        assert "--repair --dry-run" in log.read_text()
    assert real(store, tmp_path).migration.record.read().drift_at is not None
    store.close()


def test_to_leave_a_watch_that_found_nothing_is_no_failure(tmp_path: Path) -> None:
    project = Project(tmp_path)
    store = project.store()
    real(store, tmp_path).batch("b1", ["p1"])
    advance(store, tmp_path, "backfilled")
    with (tmp_path / "out").open("w+") as out:
        watch = project.start("--validate", "--watch", out=out)
        wait_until(lambda: rounds(tmp_path / "out") >= 1, watch)
        watch.send_signal(signal.SIGINT)
        _, told = watch.communicate(timeout=10)
    assert (watch.returncode, told) == (0, "")
    store.close()


def rounds(file: Path) -> int:
    """Return how many rounds were told of."""
    return file.read_text().count("\n")


def wait_until(reached: Callable[[], bool], watch: subprocess.Popen[str]) -> None:
    """Wait until what is watched has come so far."""
    give_up = time.monotonic() + 60
    while not reached():
        assert watch.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_every_dangerous_instant_is_among_them() -> None:
    source = "".join(file.read_text() for file in (ROOT / "nbactl" / "migrations").rglob("*.py"))
    assert set(re.findall(r'reach\("migration\.(\w+)"\)', source)) == {point for _, _, point, _ in KILLS}


def test_inv_20_a_killed_validation_goes_on_where_it_was(tmp_path: Path) -> None:
    project = Project(tmp_path)
    store = project.store()
    lab = real(store, tmp_path)
    for number in range(120):  # more than two chunks
        lab.batch(f"b{number:03d}", ["p"])
    advance(store, tmp_path, "backfilled")
    killed = project.migrate("--validate", faults="migration.before_chunk=kill@3", check=False)
    assert killed.returncode == -signal.SIGKILL
    checkpoint = real(store, tmp_path).migration.record.read().checkpoint
    assert checkpoint is not None
    assert (checkpoint.action, checkpoint.chunks, checkpoint.cursor["batches"]) == ("validate", 2, 100)
    again = project.migrate("--validate")
    assert "100 of 120" not in again.stderr, "what was compared is not compared again"
    assert "120 completions in 120 batches" in again.stdout
    store.close()


def test_a_pause_from_another_terminal_holds_a_backfill_up(tmp_path: Path) -> None:
    project = Project(tmp_path)
    store = project.store()
    lab = real(store, tmp_path)
    for number in range(60):
        lab.batch(f"b{number:03d}", ["p"])
    advance(store, tmp_path, "dual_write")
    backfill = project.start("--backfill", faults="migration.chunk_written=sleep:2")
    while not lab.documents("b000"):
        assert backfill.poll() is None
        time.sleep(0.02)
    lab.migration.pause(lab.caller.operator)
    time.sleep(2.5)
    assert backfill.poll() is None
    assert not lab.documents("b059")
    project.migrate("--resume")
    _, told = backfill.communicate(timeout=30)
    assert backfill.returncode == 0
    assert "paused by" in told
    assert lab.documents("b059")
    store.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_backfill_in_order(tmp_path: Path, number: signal.Signals, code: int) -> None:
    project = Project(tmp_path)
    store = project.store()
    lab = real(store, tmp_path)
    for each in range(60):
        lab.batch(f"b{each:03d}", ["p"])
    advance(store, tmp_path, "dual_write")
    backfill = project.start("--backfill", faults="migration.before_checkpoint=sleep:0.5")
    while not lab.documents("b000"):
        assert backfill.poll() is None
        time.sleep(0.02)
    backfill.send_signal(number)
    _, told = backfill.communicate(timeout=30)
    assert backfill.returncode == code
    assert "Run the same command again" in told
    project.migrate("--backfill")
    assert lab.migration.stage == "backfilled"
    store.close()


def real(store: SqliteDocuments, folder: Path) -> Lab:
    """Return the lab on the time of this machine."""
    return Lab(store, folder / "exports", clock=PassingClock(datetime.now(UTC)))


def prepare(store: SqliteDocuments, folder: Path, stage: str, action: str) -> dict[str, set[str]]:
    """Bring the store into `stage`, with something to do for `action`; returns who has completed."""
    lab = real(store, folder)
    seen = {batch: set(players) for batch, players in PLAYERS.items()}
    for batch, players in PLAYERS.items():
        counter = 40 if action == "backfill" else len(players)
        lab.batch(batch, sorted(players), completed_count=counter, predictions_by_player={})
    advance(store, folder, stage)
    if action == "repair":
        store.commit([Delete(completion_path("b1", "p1")), Update(batch_path("b2"), {"completed_count": 40})])
    elif action != "start-dual-write" and stage != "dual_write":
        real(store, folder).tracker().record_completion("b1", "new", 1)
        seen["b1"].add("new")
        settle()
    if action == "stop-dual-write":
        time.sleep(BAKE)
        lab = real(store, folder)
        lab.migration.validate(ALL, lab.caller)
    if action == "cleanup":
        time.sleep(BAKE)
    return seen


def advance(store: SqliteDocuments, folder: Path, stage: str) -> None:
    """Take the migration to `stage`, and let its past be long enough ago."""
    if stage == "legacy":
        return
    past = real(store, folder)
    past.clock.set(past.clock.now() - timedelta(days=60))
    past.to(stage)
    state = past.migration.record.read()
    now = real(store, folder).clock.now()
    if state.last_validation is not None:
        young = replace(state.last_validation, at=now, finished_at=now)
        store.commit([Set(state_path("completions"), state_document(replace(state, last_validation=young)))])
