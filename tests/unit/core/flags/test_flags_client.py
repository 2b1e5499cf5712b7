"""A service's flags: refreshed from the store, as they were last known while it does not answer."""

from __future__ import annotations

import json
import logging
import random
from typing import TYPE_CHECKING

import pytest

from nbactl.core import flags as public
from nbactl.core._support.durations import Interval
from nbactl.core.flags import Definition, Exposures, Flags, FlagSource, State, StateCache, Stored
from nbactl.errors import DataError, UnavailableError
from nbactl.testing import FakeClock
from tests.kit.flags import flag, state

if TYPE_CHECKING:
    from pathlib import Path

DAYS = flag("days", kind="int", default=7, treatment=14, variants=(7, 14), parameters={"TTL": 3600})


class Store:
    """What the store would answer; None: nothing."""

    def __init__(self, **states: State) -> None:
        self.answer: Stored | None = Stored(states)

    def read(self) -> Stored:
        if self.answer is None:
            raise UnavailableError("the store does not answer")
        return self.answer


def client(
    store: Store,
    *definitions: Definition,
    environ: dict[str, str] | None = None,
    cache: StateCache | None = None,
    exposures: Exposures | None = None,
) -> Flags:
    return Flags(
        {each.key: each for each in definitions or (flag(), DAYS)},
        store.read,
        environ={} if environ is None else environ,
        clock=FakeClock(),
        rng=random.Random(1),
        every=Interval(30.0, 0.2),
        cache=cache,
        exposures=exposures,
    )


def test_before_the_first_refresh_flags_give_their_defaults() -> None:
    flags = client(Store(fast=state(100)))
    assert flags.evaluate("fast").source is FlagSource.DEFINITION
    assert not flags.on("fast")
    flags.refresh()
    assert flags.on("fast")
    assert flags.health.refreshed_at == FakeClock().now()


def test_while_the_store_is_down_flags_stay_as_they_are_and_the_environment_is_followed() -> None:
    store = Store(fast=state(100), days=state(100, "days"))
    environ: dict[str, str] = {}
    flags = client(store, environ=environ)
    flags.refresh()
    store.answer = None
    environ["ENABLE_FAST"] = "false"
    with pytest.raises(UnavailableError):
        flags.refresh()
    assert not flags.on("fast"), "the emergency exit by environment needs no store"
    assert flags.value("days", 0) == 14


def test_a_failing_refresh_is_reported_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(fast=state(100))
    flags = client(store)
    store.answer = None
    with caplog.at_level(logging.INFO):
        flags._refresh_and_log()
        flags._refresh_and_log()
    assert [record.message for record in caplog.records] == [
        "flags stay as they are: the store does not answer",
    ]
    assert (flags.health.failures, flags.health.error) == (2, "the store does not answer")
    store.answer = Stored({})
    with caplog.at_level(logging.INFO):
        flags._refresh_and_log()
    assert caplog.records[-1].message == "flags are current again"
    assert (flags.health.failures, flags.health.error) == (0, None)


def test_a_bug_in_reading_does_not_end_the_refreshing(caplog: pytest.LogCaptureFixture) -> None:
    flags = client(Store())
    flags._read = lambda: 1 / 0  # type: ignore[assignment, return-value]
    flags._refresh_and_log()
    assert flags.health.error == "division by zero"
    assert "ZeroDivisionError" in caplog.text, "with its traceback"


def test_what_is_wrong_with_a_flag_is_reported_when_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    store, environ = Store(fast=state(100)), {"ENABLE_DAYS": "eight"}
    flags = client(store, environ=environ)
    with caplog.at_level(logging.WARNING):
        flags._refresh_and_log()
        flags._refresh_and_log()
    assert len(caplog.records) == 1
    assert flags.health.problems == ("the environment variable ENABLE_DAYS is ignored: 'eight' is not a whole number",)


def test_a_state_that_cannot_be_read_leaves_the_flag_as_it_was() -> None:
    store = Store(fast=state(100))
    flags = client(store)
    flags.refresh()
    store.answer = Stored({"days": state(100, "days")}, {"fast": "flags/fast cannot be read"})
    flags.refresh()
    assert flags.on("fast")
    assert flags.value("days", 0) == 14
    assert flags.health.problems == ("flags/fast cannot be read",)


def test_a_process_that_starts_while_the_store_is_down_takes_the_last_known_flags(tmp_path: Path) -> None:
    cache = StateCache(tmp_path / "deep" / "flags.json")
    client(Store(fast=state(100)), cache=cache).refresh()
    down = Store()
    down.answer = None
    flags = client(down, cache=cache)
    assert flags.evaluate("fast")[:4] == (True, "percent", None, "disk")


def test_an_unchanged_state_is_not_written_again(tmp_path: Path) -> None:
    cache = StateCache(tmp_path / "flags.json")
    flags = client(Store(fast=state(100)), cache=cache)
    flags.refresh()
    cache.path.unlink()
    flags.refresh()
    assert not cache.path.exists()


def test_a_disk_that_is_full_does_not_end_the_refreshing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    flags = client(Store(fast=state(100)), cache=StateCache(tmp_path / "file" / "flags.json"))
    flags.refresh()
    assert flags.on("fast")
    assert "could not be written" in caplog.text


DAMAGED = ("", "{", "[]", '{"format": 2, "sha256": "", "states": {}}', '{"format": 1, "sha256": "00", "states": {}}')


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_copy_is_ignored_and_reported(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = StateCache(tmp_path / "flags.json")
    cache.path.write_text(text)
    flags = client(Store(fast=state(100)), cache=cache)
    assert not flags.on("fast")
    assert "The file is damaged" in caplog.text
    flags.refresh()
    assert cache.load() == {"fast": state(100)}


def test_one_changed_byte_is_noticed(tmp_path: Path) -> None:
    cache = StateCache(tmp_path / "flags.json")
    cache.save({"fast": state(10)})
    content = json.loads(cache.path.read_text())
    content["states"]["fast"]["percent"] = 100.0
    cache.path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="are not used"):
        cache.load()


def test_pauses_differ_so_that_processes_do_not_ask_together() -> None:
    flags = client(Store())
    pauses = [flags._pause() for _ in range(200)]
    assert min(pauses) < 25
    assert max(pauses) > 35
    assert all(24 <= pause <= 36 for pause in pauses)


def test_values_come_in_the_type_that_is_asked_for() -> None:
    flags = client(Store(fast=state(100), days=state(100, "days")), environ={"TTL": "60"})
    flags.refresh()
    assert flags.value("days", 7) == 14
    assert flags.value("days", "none") == "none"
    assert flags.value("fast", 3) == 3
    assert flags.value("gone", 3) == 3
    assert not flags.on("days")
    assert flags.parameter("TTL", 5) == 60
    assert flags.parameter("TTL", "5") == "5"
    assert flags.parameter("GONE", 5) == 5


def test_each_answer_is_counted_across_refreshes() -> None:
    store, exposures = Store(fast=state(50)), Exposures()
    environ: dict[str, str] = {}
    flags = client(store, flag(), flag("needs", prerequisites=("fast",)), exposures=exposures, environ=environ)
    flags.refresh()
    for entity in ("b", "b", "f", "needs"):
        flags.evaluate("fast", entity)
    flags.evaluate("gone", "b")
    flags.evaluate("needs", "b")
    assert exposures.counts() == {"fast": {False: 1, True: 3}, "needs": {False: 1, True: 0}}
    environ["ENABLE_NEEDS"] = "true"
    flags.refresh()
    flags.evaluate("needs", "b")
    assert exposures.counts() == {"fast": {False: 1, True: 3}, "needs": {False: 1, True: 1}}


def test_until_flags_are_in_use_nothing_is_switched_on() -> None:
    assert public.evaluate("fast", "b").error == "not_ready: no flags are in use"
    assert not public.on("fast")
    assert public.value("days", 7) == 7
    assert public.parameter("TTL", 5) == 5


def test_the_flags_in_use_answer_for_the_process() -> None:
    flags = client(Store(fast=state(100), days=state(100, "days")))
    flags.refresh()
    before = public.use(flags)
    try:
        assert public.on("fast")
        assert public.value("days", 7) == 14
        assert public.evaluate("fast").value is True
        assert public.parameter("TTL", 5) == 3600
    finally:
        assert public.use(before) is flags
