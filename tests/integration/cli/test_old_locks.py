"""`nbactl leases` shows the locks of other programs as theirs, on both engines (invariant 29)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.cli.main import main
from nbactl.core._support.clock import SystemClock
from nbactl.core.lease import locks
from nbactl.core.lease.leases import Leases
from nbactl.core.lease.locks import find_lock, read_locks, remove_lock
from nbactl.errors import PreconditionError
from nbactl.ports.documents import Query, Update
from nbactl.testing import FakeClock, emulator_documents, memory_documents
from tests.kit.production import NIGHT, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore

Run = Callable[..., tuple[int, Any, str]]
NOW = datetime.now(UTC)
LATER, BEFORE = NOW + timedelta(days=2), NOW - timedelta(hours=1)
LOCKS: dict[str, dict[str, Any]] = {
    "coordinator_batch_locks/b1": {"acquired_at": BEFORE, "expires_at": LATER, "owner": "coordinator-7"},
    "processing_locks/p1": {"lockedAt": BEFORE.isoformat(), "expiresAt": BEFORE, "operation_id": "op-1"},
    "processing_locks/p2": {"created_at": BEFORE, "lock_expiration": "never", "instance_id": 7, "held_by": "w-2"},
    "processing_locks/p3": {},
}


@pytest.fixture(params=["local", "gcp"])
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[DocumentStore, Run]]:
    options = ["--state-dir", str(tmp_path), "--yes"]
    if request.param == "local":
        store: DocumentStore = SqliteDocuments(tmp_path / "documents.db", clock=SystemClock(), busy_timeout=20.0)
    else:
        address, project = request.getfixturevalue("firestore_address"), f"test-{uuid.uuid4().hex[:20]}"
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
        store = emulator_documents(address, project)
        options += ["--target", "gcp", "--project", project]

    def run(*arguments: str) -> tuple[int, Any, str]:
        """Return exit code, stdout (as data where it is JSON), stderr."""
        capsys.readouterr()
        code = main([*arguments, *options])
        captured = capsys.readouterr()
        out: Any = captured.out
        return code, json.loads(out) if "json" in arguments else out, captured.err

    put(store, LOCKS)
    yield store, run
    store.close()


def test_inv_29_locks_of_other_programs_are_listed_as_theirs(place: tuple[DocumentStore, Run]) -> None:
    store, run = place
    Leases(store, SystemClock()).acquire("phase3/2025-01-15", "somebody", 3600.0)
    put(store, {"prediction_batches/b1": {}, "locks/x": {}, "phase3_completion/2025-01-15": {}})
    _, document, _ = run("leases", "list", "-o", "json")
    found = {lease["name"]: lease for lease in document["data"]["leases"]}
    assert {name: lease["origin"] for name, lease in found.items()} == {
        "phase3/2025-01-15": "nbactl", **dict.fromkeys(LOCKS, "production"),
    }  # fmt: skip
    assert {name: lease["state"] for name, lease in found.items() if name in LOCKS} == {
        "coordinator_batch_locks/b1": "held",
        "processing_locks/p1": "expired",
        "processing_locks/p2": "held",
        "processing_locks/p3": "held",
    }
    assert [found[name]["owner"] for name in LOCKS] == ["coordinator-7", "op-1", "w-2", None]
    assert datetime.fromisoformat(found["processing_locks/p1"]["acquired_at"]) == BEFORE
    assert found["processing_locks/p1"]["problems"] == ["lockedAt is a text, not a time"]
    assert found["processing_locks/p2"]["problems"] == ["lock_expiration is not a time"]
    _, table, _ = run("leases", "list")
    assert "coordinator_batch_locks/b1" in table
    assert "production" in table


def test_only_the_newest_expired_locks_of_others_are_shown_and_the_rest_is_counted(
    place: tuple[DocumentStore, Run],
) -> None:
    store, run = place
    old = {f"old_locks/x{number:02}": {"acquired_at": BEFORE, "expires_at": BEFORE} for number in range(15)}
    put(store, old)
    _, table, said = run("leases", "list")
    assert table.count("old_locks/") + table.count("processing_locks/p1") == 10
    assert "Showing 10 of 16 expired locks" in said


def test_a_collection_of_too_many_locks_is_read_in_part_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "MOST", 2)
    store = memory_documents(FakeClock(NIGHT))
    put(store, {f"a_locks/{number}": {} for number in range(3)} | {"b_locks/1": {}})
    said: list[str] = []
    assert [lock.name for lock in read_locks(store, said.append)] == ["a_locks/0", "a_locks/1", "b_locks/1"]
    assert said == ["only 2 locks of a_locks were read"]


def test_a_lock_of_another_program_is_released_only_when_that_is_said(place: tuple[DocumentStore, Run]) -> None:
    store, run = place
    name = "processing_locks/p1"
    code, _, said = run("leases", "release", name)
    assert (code, "another program" in said, "--foreign" in said) == (6, True, True)
    assert run("leases", "release", name, "--force")[0] == 6
    assert run("leases", "release", name, "--foreign", "--dry-run")[0] == 0
    assert store.get(name) is not None
    code, document, _ = run("leases", "release", name, "--foreign", "--reason", "gone", "-o", "json")
    assert code == 0
    assert store.get(name) is None
    kept = store.get(document["data"]["copy"])
    assert kept is not None
    assert kept.data["document"] == LOCKS[name]
    assert (kept.data["path"], kept.data["reason"]) == (name, "gone")
    assert run("leases", "release", name, "--foreign")[0] == 4


def test_a_lock_that_has_not_expired_needs_force_as_well(place: tuple[DocumentStore, Run]) -> None:
    store, run = place
    for name in ("coordinator_batch_locks/b1", "processing_locks/p3"):
        code, _, said = run("leases", "release", name, "--foreign")
        assert (code, "has not expired" in said) == (6, True)
        assert store.get(name) is not None
        assert run("leases", "release", name, "--foreign", "--force")[0] == 0
        assert store.get(name) is None


def test_a_lease_of_nbactl_is_no_lock_of_another_program(place: tuple[DocumentStore, Run]) -> None:
    store, run = place
    Leases(store, SystemClock()).acquire("phase3/2025-01-15", "somebody", 3600.0)
    assert run("leases", "release", "phase3/2025-01-15", "--foreign", "--force")[0] == 2
    assert Leases(store, SystemClock()).current("phase3/2025-01-15") is not None


def test_a_lock_that_changed_since_it_was_read_is_left_alone() -> None:
    clock = FakeClock(NIGHT)
    store = memory_documents(clock)
    put(store, {"a_locks/x": {"owner": "one", "expires_at": NIGHT}})
    lock = find_lock(store, "a_locks/x")
    store.commit([Update("a_locks/x", {"owner": "two"})])
    with pytest.raises(PreconditionError):
        remove_lock(store, clock, lock, by="me", reason=None)
    assert [found.owner for found in read_locks(store)] == ["two"]
    assert list(store.query(Query("lock_removals"))) == []
