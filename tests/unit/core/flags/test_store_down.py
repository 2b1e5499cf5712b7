"""A store that is down for an hour, by a clock to move: nothing changes but what health says."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.core.flags import Flags, FlagStore, StateCache
from nbactl.core.flags.store import ANY_VERSION, Change
from nbactl.core.service.health import flags_check
from nbactl.errors import UnavailableError
from nbactl.testing import FakeClock, memory_documents
from tests.kit.flags import flag

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core.flags import Stored

EVERY, HOUR = 30.0, 3600.0
PLAYERS = [f"player{number}" for number in range(500)]


def to(percent: float, *, enabled: bool = True) -> list[Change]:
    return [Change("fast", ANY_VERSION, percent, enabled=enabled, salt="fast", hash_version=1, stage=None)]


@pytest.mark.parametrize("restart", [False, True], ids=["the same process", "a process that starts meanwhile"])
def test_inv_20_for_an_hour_flags_stay_as_last_known_health_tells_and_the_first_answer_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, restart: bool
) -> None:
    caplog.set_level(logging.INFO)
    clock = FakeClock()
    store, down, environ = FlagStore(memory_documents(clock), clock), [False], dict[str, str]()
    cache = StateCache(tmp_path / "flags.json")

    def read() -> Stored:
        if down[0]:
            raise UnavailableError("the store does not answer")
        return store.read()

    def process() -> Flags:
        return Flags(
            {"fast": flag(), "other": flag("other")},
            read,
            environ=environ,
            clock=clock,
            rng=random.Random(1),
            every=EVERY,
            cache=cache,
        )

    store.change(to(50), by="test", reason=None)
    flags = process()
    flags._refresh_and_log()
    assert flags_check(lambda: flags.health, 1.0).probe() is None
    inside = {player for player in PLAYERS if flags.on("fast", player)}
    assert 200 < len(inside) < 300
    refreshed_at = clock.now()
    down[0] = True
    if restart:
        flags = process()
    beats = int(HOUR / EVERY)
    for _ in range(beats):
        clock.advance(EVERY)
        flags._refresh_and_log()
        assert {player for player in PLAYERS if flags.on("fast", player)} == inside
    assert (flags.health.failures, flags.health.error) == (beats, "the store does not answer")
    assert flags.health.refreshed_at == (None if restart else refreshed_at)
    assert clock.now() - refreshed_at == timedelta(hours=1)
    assert flags_check(lambda: flags.health, 1.0).probe() == f"not refreshed, {beats} times in a row"
    environ["ENABLE_OTHER"] = "true"
    flags._refresh_and_log()
    assert flags.on("other", "anybody"), "the exit by environment is open all the while"
    down[0] = False
    store.change(to(50, enabled=False), by="test", reason="rolled back while it was down")
    flags._refresh_and_log()
    assert not any(flags.on("fast", player) for player in PLAYERS)
    assert (flags.health.failures, flags.health.error, flags.health.refreshed_at) == (0, None, clock.now())
    assert flags_check(lambda: flags.health, 1.0).probe() is None
    told = [record.message for record in caplog.records]
    assert told == ["flags stay as they are: the store does not answer", "flags are current again"]
    assert cache.load()["fast"].enabled is False
