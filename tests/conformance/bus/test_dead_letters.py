"""Dead letters on both buses: saved before they are acknowledged, published again with what they had."""

from __future__ import annotations

import json
import random
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.pubsub.channel import Channel, PubSubProject, SubscriptionMessage
from nbactl.core._support.clock import SystemClock
from nbactl.core.dead_letters.dead_letters import MOST_REPLAYS, ORIGIN_ATTRIBUTE, DeadLetters
from nbactl.core.dead_letters.documents import REPLAY_ATTRIBUTE
from nbactl.errors import DataError, NotFoundError, PreconditionError, UnavailableError, UsageError
from nbactl.ports.bus import SOURCE_ATTEMPTS, SOURCE_SUBSCRIPTION, Subscription
from nbactl.ports.documents import WriteResult
from nbactl.testing import emulator_documents, faults, memory_documents
from tests.kit.bus import fresh, pubsub_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.core.dead_letters.documents import DeadLetter
    from nbactl.ports.bus import PulledMessage
    from nbactl.ports.documents import Create, DocumentStore

WAIT = 20.0


@dataclass
class Place:
    """A bus with one topic, its subscription and its dead-letter queue, and a store."""

    bus: Any
    store: DocumentStore
    subscription: Subscription
    queue: Subscription
    wait: float

    @property
    def letters(self) -> DeadLetters:
        return DeadLetters(self.store, lambda: self.bus, SystemClock(), wait=self.wait)

    def die(self, data: bytes = b'{"n": 1}', key: str = "", **attributes: str) -> str:
        """Publish what a subscription gave up."""
        given_up = {SOURCE_SUBSCRIPTION: self.subscription.name, SOURCE_ATTEMPTS: "5"}
        sent: str = self.bus.publish(self.queue.topic, data, {**given_up, **attributes}, ordering_key=key)
        return sent

    def saved(self, **message: Any) -> DeadLetter:
        """Return a dead letter that waits in the store."""
        name = self.die(**message)
        assert self.letters.collect().moved == {self.queue.name: 1}
        return self.letters.find(name)

    def one(self) -> PulledMessage:
        """Return the message that is delivered to the subscription, acknowledged."""
        [message] = self.bus.pull(self.subscription.name, limit=1, timeout=WAIT)
        self.bus.ack(self.subscription.name, [message.ack_id])
        return message  # type: ignore[no-any-return]


@pytest.fixture
def place(bus: Any, request: pytest.FixtureRequest) -> Iterator[Place]:
    topic = fresh("topic")
    subscription = Subscription(fresh("sub"), topic, f"{topic}-dead", ack_deadline=10.0, least_backoff=0.0)
    queue = replace(subscription, name=fresh("dead-sub"), topic=f"{topic}-dead", most_backoff=0.1)
    for name in (topic, queue.topic):
        bus.create_topic(name)
    for one in (subscription, queue):
        bus.create_subscription(one)
    embedded = request.node.callspec.params["bus"] == "embedded"
    made = (
        memory_documents(SystemClock())
        if embedded
        else emulator_documents(request.getfixturevalue("firestore_address"), fresh("test"))
    )
    with closing(made) as store:
        yield Place(bus, store, subscription, queue, 0.0 if embedded else 0.3)


def test_what_a_subscription_gives_up_is_moved_with_all_it_had(place: Place) -> None:
    letter = place.saved(data=b'{"n": 1}', key="a", game_date="2025-01-15", __odd__="x")
    assert (letter.topic, letter.subscription, letter.attempts) == (
        place.subscription.topic,
        place.subscription.name,
        5,
    )
    assert (letter.state, letter.permanent, letter.reason, letter.replays) == ("waiting", False, None, 0)
    assert {"game_date": "2025-01-15", "__odd__": "x"}.items() <= letter.attributes.items()
    assert letter.ordering_key == "a"
    assert place.letters.data_of(letter) == b'{"n": 1}'
    assert place.letters.collect().moved == {}
    assert [one.id for one in place.letters.open()] == [letter.id]


def test_inv_19_a_message_that_could_not_be_acknowledged_is_in_both_places_and_saved_once(place: Place) -> None:
    name = place.die()

    with faults.failing("dead_letters.saved", UnavailableError("cut off")):
        assert [str(error) for error in place.letters.collect().failed.values()] == ["cut off"]
    assert place.letters.find(name).state == "waiting"
    place.letters.archive(place.letters.find(name), by="me", reason="done")
    [again] = place.bus.pull(place.queue.name, limit=10, timeout=WAIT)  # not lost there either
    place.bus.nack(place.queue.name, [again.ack_id])
    while not place.letters.collect().moved:
        pass  # its backoff is none, or a tenth of a second
    [letter] = place.letters.all()
    assert (letter.message_id, letter.state) == (name, "archived"), "saving it again does not bring it back"


def test_inv_19_what_cannot_be_saved_is_not_acknowledged(place: Place) -> None:
    place.die()
    store = place.store

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def batch_write(self, _: object) -> None:
            raise UnavailableError("the store is down")

    full: Any = Full()
    letters = DeadLetters(full, lambda: place.bus, SystemClock(), wait=place.wait)
    assert str(letters.collect().failed[place.queue.name]) == "the store is down"
    assert place.letters.count_open() == 0


def test_inv_19_one_that_the_store_refuses_does_not_hold_up_the_others_and_comes_again(place: Place) -> None:
    bad, good = place.die(b'{"n": "bad"}'), place.die()
    store = place.store

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def batch_write(self, writes: list[Create]) -> list[WriteResult]:
            kept = [write for write in writes if not write.path.endswith(f"%2F{bad}")]
            refused = [
                WriteResult(write.path, DataError("too odd")) for write in writes if write.path.endswith(f"%2F{bad}")
            ]
            return [*(store.batch_write(kept) if kept else ()), *refused]

    odd: Any = Refusing()
    first = DeadLetters(odd, lambda: place.bus, SystemClock(), wait=place.wait).collect()
    while good not in {letter.message_id for letter in place.letters.open()}:  # each may come in a pull of its own
        first = DeadLetters(odd, lambda: place.bus, SystemClock(), wait=place.wait).collect()
    assert str(first.failed[place.queue.name]) == "too odd" or first.moved == {place.queue.name: 1}
    while not place.letters.collect().moved:
        pass
    assert {letter.message_id for letter in place.letters.open()} == {bad, good}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\x00", "the data are not a JSON object"),
        ('{"ä": "\u202e"}'.encode(), None),
        (b"[1]", "the data are not a JSON object"),
        (b"", "the data are not a JSON object"),
        (json.dumps({"big": "x" * 1_400_000}).encode(), None),
        (random.Random(1).randbytes(1_250_000), "the data are not a JSON object"),
    ],
    ids=["binary", "text", "list", "empty", "large", "large binary"],
)
def test_data_come_back_byte_for_byte(place: Place, data: bytes, reason: str | None) -> None:
    letter = place.saved(data=data, a="b")
    assert letter.reason == reason
    assert letter.size == len(data)
    assert place.letters.data_of(letter) == data
    place.letters.replay(letter, by="me", force=reason is not None)
    assert place.one().data == data


def test_a_replay_is_the_message_as_it_was_with_a_count(place: Place) -> None:
    letter = place.saved(outbox_key="phase3/2025-01-15/1")
    done = place.letters.replay(letter, by="me")
    message = place.one()
    assert message.data == b'{"n": 1}'
    assert message.attributes == {
        "outbox_key": "phase3/2025-01-15/1",
        REPLAY_ATTRIBUTE: "1",
        ORIGIN_ATTRIBUTE: letter.id,
    }
    assert (done.state, done.replays, done.history[0]["message_id"]) == ("replayed", 1, message.message_id)
    assert place.letters.count_open() == 0
    assert [one.state for one in place.letters.all()] == ["replayed"]


def test_a_message_that_fails_again_keeps_its_count_until_somebody_must_look(place: Place) -> None:
    attributes: dict[str, str] = {}
    for number in range(1, MOST_REPLAYS + 1):
        letter = place.saved(**attributes)
        place.letters.replay(letter, by="me")
        attributes = dict(place.one().attributes)
        assert attributes[REPLAY_ATTRIBUTE] == str(number)
    letter = place.saved(**attributes)
    with pytest.raises(PreconditionError, match="it was replayed 3 times"):
        place.letters.replay(letter, by="me")
    assert place.letters.find(letter.id).state == "waiting"
    assert place.letters.replay(letter, by="me", force=True).replays == MOST_REPLAYS + 1


def test_a_replay_that_was_cut_off_is_published_again_as_the_same_one(place: Place) -> None:
    letter = place.saved()

    with faults.failing("dead_letters.published", UnavailableError("cut off")), pytest.raises(UnavailableError):
        place.letters.replay(letter, by="me")
    cut_off = place.letters.find(letter.id)
    assert (cut_off.state, [one.id for one in place.letters.open()]) == ("replaying", [letter.id])
    assert place.letters.replay(cut_off, by="me").replays == 1
    assert [place.one().attributes[REPLAY_ATTRIBUTE] for _ in range(2)] == ["1", "1"]


def test_who_looked_at_an_older_state_changes_nothing(place: Place) -> None:
    letter = place.saved()
    place.letters.archive(letter, by="me", reason="sent by hand")
    with pytest.raises(PreconditionError, match="was changed by somebody else"):
        place.letters.replay(letter, by="you")
    with pytest.raises(PreconditionError, match="it is archived"):
        place.letters.replay(place.letters.find(letter.id), by="you")
    reopened = place.letters.reopen(place.letters.find(letter.id), by="me")
    assert [entry["event"] for entry in reopened.history] == ["archived", "reopened"]
    with pytest.raises(PreconditionError, match="is not archived"):
        place.letters.reopen(reopened, by="me")


def test_one_is_found_by_its_id_its_message_id_or_the_beginning(place: Place) -> None:
    first, second = place.saved(), place.saved()
    for name in (first.id, first.message_id):
        assert place.letters.find(name).id == first.id
    assert place.letters.find(second.id[:-1] if second.id[:-1] != first.id[:-1] else second.id).id == second.id
    with pytest.raises(UsageError, match="several dead letters begin with"):
        place.letters.find(place.queue.topic + "/")
    with pytest.raises(NotFoundError, match="there is no dead letter 'nothing'"):
        place.letters.find("nothing")
    with pytest.raises(NotFoundError):
        place.letters.find("")


def test_a_dead_letter_queue_that_gave_a_message_up_is_not_its_source(place: Place) -> None:
    letter = place.saved(**{SOURCE_SUBSCRIPTION: place.queue.name})
    assert letter.topic == place.subscription.topic


def test_where_several_topics_share_a_dead_letter_topic_the_source_must_be_named(place: Place) -> None:
    other = replace(place.subscription, name=fresh("sub"), topic=fresh("topic"))
    place.bus.create_topic(other.topic)
    place.bus.create_subscription(other)
    assert place.saved(**{SOURCE_SUBSCRIPTION: other.name}).topic == other.topic
    letter = place.saved(**{SOURCE_SUBSCRIPTION: "gone"})
    assert letter.topic is None
    with pytest.raises(PreconditionError, match="the topic that it came from is not known"):
        place.letters.replay(letter, by="me", force=True)


def test_what_is_moved_at_a_time_is_bounded(place: Place) -> None:
    for _ in range(4):
        place.die()
    first = place.letters.collect(limit=3)
    assert (first.moved, first.more) == ({place.queue.name: 3}, [place.queue.name])
    assert place.letters.collect(limit=3).moved == {place.queue.name: 1}
    assert place.letters.count_open() == 4


def test_a_queue_that_another_program_created_without_dead_letters_of_its_own_is_emptied(pubsub_address: str) -> None:
    project = fresh("test")
    address = PubSubProject(project, pubsub_address)
    with closing(pubsub_at(pubsub_address, project)) as bus, closing(memory_documents(SystemClock())) as store:
        for topic in ("requests", "requests-dead"):
            bus.create_topic(topic)
        bus.create_subscription(Subscription("worker", "requests", "requests-dead"))
        with closing(Channel(address, 10.0)) as channel:
            for name, topic in (("by-hand", "requests-dead"), ("other", "requests")):
                plain = SubscriptionMessage(name=address.subscription(name), topic=address.topic(topic))
                channel.call("CreateSubscription", plain, about=name)
        assert [one.name for one in bus.subscriptions()] == ["by-hand", "worker"]
        bus.publish("requests-dead", b"{}", {SOURCE_SUBSCRIPTION: "worker"})
        letters = DeadLetters(store, lambda: bus, SystemClock(), wait=0.3)
        assert letters.collect().moved == {"by-hand": 1}
        assert [letter.topic for letter in letters.open()] == ["requests"]
