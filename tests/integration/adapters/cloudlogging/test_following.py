"""Following the stream of Cloud Logging: duplicates, late arrivals, interruptions, and too many lines."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from nbactl.errors import NotAuthorisedError, UnavailableError
from nbactl.ports.logs import LogGroup, LogQuery
from tests.kit.service_logs import CloudEngine, cloud_engine, cloud_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Code = grpc.StatusCode


@pytest.fixture
def engine() -> Iterator[CloudEngine]:
    with cloud_engine() as made:
        yield made


class Follower:
    """Follows all records of an hour, and takes groups until something is so."""

    def __init__(self, engine: CloudEngine, last: int = 10) -> None:
        self.groups: list[LogGroup] = []
        query = LogQuery(since=datetime.now(UTC) - timedelta(hours=1))
        self._end = time.monotonic() + 20
        self._coming = engine.logs.follow(query, self._stopped, last=last)
        self._over = False

    def until(self, done: Callable[[], bool]) -> None:
        while not done():
            self.groups.append(next(self._coming))

    def close(self) -> None:
        self._over = True
        self.groups += self._coming

    def _stopped(self) -> bool:
        assert time.monotonic() < self._end, "it did not come"
        return self._over

    @property
    def messages(self) -> list[str]:
        return [record.message for group in self.groups for record in group.records]

    @property
    def problems(self) -> list[str]:
        return [group.problem for group in self.groups if group.problem]


@pytest.fixture
def follower(engine: CloudEngine) -> Iterator[Follower]:
    made = Follower(engine)
    made.until(lambda: bool(made.groups))
    engine.server.wait_for_streams()
    yield made
    made.close()


def test_nothing_is_polled_while_the_stream_is_open(engine: CloudEngine, follower: Follower) -> None:
    follower.until(lambda: len(follower.groups) > 12)
    assert engine.server.calls == {"tail": 1, "list": 2}  # what was before, and once what came while it was opened


def test_a_record_that_is_sent_twice_is_shown_once(engine: CloudEngine, follower: Follower) -> None:
    at = datetime.now(UTC)
    for _ in range(3):
        engine.add("worker", "twice", insert_id="same", at=at)
    engine.add("worker", "end")
    follower.until(lambda: "end" in follower.messages)
    assert follower.messages == ["twice", "end"]


def test_a_late_record_is_shown_and_a_group_is_in_the_order_of_time(engine: CloudEngine, follower: Follower) -> None:
    now = datetime.now(UTC)
    for seconds in (0, -5, -600):
        engine.add("worker", f"at {seconds}", at=now + timedelta(seconds=seconds))
    follower.until(lambda: len(follower.messages) == 3)
    for group in follower.groups:
        assert [record.at for record in group.records] == sorted(record.at for record in group.records)


def test_what_was_logged_while_the_stream_was_being_opened_is_found(engine: CloudEngine, follower: Follower) -> None:
    engine.add("worker", "between", to="list")
    follower.until(lambda: bool(follower.messages))
    assert follower.messages == ["between"]


def test_it_says_how_many_records_were_left_out(engine: CloudEngine, follower: Follower) -> None:
    engine.server.suppress(1_234)
    follower.until(lambda: any(group.not_shown for group in follower.groups))
    assert [group.not_shown for group in follower.groups if group.not_shown] == [1_234]


def test_an_interrupted_stream_is_opened_again_and_loses_nothing(engine: CloudEngine, follower: Follower) -> None:
    engine.add("worker", "before")
    follower.until(lambda: bool(follower.messages))
    engine.server.break_streams(Code.UNAVAILABLE, "restarting")
    engine.add("worker", "meanwhile", to="list")
    follower.until(lambda: "meanwhile" in follower.messages)
    engine.server.wait_for_streams()
    engine.add("worker", "after", to="tail")
    follower.until(lambda: "after" in follower.messages)
    assert follower.messages == ["before", "meanwhile", "after"]
    assert len(follower.problems) == 1
    assert follower.problems[0].endswith("cannot be reached or failed; trying again")


def test_a_stream_that_the_service_ends_in_order_is_continued_in_silence(
    engine: CloudEngine, follower: Follower
) -> None:
    engine.server.break_streams(None)
    engine.add("worker", "meanwhile", to="list")
    follower.until(lambda: bool(follower.messages))
    assert (follower.messages, follower.problems) == (["meanwhile"], [])
    assert engine.server.calls["tail"] == 2


def test_a_service_that_stays_away_ends_it(engine: CloudEngine, follower: Follower) -> None:
    engine.server.failures = [(Code.RESOURCE_EXHAUSTED, "Quota exceeded for live tailing sessions")] * 30
    engine.server.break_streams(Code.UNAVAILABLE)
    with pytest.raises(UnavailableError, match="over its quota"):
        follower.until(lambda: False)
    assert len(follower.problems) == 3


def test_it_can_be_stopped_while_the_service_stays_away() -> None:
    logs, channel = cloud_logs("127.0.0.1:9", attempts=99, pause=600.0)
    stopped: list[bool] = []
    began = time.monotonic()
    query = LogQuery(since=datetime.now(UTC) - timedelta(hours=1))
    with closing(channel):
        for group in logs.follow(query, lambda: bool(stopped), last=1):
            assert "trying again" in (group.problem or "")
            threading.Timer(0.1, stopped.append, [True]).start()
    assert time.monotonic() - began < 60


def test_following_without_the_permission_names_the_role(engine: CloudEngine) -> None:
    engine.server.failures = [(Code.PERMISSION_DENIED, "Permission 'logging.logEntries.list' denied")] * 2
    follower = Follower(engine)
    with pytest.raises(NotAuthorisedError) as caught:
        follower.until(lambda: False)
    assert "roles/logging.viewer" in (caught.value.next_step or "")


def test_a_reader_that_takes_nothing_can_still_close(engine: CloudEngine, follower: Follower) -> None:
    for number in range(300):
        engine.add("worker", str(number), to="tail")
    follower.close()
    assert not engine.server._sessions or engine.server.calls["tail"] == 1
