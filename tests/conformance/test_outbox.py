"""What the outbox must do on every engine.

The bus is the embedded one. Each test works on keys and a topic of its own.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.core.outbox.outbox import KEY_ATTRIBUTE, Outbox
from nbactl.errors import AlreadyExistsError, DataError, NotFoundError, UnavailableError
from nbactl.ports.bus import OutgoingMessage
from nbactl.ports.documents import Create, Delete
from nbactl.testing import FakeClock, faults
from tests.kit.bus import bus_at
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nbactl.adapters.localbus.bus import LocalBus
    from nbactl.core.observe.events import Event
    from nbactl.ports.documents import DocumentStore
    from tests.kit.engines import Engine


class Lab:
    """An outbox with its bus, and a decision of its own that is announced."""

    def __init__(self, store: DocumentStore, folder: Path) -> None:
        self.store = store
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.key = f"phase3/{uuid.uuid4().hex}/1"
        self.topic = f"topic-{uuid.uuid4().hex}"
        self.state = f"decisions/{self.key.replace('/', '-')}"
        self.file = folder / "bus.db"
        self.bus = bus_at(self.file, self.topic, f"{self.topic}-mine", clock=self.clock)
        self.outbox = self.driver(self.bus)

    def driver(self, bus: Any, reaches: Callable[[str], bool] = lambda _: True) -> Outbox:
        terms: Any = {"redrive_after": 60.0, "keep": 3600.0, "reaches": reaches, "hook": self.events.append}
        return Outbox(self.store, bus, self.clock, **terms)

    def decide(self, **data: Any) -> None:
        self.store.commit([Create(self.state, {}), self.outbox.message(self.key, self.topic, data, {"a": "b"})])

    def published(self) -> list[str]:
        return [each.attributes[KEY_ATTRIBUTE] for each in self.bus.messages(self.topic)]


class BrokenBus:
    """A bus that is down."""

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None, **_: Any) -> str:  # noqa: ARG002
        raise UnavailableError("the bus is down")


class PoisonBus:
    """A bus that refuses one message, and every request that has it."""

    def __init__(self, bus: LocalBus, key: str) -> None:
        self._bus, self._key = bus, key

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str], **_: Any) -> str:
        return self.publish_many(topic, [OutgoingMessage(data, attributes)])[0]

    def publish_many(self, topic: str, messages: Sequence[OutgoingMessage]) -> list[str]:
        if any(message.attributes[KEY_ATTRIBUTE] == self._key for message in messages):
            raise UnavailableError("not this one")
        return self._bus.publish_many(topic, messages)


class TestOutbox:
    @pytest.fixture
    def lab(self, store: DocumentStore, tmp_path: Path) -> Lab:
        return Lab(store, tmp_path)

    def test_a_message_is_published_once_with_its_key(self, lab: Lab) -> None:
        lab.decide(game_date="2024-01-15", größe=1)
        assert lab.outbox.drive(lab.key)
        assert not lab.outbox.drive(lab.key)
        assert lab.outbox.sweep().published == ()
        [message] = lab.bus.messages(lab.topic)
        assert message.data.decode() == '{"game_date": "2024-01-15", "größe": 1}'
        assert message.attributes == {"a": "b", "outbox_key": lab.key}
        assert [event.kind for event in lab.events] == ["outbox.published", "outbox.swept"]

    def test_inv_07_what_could_not_be_published_stays_and_is_driven_again(self, lab: Lab) -> None:
        lab.decide()
        down = lab.driver(BrokenBus())
        with pytest.raises(UnavailableError):
            down.drive(lab.key)
        [waiting] = [each for each in lab.outbox.pending() if each.key == lab.key]
        assert (waiting.attempts, waiting.last_error) == (1, "unavailable: the bus is down")
        assert lab.key not in lab.outbox.sweep().published  # somebody has it for a minute
        lab.clock.advance(60)
        assert list(down.sweep().failed) == [lab.key]
        lab.clock.advance(60)
        assert lab.outbox.sweep().published == (lab.key,)
        assert lab.published() == [lab.key]

    def test_inv_08_of_two_that_decide_the_same_one_wins_and_one_message_goes_out(self, lab: Lab) -> None:
        def decide(number: int) -> bool:
            try:
                lab.store.commit(
                    [Create(f"{lab.state}-{number}", {}), lab.outbox.message(lab.key, lab.topic, {"winner": number})]
                )
            except AlreadyExistsError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(decide, range(8)))
            list(pool.map(lambda _: lab.outbox.sweep(), range(8)))
        assert won.count(True) == 1
        assert lab.published() == [lab.key]
        states = lab.store.get_all([f"{lab.state}-{number}" for number in range(8)])
        assert [state is not None for state in states] == won

    def test_inv_07_a_driver_that_was_overtaken_publishes_twice_under_the_same_key(self, lab: Lab) -> None:
        lab.decide()

        def overtake() -> None:
            faults.disarm("outbox.taken")
            lab.clock.advance(60)
            assert lab.outbox.drive(lab.key)

        with faults.calling("outbox.taken", overtake):
            lab.outbox.drive(lab.key)
        assert lab.published() == [lab.key, lab.key]
        assert not lab.outbox.drive(lab.key)

    def test_one_that_fails_does_not_hold_up_the_others(self, lab: Lab) -> None:
        lab.decide()
        lab.clock.advance(1)
        lab.store.commit([lab.outbox.message(f"{lab.key}/next", lab.topic, {})])
        swept = lab.driver(PoisonBus(lab.bus, lab.key)).sweep()
        assert (swept.published, list(swept.failed)) == ((f"{lab.key}/next",), [lab.key])
        told = lab.events[-1]
        assert (told.kind, told.fields) == ("outbox.swept", {"published": 1, "failed": 1, "pending": 1})
        assert lab.outbox.sweep().published == ()  # a driver has it, and still it waits
        assert lab.events[-1].fields == {"published": 0, "failed": 0, "pending": 1}

    def test_a_sweep_leaves_alone_what_another_process_has_to_publish(self, lab: Lab) -> None:
        lab.decide()
        lab.clock.advance(1)
        lab.store.commit([lab.outbox.message(f"{lab.key}/mine", f"{lab.topic}-mine", {})])
        swept = lab.driver(lab.bus, reaches=lambda topic: topic.endswith("-mine")).sweep()
        assert (swept.published, swept.failed) == ((f"{lab.key}/mine",), {})
        [waiting] = [each for each in lab.outbox.pending() if each.key == lab.key]
        assert (waiting.attempts, waiting.due_at) == (0, waiting.created_at), "nobody had it, and it is due"
        assert lab.key in lab.outbox.sweep().published

    def test_inv_07_a_document_that_is_no_message_holds_up_no_other_and_is_seen(self, lab: Lab) -> None:
        odd = f"odd-{uuid.uuid4().hex}"
        lab.store.commit(
            [
                Create(f"outbox/{odd}", {"state": "pending", "due_at": lab.clock.now()}),
                Create(f"outbox/{odd}%2G", {"due_at": lab.clock.now()}),
            ]
        )
        lab.clock.advance(1)
        lab.decide()
        swept = lab.outbox.sweep()
        assert lab.key in swept.published
        assert {odd, f"{odd}%2G"} <= set(swept.failed)
        listed = {each.key: each.last_error for each in lab.outbox.pending()}
        assert "is not a message: its topic is None" in (listed[odd] or "")
        lab.store.commit([Delete(f"outbox/{odd}"), Delete(f"outbox/{odd}%2G")])

    def test_inv_07_a_bus_that_breaks_in_an_unknown_way_leaves_the_message_with_its_reason(self, lab: Lab) -> None:
        class Broken:
            def publish(self, *_: Any, **__: Any) -> str:
                raise ZeroDivisionError("bug")

        lab.decide()
        assert list(lab.driver(Broken(), reaches=lab.topic.__eq__).sweep().failed) == [lab.key]
        [waiting] = [each for each in lab.outbox.pending() if each.key == lab.key]
        assert (waiting.last_error or "").endswith(": ZeroDivisionError: bug")

    def test_what_is_no_json_and_what_is_not_there_is_refused(self, lab: Lab) -> None:
        with pytest.raises(DataError):
            lab.outbox.message(lab.key, lab.topic, {"a": object()})
        with pytest.raises(DataError):
            lab.outbox.message(lab.key, lab.topic, {"a": float("nan")})
        with pytest.raises(DataError, match="too long"):
            lab.outbox.message("k" * 1025, lab.topic, {})
        with pytest.raises(NotFoundError):
            lab.outbox.drive(lab.key)

    @pytest.mark.needs("processes")
    @pytest.mark.parametrize(
        ("point", "decided"),
        [
            ("outbox_test.before_decision", False),
            ("outbox_test.decided", True),
            ("outbox.taken", True),
            ("outbox.published", True),
        ],
    )
    def test_inv_07_a_decision_that_is_durable_is_announced_wherever_the_process_was_killed(
        self, lab: Lab, engine: Engine, point: str, decided: bool
    ) -> None:
        command = [
            sys.executable, "-m", "tests.conformance.outbox_worker", engine.as_text(), str(lab.file),
            lab.key, lab.topic, lab.state, point,
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, timeout=60, check=False, capture_output=True, text=True)
        assert done.returncode == -9, done.stderr
        assert (lab.store.get(lab.state) is not None) == decided
        lab.clock.set(lab.clock.now().replace(year=9000))
        lab.outbox.sweep()
        # Killed between publishing and marking, it goes out twice, under one key.
        assert lab.published() == [lab.key] * (2 if point == "outbox.published" else int(decided))
        assert [each for each in lab.outbox.pending() if each.key == lab.key] == []
