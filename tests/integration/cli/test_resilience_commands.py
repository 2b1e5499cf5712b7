"""`nbactl leases`, `breakers` and `outbox`, on both engines."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.cli.main import main
from nbactl.core._support.clock import SystemClock
from nbactl.core.calls.breaker import Breaker, BreakerSettings
from nbactl.core.calls.shared_breakers import SharedBreakers
from nbactl.core.lease.holder import is_dead, process_identity
from nbactl.core.lease.leases import Leases
from nbactl.core.outbox.outbox import KEY_ATTRIBUTE, Outbox
from nbactl.errors import DataError, StaleFenceError, UnavailableError
from nbactl.ports.bus import Subscription
from nbactl.ports.documents import Set
from nbactl.testing import emulator_documents, faults
from tests.kit.bus import bus_at, pubsub_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore

CLOCK = SystemClock()
TOPIC = "nba-phase3-trigger"
READER = Subscription("reader", TOPIC, TOPIC)


@dataclass
class Place:
    """A store, and nbactl called on it."""

    target: str
    store: DocumentStore
    options: tuple[str, ...]
    bus: Any
    capsys: pytest.CaptureFixture[str]

    @property
    def leases(self) -> Leases:
        return Leases(self.store, CLOCK, is_dead=is_dead)

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.store, self.bus, CLOCK, redrive_after=3600.0, keep=3600.0)

    def published(self, count: int) -> list[str]:
        """Return the keys of what was published to TOPIC, sorted, as soon as there are so many."""
        keys: list[str] = []
        while len(keys) < count:
            got = self.bus.pull(READER.name, limit=10, timeout=20.0)
            assert got, "nothing more was published"
            self.bus.ack(READER.name, [message.ack_id for message in got])
            keys += [message.attributes[KEY_ATTRIBUTE] for message in got]
        assert self.bus.pull(READER.name, limit=10, timeout=0.0) == []
        return sorted(keys)

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Return what was written to stdout and stderr."""
        self.capsys.readouterr()
        assert main([*arguments, *self.options]) == code, self.capsys.readouterr()
        captured = self.capsys.readouterr()
        return captured.out, captured.err

    def data(self, *arguments: str, code: int = 0) -> Any:
        out, _ = self.run(*arguments, "-o", "json", code=code)
        document = json.loads(out)
        assert document["ok"] == (code == 0)
        return document["data"] if code == 0 else document["data"] or document["error"]

    def dead_process(self) -> str:
        """Return the owner text of a process that is gone."""
        program = "from nbactl.core.lease.holder import process_identity; print(process_identity('gone'))"
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()

    def breaker(self, name: str) -> Breaker:
        return Breaker(BreakerSettings(name, failure_rate=0.5, minimum_calls=1, open_for=30.0, window=60.0), CLOCK)


@pytest.fixture(params=["local", "gcp"])
def place(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    options: tuple[str, ...] = ("--state-dir", str(tmp_path))
    monkeypatch.setattr("sys.stdin", None)
    if request.param == "local":
        store: DocumentStore = SqliteDocuments(tmp_path / "documents.db", clock=CLOCK, busy_timeout=20.0)
        bus: Any = bus_at(tmp_path / "bus.db")
    else:
        address, project = request.getfixturevalue("firestore_address"), f"test-{uuid.uuid4().hex[:20]}"
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
        store = emulator_documents(address, project)
        pubsub = request.getfixturevalue("pubsub_address")
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
        bus = pubsub_at(pubsub, project)
        options += ("--target", "gcp", "--project", project)
    bus.create_topic(TOPIC)
    bus.create_subscription(READER)
    yield Place(request.param, store, options, bus, capsys)
    store.close()
    bus.close()


def test_nothing_to_show_is_said(place: Place) -> None:
    assert place.run("leases", "list") == ("", "No lease is held.\n")
    assert place.run("outbox", "list") == ("", "No message waits: all are published.\n")
    assert place.run("breakers", "list", "--open") == ("", "No breaker is open.\n")
    assert place.data("leases", "list") == {"leases": [], "taken_away": []}
    assert place.data("outbox", "list") == {"messages": [], "more": False}
    assert {line["state"] for line in place.data("breakers", "list")["breakers"]} == {"closed"}


def test_leases_are_listed_with_what_their_holders_are(place: Place) -> None:
    place.leases.acquire("phase3/2024-01-15", process_identity("run-1"), 3600.0)
    place.leases.acquire("phase4/2024-01-15", place.dead_process(), 3600.0)
    place.leases.acquire("slow clock", process_identity("run-2"), 0.001)
    place.leases.acquire("old", "somebody", 0.001)
    lines = place.data("leases", "list")["leases"]
    assert {line["name"]: line["state"] for line in lines} == {
        "phase3/2024-01-15": "held",
        "phase4/2024-01-15": "dead",
        "slow clock": "held",
        "old": "expired",
    }
    assert set(lines[0]) >= {"name", "state", "holder", "owner", "token", "expires_at"}
    assert {line["origin"] for line in lines} == {"nbactl"}
    table, _ = place.run("leases", "list")
    assert "phase3/2024-01-15" in table
    assert "run run-1" in table
    assert len(place.run("leases", "list", "-o", "jsonl")[0].splitlines()) == 4


@pytest.mark.parametrize("data", [{}, {"owner": 3, "token": 1}, {"owner": "a", "token": "one", "expires_at": None}])
def test_a_lease_that_cannot_be_read_is_named_and_released_by_force_only(place: Place, data: dict[str, object]) -> None:
    place.leases.acquire("phase4/2024-01-15", process_identity("run-1"), 3600.0)
    place.store.commit([Set("leases/phase3%2F2024-01-15", data)])
    shown, said = place.run("leases", "list")
    assert "phase4/2024-01-15" in shown
    assert "nbactl leases release phase3/2024-01-15 --force" in said
    place.run("leases", "release", "phase3/2024-01-15", "--yes", code=1)
    with pytest.raises(DataError):
        place.leases.acquire("phase3/2024-01-15", "me", 10.0)
    assert "Would release" in place.run("leases", "release", "phase3/2024-01-15", "--force", "--dry-run")[1]
    assert "Add --yes" in place.run("leases", "release", "phase3/2024-01-15", "--force", code=2)[1]
    assert place.data("leases", "release", "phase3/2024-01-15", "--force", "--yes")["changed"] is True
    assert place.leases.acquire("phase3/2024-01-15", "me", 10.0).token > 1
    assert "Nothing to do" not in place.run("leases", "release", "phase3/2024-01-15", "--force", "--yes")[1]


def test_a_lease_whose_holder_lives_is_not_released(place: Place) -> None:
    lease = place.leases.acquire("phase3/2024-01-15", process_identity("run-1"), 3600.0)
    _, told = place.run("leases", "release", "phase3/2024-01-15", "--yes", code=6)
    assert "run run-1" in told
    assert "--force" in told
    assert place.leases.current(lease.name) == lease
    _, told = place.run("leases", "release", "phase3/2024-01-15", "--force", code=2)
    assert "Add --yes" in told
    assert "Would release" in place.run("leases", "release", "phase3/2024-01-15", "--force", "--dry-run")[1]
    assert place.leases.current(lease.name) == lease


def test_inv_12_inv_19_with_force_the_holders_token_is_stale_and_whose_it_was_is_kept(place: Place) -> None:
    lease = place.leases.acquire("phase3/2024-01-15", process_identity("run-1"), 3600.0)
    done = place.data("leases", "release", lease.name, "--force", "--yes", "--reason", "its machine is gone")
    assert (done["changed"], done["forced"], done["lease"]["token"]) == (True, True, lease.token)
    with pytest.raises(StaleFenceError):
        place.leases.renew(lease, 30.0)
    with pytest.raises(StaleFenceError):
        place.store.transaction(lambda transaction: place.leases.check(transaction, lease))
    assert place.leases.acquire(lease.name, "next", 30.0).token > lease.token
    [kept] = place.data("leases", "list")["taken_away"]
    assert (kept["name"], kept["owner"], kept["reason"]) == (lease.name, lease.owner, "its machine is gone")
    assert "its machine is gone" in place.run("leases", "list", "-v")[1]


def test_a_lease_that_is_left_over_is_freed_and_a_free_one_is_no_error(place: Place) -> None:
    for name, owner, ttl in (("dead", place.dead_process(), 3600.0), ("expired", "somebody", 0.001)):
        place.leases.acquire(name, owner, ttl)
        if place.target == "gcp":
            assert "Add --yes" in place.run("leases", "release", name, code=2)[1]
        assert place.data("leases", "release", name, "--yes")["forced"] is False
        assert place.leases.current(name) is None
        assert place.run("leases", "release", name)[1] == f"Nothing to do: {name} is not held.\n"
    place.leases.acquire("phase3/2024-01-15", process_identity("r"), 3600.0)
    assert "Did you mean 'phase3/2024-01-15'?" in place.run("leases", "release", "phase3/2024-01-51", code=4)[1]


@pytest.mark.parametrize("place", ["gcp"], indirect=True)  # SQLite has one writer at a time: nobody comes between
def test_what_changed_hands_meanwhile_is_left_alone(place: Place) -> None:
    place.leases.acquire("busy", place.dead_process(), 3600.0)

    def overtake() -> None:
        faults.disarm("documents.before_commit")
        other.acquire("busy", process_identity("other"), 3600.0)

    other = place.leases
    with faults.calling("documents.before_commit", overtake):
        assert "changed hands" in place.run("leases", "release", "busy", "--yes", code=6)[1]
    current = place.leases.current("busy")
    assert current is not None
    assert current.owner.endswith("other")


def test_breakers_are_listed_and_reset_for_all_processes(place: Place) -> None:
    shared = SharedBreakers(place.store, CLOCK)
    broken, by_hand = place.breaker("stats_nba"), place.breaker("own")
    broken.open("down", seconds=3000)
    by_hand.open("maintenance")
    for each in (broken, by_hand):
        shared.sync(each)
    lines = {line["name"]: line for line in place.data("breakers", "list", "--open")["breakers"]}
    assert {name: line["state"] for name, line in lines.items()} == {"stats_nba": "open", "own": "open"}
    assert set(lines["own"]) == {
        "name", "state", "failures", "opened_at", "until", "changed_at", "reset_by", "reason",
    }  # fmt: skip
    table, _ = place.run("breakers", "list")
    assert "next try in" in table
    assert "until it is reset" in table
    assert "not reported by any process" in table
    told = place.run("breakers", "reset", "--all", "--dry-run")[1]
    assert "Would close own" in told
    if place.target == "gcp":
        assert "Add --yes" in place.run("breakers", "reset", "stats_nba", code=2)[1]
    done = place.data("breakers", "reset", "stats_nba", "--yes", "--reason", "unblocked")
    assert [(line["name"], line["state"]) for line in done["breakers"]] == [("stats_nba", "open")]
    shared.sync(broken)
    shared.sync(by_hand)
    assert (broken.state, by_hand.state) == ("closed", "open")
    place.run("breakers", "reset", "--all", "--yes")
    shared.sync(by_hand)
    assert by_hand.state == "closed"
    assert "unblocked" in place.run("breakers", "list")[0]
    assert place.run("breakers", "reset", "--all")[1] == "No breaker is open.\n"


def test_breakers_are_named_or_meant_by_all(place: Place) -> None:
    assert "Did you mean 'stats_nba'?" in place.run("breakers", "reset", "stats_nab", code=4)[1]
    assert place.data("breakers", "reset", code=2)["code"] == "usage"
    place.run("breakers", "reset", "stats_nba", "--all", code=2)


def test_a_breaker_document_that_is_none_names_the_way_out(place: Place) -> None:
    place.store.commit([Set("breakers/odds_api", {"state": "open"})])
    shown, said = place.run("breakers", "list")
    assert "bigquery" in shown, "one that cannot be read hides no other"
    assert "nbactl breakers reset odds_api" in said
    place.run("breakers", "reset", "odds_api", "--yes")
    assert "odds_api" in place.run("breakers", "list")[0]


def test_messages_that_wait_are_listed_and_driven(place: Place) -> None:
    place.store.commit([place.outbox.message("phase3/2024-01-15/1", TOPIC, {"n": 1})])
    place.store.commit([place.outbox.message("phase4/2024-01-15/1", TOPIC, {"n": 2})])
    [first, second] = place.data("outbox", "list")["messages"]
    assert set(first) == {"key", "topic", "created_at", "due_at", "attempts", "last_error"}
    assert (first["key"], second["key"]) == ("phase3/2024-01-15/1", "phase4/2024-01-15/1")
    listed = place.data("outbox", "list", "--limit", "1")
    assert (len(listed["messages"]), listed["more"]) == (1, True)
    assert place.run("outbox", "list", "--limit", "1")[1] == "Showing 1 of 2; --limit shows more.\n"
    assert "phase3/2024-01-15/1" in place.run("outbox", "list")[0]
    assert "Would publish phase3/2024-01-15/1 to nba-phase3-trigger." in place.run("outbox", "drive", "--dry-run")[1]
    assert "Did you mean 'phase3/2024-01-15/1'?" in place.run("outbox", "drive", "phase3/2024-01-15/2", code=4)[1]
    if place.target == "gcp":
        assert "Add --yes" in place.run("outbox", "drive", code=2)[1]
    drive = ("outbox", "drive", "--yes")
    assert place.data(*drive, "phase4/2024-01-15/1")["published"] == ["phase4/2024-01-15/1"]
    again = place.data(*drive, "phase4/2024-01-15/1")
    assert (again["published"], again["published_before"]) == ([], ["phase4/2024-01-15/1"])
    assert place.data(*drive)["published"] == ["phase3/2024-01-15/1"]
    assert "Nothing to publish: all sent." in place.run(*drive)[1]
    assert place.published(2) == ["phase3/2024-01-15/1", "phase4/2024-01-15/1"]


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_many_messages_are_counted_and_those_that_wait_are_not_called_sent(place: Place) -> None:
    place.store.commit([place.outbox.message(f"m/{number}", TOPIC, {}) for number in range(6)])
    assert "6 messages of the outbox." in place.run("outbox", "drive")[1]
    place.store.commit([place.outbox.message("lost", "no-such-topic", {})])
    place.run("outbox", "drive", code=4)
    assert "Nothing is due: 1 message not published, 1 failed before." in place.run("outbox", "drive")[1]


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_one_that_cannot_be_published_stays_with_its_reason_and_the_others_go_out(place: Place) -> None:
    for number in (1, 2):
        place.store.commit([place.outbox.message(f"m/{number}", TOPIC, {})])
    with faults.failing("outbox.taken", UnavailableError("the bus is down")):
        document = json.loads(place.run("outbox", "drive", "-o", "json", code=7)[0])
    assert (document["ok"], document["error"]["code"]) == (False, "unavailable")
    assert document["data"]["published"] == ["m/2"]
    assert document["data"]["failed"] == [{"key": "m/1", "code": "unavailable", "message": "the bus is down"}]
    assert [each.key for each in place.outbox.pending()] == ["m/1"]
    assert "Nothing is due: 1 message not published, another process" in place.run("outbox", "drive")[1]
    assert place.data("outbox", "drive", "m/1")["published"] == ["m/1"]


def test_inv_07_a_tick_publishes_what_waits_and_deletes_what_has_expired(place: Place) -> None:
    gone = Set("message_dedup/old", {"state": "done", "expires_at": CLOCK.now()})
    place.store.commit([place.outbox.message("phase3/2024-01-15/1", TOPIC, {}), gone])
    assert place.data("schedule", "tick", "--dry-run")["outbox"] is None
    assert [each.attempts for each in place.outbox.pending()] == [0]
    ticked = place.data("schedule", "tick", "--skip", "workflows", "--yes")["outbox"]
    assert ticked == {"published": ["phase3/2024-01-15/1"], "failed": []}
    assert place.published(1) == ["phase3/2024-01-15/1"]
    kept = place.store.get("message_dedup/old") is not None
    assert kept == (place.target == "gcp"), "Firestore's own policy deletes it"


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_a_tick_that_cannot_publish_says_so(place: Place) -> None:
    place.store.commit([place.outbox.message("m/1", TOPIC, {})])
    with faults.failing("outbox.taken", UnavailableError("the bus is down")):
        document = json.loads(place.run("schedule", "tick", "--skip", "workflows", "--yes", "-o", "json", code=7)[0])
    assert document["data"]["outbox"]["failed"] == [{"key": "m/1", "code": "unavailable", "message": "the bus is down"}]
    assert [each.key for each in place.outbox.pending()] == ["m/1"]


def test_what_is_in_the_outbox_and_not_a_message_is_listed(place: Place) -> None:
    place.store.commit([place.outbox.message("phase3/2024-01-15/1", TOPIC, {"n": 1})])
    for name in ("odd-a", "odd-b"):
        place.store.commit([Set(f"outbox/{name}", {"state": "pending"})])
    now = datetime.now(UTC)
    place.store.commit([Set("outbox/gone", {"state": "published", "published_at": now, "expires_at": now})])
    listed = place.data("outbox", "list")["messages"]
    assert [message["key"] for message in listed] == ["phase3/2024-01-15/1", "odd-a", "odd-b"]
    assert "outbox/odd-a is not a message" in listed[1]["last_error"]
    assert place.run("outbox", "list", "--limit", "1")[1] == "Showing 1 of 3; --limit shows more.\n"
