"""`nbactl publish` on the embedded bus, killed and given again, and on Pub/Sub's emulator."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap import Container
from nbactl.cli.publish.command import PublishRequest, publish_message
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.core.outbox.outbox import KEY_ATTRIBUTE
from nbactl.ports.bus import Subscription
from nbactl.ports.documents import Set
from nbactl.services.manual import Values
from nbactl.testing import emulator_documents
from tests.integration.cli.conftest import environment
from tests.kit.batches import add_batch
from tests.kit.bus import bus_at, fresh, pubsub_at
from tests.kit.called import call_nbactl

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nbactl.cli.ask import Question
    from nbactl.ports.bus import PulledMessage

TOPIC, FOUR, DEAD = "nba-phase3-trigger", "nba-phase4-trigger", "nba-phase3-trigger-dead-letter"
DONE = "nba-phase3-analytics-complete"
DAY = ("--game-date", "2025-01-06")


@dataclass
class Place:
    """A bus whose topics are subscribed to, and nbactl called on it."""

    folder: Path
    bus: Any
    variables: dict[str, str]

    def call(self, *words: str, faults: str = "") -> subprocess.CompletedProcess[str]:
        environ = {**self.variables, **({"NBACTL_FAULTS": faults} if faults else {})}
        return call_nbactl(["publish", *words], cwd=self.folder, env=environment(environ))

    def data(self, *words: str, code: int = 0) -> Any:
        done = self.call(*words, "-o", "json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def subscribe(self, *topics: str) -> None:
        for topic in (*topics, DEAD):
            self.bus.create_topic(topic)
        for topic in topics:
            self.bus.create_subscription(Subscription(topic, topic, DEAD, ack_deadline=60.0))

    def pulled(self, topic: str) -> Sequence[PulledMessage]:
        found: Sequence[PulledMessage] = self.bus.pull(topic, limit=20, timeout=0.5)
        self.bus.ack(topic, [message.ack_id for message in found])
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / ".nbactl").mkdir()
    with closing(bus_at(tmp_path / ".nbactl" / "bus.db")) as bus:
        yield Place(tmp_path, bus, {})


def test_a_message_is_published_once_in_its_form_and_again_only_if_asked(place: Place) -> None:
    place.subscribe(DONE)
    words = (DONE, *DAY, "--processor", "player_game_summary", "--rows", "25", "--field", "output_table=t")
    shown = place.data(*words, "--dry-run")["data"]
    assert shown["messages"][0]["message_id"] is None
    assert place.pulled(DONE) == []
    first = place.data(*words)["data"]
    [message] = place.pulled(DONE)
    [sent] = first["messages"]
    assert (message.message_id, json.loads(message.data)) == (sent["message_id"], sent["data"])
    assert message.attributes[KEY_ATTRIBUTE] == sent["key"]
    assert message.attributes["correlation_id"] == sent["data"]["correlation_id"]
    assert (sent["data"]["record_count"], sent["data"]["output_table"]) == (25, "t")
    assert first["receivers"] == [DONE]
    assert first["effects"] == [
        "Counts player_game_summary as done in phase3 for 2025-01-06. It starts phase4 if that has what it waits for."
    ]
    same = place.call(*words, "--reason", "was it sent?")
    assert f"Nothing to do: published before as {sent['message_id']}." in same.stderr
    assert place.pulled(DONE) == []
    again = place.data(*words, "--again")["data"]["messages"]
    assert [one.message_id for one in place.pulled(DONE)] == [again[0]["message_id"]]
    assert again[0]["key"] != sent["key"]
    place.data(DONE, *DAY, "--processor", "player_game_summary", "--rows", "26")
    assert len(place.pulled(DONE)) == 1  # another message


def test_phase_4_is_started_with_five_messages_and_started_again_by_messages_of_their_own(place: Place) -> None:
    place.subscribe(FOUR)
    first = place.data(FOUR, *DAY)["data"]["messages"]
    pulled = [json.loads(message.data) for message in place.pulled(FOUR)]
    assert len(first) == len(pulled) == 5
    assert {message["attempt"] for message in pulled} == {1}
    place.data(FOUR, *DAY, "--again")
    assert [("attempt" in json.loads(message.data)) for message in place.pulled(FOUR)] == [False] * 5


@pytest.mark.parametrize("instant", ["publish.kept", "bus.before_publish", "outbox.published"])
def test_inv_07_killed_at_any_instant_the_same_command_finishes_it_under_the_same_keys(
    place: Place, instant: str
) -> None:
    place.subscribe(FOUR)
    assert place.call(FOUR, *DAY, faults=f"{instant}=kill").returncode == -9
    finished = place.data(FOUR, *DAY)["data"]
    keys = [message.attributes[KEY_ATTRIBUTE] for message in place.pulled(FOUR)]
    assert sorted(set(keys)) == [one["key"] for one in finished["messages"]]
    assert len(keys) == (6 if instant == "outbox.published" else 5)  # that one twice, under one key
    assert len({one["data"]["correlation_id"] for one in finished["messages"]}) == 1
    assert place.data(FOUR, *DAY)["data"]["published_before"] is True


@pytest.mark.parametrize("again", [False, True])
def test_two_operators_who_publish_the_same_at_once_publish_it_once(place: Place, again: bool) -> None:
    place.subscribe(TOPIC)
    if again:
        place.data(TOPIC, *DAY)
        place.pulled(TOPIC)
    request = PublishRequest(TOPIC, Values(GameDate.iso(DAY[1])), again=again)
    settings = load_settings({"state_dir": str(place.folder / ".nbactl")}, {}, place.folder)
    with Container(settings) as app:
        others: list[str | None] = []

        def meanwhile(_: Question) -> None:
            others.extend(message.message_id for message in publish_message(app, request).messages)

        [own] = publish_message(app, request, confirm=meanwhile).messages
    assert [message.message_id for message in place.pulled(TOPIC)] == others == [own.message_id]


def test_what_speaks_against_a_start_is_said(place: Place) -> None:
    warnings = place.data(TOPIC, "--game-date", "2024-12-24", "--dry-run")["warnings"]
    assert f"No subscription gets what is published to {TOPIC}: nothing follows." in warnings
    assert "2024-12-24 has no games." in warnings
    place.subscribe(TOPIC)
    halted = call_nbactl(
        ["season", "halt", "--from", "2025-01-06", "--until", "2025-01-06", "--reason", "a strike"],
        cwd=place.folder,
        env=environment({}),
    )
    assert halted.returncode == 0, halted.stderr
    assert place.data(TOPIC, *DAY, "--dry-run")["warnings"] == ["2025-01-06 is halted: a strike"]


def test_unknown_topics_batches_and_forms_that_lack_fields_are_refused(place: Place) -> None:
    assert place.data("nba-phase3-triger", *DAY, code=4)["error"]["next"] == f"Did you mean '{TOPIC}'?"
    lacking = place.data(DONE, *DAY, code=2)["error"]
    assert lacking["message"] == f"a completion on {DONE} needs --processor"
    assert "player_game_summary" in lacking["next"]
    request = ("prediction-request-prod", *DAY, "--player", "p1")
    assert "--batch" in place.data(*request, code=2)["error"]["message"]
    assert "there is no batch 'gone'" in place.data(*request, "--batch", "gone", code=4)["error"]["message"]
    add_batch(place.folder / ".nbactl", "2025-01-06", completed=2, failed=1)
    place.data(*request, "--batch", "2025-01-06", "--dry-run")
    assert "NAME=VALUE" in place.data(DONE, *DAY, "--field", "rows", code=2)["error"]["next"]
    for secret in ("api_key=hunter2", "note=token=hunter2"):
        refused = place.data(DONE, *DAY, "--processor", "player_game_summary", "--field", secret, code=2)["error"]
        assert "looks like a secret" in refused["message"]
        assert "hunter2" not in str(refused)
    assert "'done' is not a status" in place.data(DONE, *DAY, "--status", "done", code=2)["error"]["message"]


def test_on_gcp_it_asks_publishes_and_refuses_a_topic_that_is_not_there(
    tmp_path: Path, pubsub_address: str, firestore_address: str
) -> None:
    project = fresh("test")
    variables = {
        "NBACTL_TARGET": "gcp",
        "NBACTL_PROJECT": project,
        "PUBSUB_EMULATOR_HOST": pubsub_address,
        "FIRESTORE_EMULATOR_HOST": firestore_address,
    }
    with (
        closing(pubsub_at(pubsub_address, project)) as bus,
        closing(emulator_documents(firestore_address, project)) as store,
    ):
        place = Place(tmp_path, bus, variables)
        store.commit([Set("prediction_batches/b1", {"batch_id": "b1", "expected_players": 2})])
        words = ("prediction-ready-prod", *DAY, "--batch", "b1", "--player", "p1", "--predictions", "3")
        missing = place.call(*words, "--yes")
        assert missing.returncode == 4
        assert "is declared, and is not there" in missing.stderr
        place.subscribe("prediction-ready-prod")
        asked = place.call(*words)
        assert asked.returncode == 2
        assert f"Publish a message to prediction-ready-prod on gcp ({project})?" in asked.stderr
        assert '"player_lookup": "p1"' in asked.stderr
        assert "Counts p1 as done in b1." in asked.stderr
        assert "prediction-ready-prod gets it." in asked.stderr
        [sent] = place.data(*words, "--yes")["data"]["messages"]
        [message] = place.pulled("prediction-ready-prod")
        assert (message.message_id, json.loads(message.data)) == (sent["message_id"], sent["data"])
