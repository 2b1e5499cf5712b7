"""What the embedded bus promises beyond the port: processes share its file, and a killed one loses nothing."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.localbus import deliveries
from nbactl.errors import ConfigError, DataError, NotFoundError, UnavailableError
from nbactl.ports.bus import OutgoingMessage, PushTarget, Subscription
from nbactl.testing import FakeClock
from tests.kit.bus import bus_at
from tests.kit.warm import run_module

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES, PROCESSES = 60, 3
PASSING_ON = Subscription("worker", "work", "dead", most_attempts=100, ack_deadline=10.0, least_backoff=0.0)


@pytest.mark.timeout(120)
def test_inv_07_no_message_is_lost_whichever_process_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "bus.db"
    kills = 0
    with closing(bus_at(file, "work", "done", "dead")) as bus:
        bus.create_subscription(PASSING_ON)
        for number in range(MESSAGES):
            bus.publish("work", str(number).encode())

    def live(seed: int) -> None:
        nonlocal kills
        rng = random.Random(seed)
        while True:
            done = run_module("tests.conformance.bus.bus_killed", str(file), "worker", "done", str(rng.random())[2:8])
            assert done.returncode in (0, -9), done.stderr
            if done.returncode == 0:
                return
            kills += 1

    threads = [threading.Thread(target=live, args=(number,)) for number in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    later = FakeClock()
    with closing(bus_at(file)) as now, closing(bus_at(file, clock=later)) as bus:
        later.set(now._clock.now())
        later.advance(60.0)  # the deliveries of killed processes are over
        while messages := bus.pull("worker", limit=50, timeout=0.0):
            for message in messages:
                bus.publish("done", message.data)
            bus.ack("worker", [message.ack_id for message in messages])
        passed_on = [int(message.data) for message in bus.messages("done")]
    assert set(passed_on) == set(range(MESSAGES))
    assert kills >= PROCESSES, "too few were killed for this to tell anything"


def test_a_pull_is_woken_by_another_process(tmp_path: Path) -> None:
    file = tmp_path / "bus.db"
    with closing(bus_at(file, "work", "dead")) as bus, closing(bus_at(file)) as other:
        bus.create_subscription(PASSING_ON)
        got: list[float] = []
        clock = bus._clock

        def wait() -> None:
            for _ in range(5):
                [message] = bus.pull("worker", limit=1, timeout=20.0)
                got.append((clock.now() - message.published_at).total_seconds())
                bus.ack("worker", [message.ack_id])
                ready.set()

        ready = threading.Event()
        waiting = threading.Thread(target=wait)
        waiting.start()
        for _ in range(5):
            ready.clear()
            other.publish("work", b"news")
            assert ready.wait(20.0)
        waiting.join()
    assert sorted(got)[2] < 0.5, "without a datagram it takes up to a second"


def test_a_fork_uses_the_file_with_a_connection_of_its_own(tmp_path: Path) -> None:
    with closing(bus_at(tmp_path / "bus.db", "work", "dead")) as bus:
        bus.create_subscription(PASSING_ON)
        bus.publish("work", b"parent")
        child = os.fork()
        if not child:
            bus.publish("work", b"child")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert [message.data for message in bus.pull("worker", limit=5, timeout=5.0)] == [b"parent", b"child"]


def test_a_fork_listens_for_itself_and_leaves_its_parent_listening(tmp_path: Path) -> None:
    file = tmp_path / "bus.db"
    with closing(bus_at(file, "work", "dead")) as bus, closing(bus_at(file)) as other:
        bus.create_subscription(PASSING_ON)
        bus.pull("worker", limit=1, timeout=0.0)  # listens
        port = bus._wake._port
        child = os.fork()
        if not child:
            bus.pull("worker", limit=1, timeout=0.0)
            own = bus._wake._port
            bus.close()
            os._exit(0 if own not in (None, port) else 1)
        assert os.waitpid(child, 0)[1] == 0, "the fork shares the port of its parent"
        seen = bus._wake.count
        other.publish("work", b"news")
        bus._wake.wait(seen, 1.0)
        assert bus._wake.count != seen, "the parent was deaf after its child had closed the bus"


def test_messages_older_than_seven_days_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "_SWEEP_EVERY", 3)
    clock = FakeClock()
    with closing(bus_at(tmp_path / "bus.db", "work", clock=clock)) as bus:
        bus.publish("work", b"old")
        clock.advance(7 * 86_400.0 + 1)
        for _ in range(2):
            bus.publish("work", b"new")
        assert {message.data for message in bus.messages("work")} == {b"new"}


def test_a_file_that_is_not_a_bus_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "bus.db"
    file.write_bytes(b"not a database at all" * 100)
    with pytest.raises((DataError, UnavailableError)):
        bus_at(file, "topic")
    assert file.read_bytes().startswith(b"not a database")


def test_another_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "bus.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE players (name TEXT)")
    before = file.read_bytes()
    with pytest.raises(DataError, match="not a message bus"):
        bus_at(file, "topic")
    assert file.read_bytes() == before


@pytest.mark.parametrize("replace_it", [False, True])
def test_a_file_that_is_removed_while_it_is_used_is_noticed(tmp_path: Path, replace_it: bool) -> None:
    file = tmp_path / "bus.db"
    with closing(bus_at(file, "work", "dead")) as bus:
        bus.create_subscription(PASSING_ON)
        bus.publish("work", b"kept")
        file.rename(tmp_path / "moved.db")
        if replace_it:
            with closing(bus_at(file, "work")) as other:
                other.publish("work", b"other")
        for call in (lambda: bus.publish("work", b"lost"), lambda: bus.pull("worker", limit=1, timeout=5.0)):
            with pytest.raises(UnavailableError, match="removed or replaced") as gone:
                call()
            assert "Restart" in str(gone.value.next_step)
            assert not gone.value.retryable


def test_a_clock_that_is_set_back_delays_messages_ten_minutes_at_most(tmp_path: Path) -> None:
    clock = FakeClock()
    with closing(bus_at(tmp_path / "bus.db", "work", "dead", clock=clock)) as bus:
        bus.create_subscription(replace(PASSING_ON, least_backoff=600.0))
        bus.publish_many(
            "work", [OutgoingMessage(b"under way"), OutgoingMessage(b"given back"), OutgoingMessage(b"new")]
        )
        _, second = bus.pull("worker", limit=2, timeout=0.0)
        bus.nack("worker", [second.ack_id])
        clock.jump(-2 * 3_600.0)
        clock.advance(10.0)  # it looks now and then
        now = bus.pull("worker", limit=5, timeout=0.0)
        assert {message.data for message in now} == {b"given back", b"new"}
        bus.ack("worker", [message.ack_id for message in now])
        clock.advance(600.0)
        assert [message.data for message in bus.pull("worker", limit=5, timeout=0.0)] == [b"under way"]


def test_looking_for_a_clock_that_was_set_back_leaves_backoffs_as_they_are(tmp_path: Path) -> None:
    clock = FakeClock()
    with closing(bus_at(tmp_path / "bus.db", "work", "dead", clock=clock)) as bus:
        bus.create_subscription(replace(PASSING_ON, least_backoff=600.0))
        bus.publish("work", b"given back")
        [message] = bus.pull("worker", limit=1, timeout=0.0)
        bus.nack("worker", [message.ack_id])
        for _ in range(59):
            clock.advance(10.0)
            assert bus.pull("worker", limit=1, timeout=0.0) == []
        clock.advance(10.0)
        assert len(bus.pull("worker", limit=1, timeout=0.0)) == 1


def test_a_pull_takes_no_longer_behind_a_long_backlog(tmp_path: Path) -> None:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def fill(connection: sqlite3.Connection) -> None:
        for number in range(5_000):
            message = deliveries.Outgoing(f"m{number}", b"", {}, "", bus._now())
            deliveries.publish(connection, "work", [message])
        connection.set_progress_handler(count, 100)

    with closing(bus_at(tmp_path / "bus.db", "work", "dead")) as bus:
        bus.create_subscription(PASSING_ON)
        bus._file.write(fill)
        steps = 0
        assert len(bus.pull("worker", limit=1, timeout=0.0)) == 1
    assert steps < 20, "it looked at every message that waits"


def test_a_subscription_says_how_many_messages_are_not_acknowledged(tmp_path: Path) -> None:
    with closing(bus_at(tmp_path / "bus.db", "work", "dead")) as bus:
        bus.create_subscription(PASSING_ON)
        bus.publish_many("work", [OutgoingMessage(b"x")] * 3)
        [message] = bus.pull("worker", limit=1, timeout=0.0)
        assert bus.waiting("worker") == 3
        bus.ack("worker", [message.ack_id])
        assert bus.waiting("worker") == 2
        with pytest.raises(NotFoundError, match="no-such"):
            bus.waiting("no-such")


def test_errors_of_the_file_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(b"not a database" * 100)
    with pytest.raises(DataError) as damaged:
        bus_at(tmp_path / "damaged.db").topics()
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(ConfigError) as folder:
        bus_at(tmp_path / "folder.db").topics()
    with closing(bus_at(tmp_path / "bus.db", "work")) as bus:
        bus._file.read(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchall())
        with pytest.raises(UnavailableError) as full:
            bus.publish("work", bytes(100_000))
        assert list(bus.messages("work")) == []
    assert "Move the file away" in str(damaged.value.next_step)
    assert "--state-dir" in str(folder.value.next_step)
    assert "Free some space" in str(full.value.next_step)
    assert not full.value.retryable


def test_a_closed_bus_refuses_and_ends_its_waits(tmp_path: Path) -> None:
    bus = bus_at(tmp_path / "bus.db", "work", "dead")
    bus.create_subscription(PASSING_ON)
    ended: list[type[BaseException]] = []

    def wait() -> None:
        try:
            bus.pull("worker", limit=1, timeout=60.0)
        except UnavailableError as error:
            ended.append(type(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    bus.close()
    waiting.join(20.0)
    assert ended == [UnavailableError]


def test_a_file_of_the_version_before_pushes_keeps_its_messages(tmp_path: Path) -> None:
    file = tmp_path / "bus.db"
    with closing(bus_at(file, "work", "dead")) as bus:
        bus.create_subscription(PASSING_ON)
        bus.publish("work", b"old")
    with closing(sqlite3.connect(file)) as connection:
        for column in ("push_endpoint", "push_account", "push_audience"):
            connection.execute(f"ALTER TABLE subscriptions DROP COLUMN {column}")
        connection.execute("PRAGMA user_version = 1")
    pushed = replace(PASSING_ON, name="pushed", push=PushTarget("http://127.0.0.1:9/"))
    with closing(bus_at(file)) as bus:
        bus.create_subscription(pushed)
        assert bus.subscriptions() == [pushed, PASSING_ON]
        assert [message.data for message in bus.pull("worker", limit=5, timeout=0.0)] == [b"old"]
