"""`nbactl dlq` on one machine, and on the emulators of Pub/Sub and Firestore."""

from __future__ import annotations

import json
import signal
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.dlq.command import Choice, ReplayRequest, replay_letters
from nbactl.config.settings import load_settings
from nbactl.core._support.clock import SystemClock
from nbactl.core.dead_letters.documents import REPLAY_ATTRIBUTE
from nbactl.core.lease.leases import Leases
from nbactl.ports.bus import SOURCE_REASON
from nbactl.ports.documents import Set
from nbactl.testing import FakeClock, emulator_documents
from tests.integration.cli.conftest import environment
from tests.kit.batches import open_documents
from tests.kit.bus import bus_at, fresh, pubsub_at
from tests.kit.called import call_nbactl
from tests.kit.dead_letters import DEAD, GIVEN_UP, QUEUE, SOURCE, TOPIC

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

ESCAPE = "\x1b[2J"


@dataclass
class Place:
    """A bus with a dead-letter queue, and nbactl called on it."""

    folder: Path
    bus: Any
    options: tuple[str, ...]
    environment: dict[str, str]

    def call(self, *words: str, faults: str = "") -> subprocess.CompletedProcess[str]:
        environ = {**self.environment, **({"NBACTL_FAULTS": faults} if faults else {})}
        return call_nbactl([*words, *self.options], cwd=self.folder, env=environment(environ))

    def data(self, *words: str, code: int = 0) -> Any:
        done = self.call(*words, "-o", "json")
        assert done.returncode == code, done.stdout + done.stderr
        document = json.loads(done.stdout)
        assert document["schema"] == f"nbactl/{'.'.join(words[:2])}/v1"
        assert document["ok"] == (code == 0)
        return document["data"] if document["data"] is not None else document["error"]

    def die(self, data: bytes = b'{"n": 1}', **attributes: str) -> str:
        sent: str = self.bus.publish(DEAD, data, {**GIVEN_UP, **attributes})
        return sent

    def delivered(self) -> list[str]:
        """Return the counts of the replays that the source gets."""
        found = self.bus.pull(SOURCE.name, limit=10, timeout=0.0)
        self.bus.ack(SOURCE.name, [message.ack_id for message in found])
        return [message.attributes[REPLAY_ATTRIBUTE] for message in found]


@pytest.fixture(params=["local", "gcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    options: tuple[str, ...] = ("--state-dir", str(tmp_path / "state"))
    variables: dict[str, str] = {}
    if request.param == "local":
        (tmp_path / "state").mkdir()
        bus: Any = bus_at(tmp_path / "state" / "bus.db")
    else:
        project, pubsub = fresh("test"), request.getfixturevalue("pubsub_address")
        variables = {
            "PUBSUB_EMULATOR_HOST": pubsub,
            "FIRESTORE_EMULATOR_HOST": request.getfixturevalue("firestore_address"),
            "NBACTL_TIMEOUT_DEAD_LETTERS_PULL": "300ms",
        }
        bus = pubsub_at(pubsub, project)
        options += ("--target", "gcp", "--project", project)
    with closing(bus):
        for topic in (TOPIC, DEAD):
            bus.create_topic(topic)
        for subscription in (SOURCE, QUEUE):
            bus.create_subscription(subscription)
        yield Place(tmp_path, bus, options, variables)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Place]:
    state = tmp_path / "state"
    state.mkdir()
    with closing(bus_at(state / "bus.db", TOPIC, DEAD)) as bus:
        for subscription in (SOURCE, QUEUE):
            bus.create_subscription(subscription)
        yield Place(tmp_path, bus, ("--state-dir", str(state)), {})


def test_a_message_is_listed_shown_replayed_and_archived(place: Place) -> None:
    first, second = place.die(game_date="2025-01-15"), place.die()
    listed = place.data("dlq", "list")
    assert {one["message_id"] for one in listed["messages"]} == {first, second}
    assert {one["topic"] for one in listed["messages"]} == {TOPIC}
    assert (listed["total"], listed["collected"]) == (2, {DEAD: 2})
    assert place.data("dlq", "list")["collected"] == {}, "looking again finds the same"
    assert place.data("dlq", "list", "--topic", "another")["messages"] == []

    shown = place.data("dlq", "show", first)["message"]
    assert (shown["data"], shown["encoding"], shown["obstacle"]) == ({"n": 1}, "json", None)
    assert shown["attributes"]["game_date"] == "2025-01-15"

    assert place.data("dlq", "replay", first, "--dry-run")["changed"] == []
    assert place.delivered() == []
    assert place.data("dlq", "replay", first, "--yes")["changed"] == [f"{DEAD}/{first}"]
    assert place.delivered() == ["1"]
    done = place.call("dlq", "archive", second, "--reason", "sent by hand", "--yes")
    assert done.returncode == 0
    assert f"To take it back: nbactl dlq archive {second} --undo" in done.stderr
    assert place.data("dlq", "list")["messages"] == []
    every = {one["message_id"]: one["state"] for one in place.data("dlq", "list", "--all")["messages"]}
    assert every == {first: "replayed", second: "archived"}
    [note] = place.data("dlq", "show", second)["message"]["history"]
    assert (note["event"], note["reason"]) == ("archived", "sent by hand")
    place.data("dlq", "archive", second, "--undo", "--yes")
    assert [one["state"] for one in place.data("dlq", "list")["messages"]] == ["waiting"]


def test_on_gcp_a_change_is_confirmed_and_a_look_is_not(place: Place) -> None:
    name = place.die()
    assert len(place.data("dlq", "list")["messages"]) == 1
    expected = 2 if "gcp" in place.options else 0
    assert place.call("dlq", "replay", name).returncode == expected
    assert place.delivered() == ([] if expected else ["1"])
    assert place.call("dlq", "archive", name, "--reason", "no").returncode == expected


def test_what_is_known_to_fail_is_refused_and_fails_the_command(local: Place) -> None:
    good, bad = local.die(), local.die(b"not JSON")
    local.data("dlq", "list")
    refused = local.data("dlq", "replay", "--all", code=1)
    assert refused["changed"] == [f"{DEAD}/{good}"]
    assert refused["refused"] == [
        {"id": f"{DEAD}/{bad}", "reason": "it would fail again: the data are not a JSON object"}
    ]
    assert "then add --force" in local.call("dlq", "replay", bad).stderr
    assert local.data("dlq", "replay", bad, "--force")["changed"] == [f"{DEAD}/{bad}"]
    assert sorted(local.delivered()) == ["1", "1"]


def test_why_the_last_push_failed_is_the_reason(local: Place) -> None:
    local.die(b"{}", **{SOURCE_REASON: "/predict answered 400. the message has no batch_id"})
    [listed] = local.data("dlq", "list")["messages"]
    assert (listed["reason"], listed["permanent"]) == ("/predict answered 400. the message has no batch_id", False)


def test_a_message_is_shown_line_by_line_in_words(local: Place) -> None:
    name = local.die(b"\xff\xfe", note="first\nsecond")
    local.data("dlq", "list")
    lines = local.call("dlq", "show", name).stdout.splitlines()
    facts = {line[:19].strip(): line[19:] for line in lines[:-1]}
    assert (facts["dead letter topic"], facts["permanent"], facts["size"]) == (DEAD, "yes", "2 bytes")
    assert r"attribute          note=first\nsecond" in lines
    assert (facts["data"], lines[-1]) == ("not UTF-8; as base64:", "//4=")


def test_nothing_to_do_and_no_such_message(local: Place) -> None:
    assert local.call("dlq", "list").stderr == "No message waits for a decision.\n"
    assert local.call("dlq", "replay", "--all").returncode == 0
    for words in (("show", "x"), ("replay", "x"), ("archive", "x", "--reason", "r")):
        assert local.data("dlq", *words, code=4)["next"] == "List them: nbactl dlq list --all"
    wrong: list[tuple[str, ...]] = [
        ("replay",),
        ("replay", "x", "--all"),
        ("replay", "x", "--topic", TOPIC),
        ("archive", "x"),
        ("archive", "--all", "--undo"),
    ]
    assert [local.call("dlq", *words).returncode for words in wrong] == [2] * len(wrong)


def test_a_fresh_place_stays_empty(tmp_path: Path) -> None:
    for words in (("list",), ("list", "--all"), ("replay", "--all", "--dry-run")):
        done = call_nbactl(["dlq", *words], cwd=tmp_path, env=environment())
        assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".nbactl").exists()


def test_what_is_saved_is_shown_without_touching_the_bus(local: Place) -> None:
    local.die()
    assert local.data("dlq", "list", "--saved")["messages"] == []
    [waits] = local.bus.pull(QUEUE.name, limit=10, timeout=0.0)
    assert waits.delivery_attempt == 1, "the look was no delivery"


def test_inv_28_data_are_shown_without_secrets_and_control_characters(local: Place) -> None:
    name = local.die(json.dumps({"api_key": "hush-hush", "name": ESCAPE}).encode(), api_key="hush-hush", note=ESCAPE)
    local.data("dlq", "list")
    for done in (local.call("dlq", "show", name), local.call("dlq", "show", name, "-o", "json")):
        assert "hush-hush" not in done.stdout
        assert "\x1b" not in done.stdout
        assert "[2J" in done.stdout
    local.data("dlq", "replay", name)
    [replayed] = local.bus.pull(SOURCE.name, limit=1, timeout=0.0)
    assert json.loads(replayed.data) == {"api_key": "hush-hush", "name": ESCAPE}, "what is published is the original"


def test_a_document_that_is_no_dead_letter_is_named_and_left_out(local: Place) -> None:
    name = local.die()
    local.data("dlq", "list")
    with closing(open_documents(local.folder / "state")) as store:
        store.commit([Set("dead_letters/odd", {"open_since": SystemClock().now()})])
    done = local.call("dlq", "list", "-o", "json")
    found = json.loads(done.stdout)
    assert [one["message_id"] for one in found["data"]["messages"]] == [name]
    assert found["warnings"] == ["left out: dead_letters/odd is not a dead letter"]


def test_a_second_operator_waits_for_the_first(local: Place) -> None:
    local.die()
    local.data("dlq", "list")
    store = open_documents(local.folder / "state")
    Leases(store, SystemClock(), is_dead=lambda _: False).acquire("dead-letters", "somebody", 60.0)
    store.close()
    assert local.data("dlq", "replay", "--all", code=6)["code"] == "lease_held"
    assert local.delivered() == []


@pytest.mark.parametrize("point", ["dead_letters.saved", "dead_letters.acknowledged"])
def test_inv_19_a_kill_while_messages_are_moved_loses_none(local: Place, point: str) -> None:
    name = local.die()
    assert local.call("dlq", "list", faults=f"{point}=kill").returncode == -signal.SIGKILL
    [letter] = local.data("dlq", "list")["messages"]
    assert letter["message_id"] == name
    later = FakeClock(start=SystemClock().now() + timedelta(hours=1))
    with closing(bus_at(local.folder / "state" / "bus.db", clock=later)) as bus:
        left = bus.pull(QUEUE.name, limit=10, timeout=0.0)
        assert [message.message_id for message in left] == ([name] if point == "dead_letters.saved" else [])
        bus.nack(QUEUE.name, [message.ack_id for message in left])
    assert local.data("dlq", "list")["total"] == 1


@pytest.mark.parametrize("point", ["dead_letters.replaying", "dead_letters.published"])
def test_inv_20_a_kill_during_a_replay_is_resumed_by_the_same_command(local: Place, point: str) -> None:
    name = local.die()
    local.data("dlq", "list")
    assert local.call("dlq", "replay", "--all", faults=f"{point}=kill").returncode == -signal.SIGKILL
    assert [one["state"] for one in local.data("dlq", "list")["messages"]] == ["replaying"]
    assert local.data("dlq", "replay", "--all")["changed"] == [f"{DEAD}/{name}"]
    assert local.delivered() == (["1"] if point == "dead_letters.replaying" else ["1", "1"])


def test_a_replay_keeps_to_its_rate(local: Place) -> None:
    for _ in range(3):
        local.die()
    local.data("dlq", "list")
    clock = FakeClock(start=SystemClock().now())
    settings = load_settings({"state_dir": str(local.folder / "state")}, {}, local.folder)
    with Container(settings, clock=clock) as app:
        began = clock.monotonic()
        assert len(replay_letters(app, ReplayRequest(Choice(everything=True), rate=0.5)).changed) == 3
        assert clock.monotonic() - began == pytest.approx(4.0)
    assert local.call("dlq", "replay", "--all", "--rate", "0.01").returncode == 2


def test_a_bus_that_is_down_is_reported_with_what_is_saved(tmp_path: Path, firestore_address: str) -> None:
    project = fresh("test")
    emulator_documents(firestore_address, project).close()
    variables = {
        "PUBSUB_EMULATOR_HOST": "127.0.0.1:9",
        "FIRESTORE_EMULATOR_HOST": firestore_address,
        "NBACTL_TIMEOUT_BUS_PUBLISH": "1s",
    }
    words = ["dlq", "list", "--target", "gcp", "--project", project, "-o", "json"]
    done = call_nbactl(words, cwd=tmp_path, env=environment(variables))
    assert done.returncode == 7, done.stderr
    assert json.loads(done.stdout)["data"]["messages"] == []
