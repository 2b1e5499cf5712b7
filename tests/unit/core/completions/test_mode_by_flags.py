"""Flags may move in the middle of a batch: every completion counts once all the same (invariants 1 to 4)."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.loader import load_config
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.documents import batch_path, completions_of
from nbactl.core.completions.stages import STAGE_DOCUMENT, StageReader, mode_by_flags
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.core.flags import Flags, State, Stored
from nbactl.errors import ConfigError
from nbactl.ports.documents import Set
from nbactl.testing import FakeClock, memory_documents
from tests.kit.flags import state
from tests.unit.core.completions.test_mode import written_and_read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.ports.documents import DocumentStore

DEFINITIONS = load_config(None).flags.definitions()
ENABLED, DUAL, READS = "subcollection_completions", "dual_write_mode", "subcollection_reads"
PATIENT = RetryPolicy("completions", attempts=200, base=0.0, cap=0.0)
DAY = "2024-01-15"


class Writer:
    """A process: flags of its own, which it learns of when they are refreshed, and a tracker by them."""

    def __init__(
        self, store: DocumentStore, stored: dict[str, State], environ: Mapping[str, str] | None = None
    ) -> None:
        clock = FakeClock()
        self.environ = environ or {}
        self.flags = Flags(
            DEFINITIONS,
            lambda: Stored(dict(stored)),
            environ=self.environ,
            clock=clock,
            rng=random.Random(1),
            every=30.0,
        )
        self.mode = mode_by_flags(StageReader(store, clock, ttl=0.0), lambda: self.flags, self.environ)
        self.tracker = CompletionTracker(store, clock, mode=self.mode, acting=1e9, retry=PATIENT, rng=random.Random(2))

    def begin(self, batch: str, players: int) -> None:
        self.tracker.create_batch(batch, GameDate.parse(DAY, now=FakeClock().now()), players, "c")


def at(key: str, percent: float, **given: Any) -> State:
    return state(percent, key, **given)


def all_off() -> dict[str, State]:
    return {key: at(key, 100, enabled=False) for key in (ENABLED, DUAL, READS)}


def mode_with(stored: dict[str, State], environ: Mapping[str, str] | None = None, batch: str = "b") -> str:
    writer = Writer(memory_documents(FakeClock()), stored, environ)
    writer.flags.refresh()
    return written_and_read(writer.mode(batch))


@pytest.mark.parametrize(
    ("percents", "mode"),
    [
        ((), "A- reads A, checks"),
        ((0, 0, 0), "A- reads A, checks"),
        ((0, 100, 100), "A- reads A, checks"),
        ((100,), "AS reads A, checks"),
        ((100, 100), "AS reads A, checks"),
        ((100, 100, 100), "AS reads S, checks"),
        ((100, 0, 100), "-S reads S, checks"),
        # Nobody may read what nobody writes, whatever percentages combine to.
        ((100, 0, 0), "AS reads A, checks"),
    ],
)
def test_each_flag_on_and_off(percents: tuple[float, ...], mode: str) -> None:
    stored = {key: at(key, percent) for key, percent in zip((ENABLED, DUAL, READS), percents, strict=False)}
    assert mode_with(stored) == mode


def test_dual_write_is_on_until_it_is_set_as_its_variable_is() -> None:
    assert mode_with({ENABLED: at(ENABLED, 100), READS: at(READS, 100)}) == "AS reads S, checks"
    assert mode_with({ENABLED: at(ENABLED, 100), READS: at(READS, 100)}, {"DUAL_WRITE_MODE": "false"}) == (
        "-S reads S, checks"
    )


@pytest.mark.parametrize("key", [ENABLED, DUAL, READS])
def test_a_percentage_decides_batch_by_batch_and_for_good(key: str) -> None:
    stored = {ENABLED: at(ENABLED, 100), DUAL: at(DUAL, 100), READS: at(READS, 100)} | {key: at(key, 50)}
    writer = Writer(memory_documents(FakeClock()), stored)
    writer.flags.refresh()
    modes = [written_and_read(writer.mode(f"batch-{number}")) for number in range(2_000)]
    assert len(set(modes)) == 2
    assert all(0.45 < modes.count(mode) / len(modes) < 0.55 for mode in set(modes))
    assert modes == [written_and_read(writer.mode(f"batch-{number}")) for number in range(2_000)]


@pytest.mark.parametrize("stored", [{}, all_off()])
def test_with_every_flag_off_completions_are_as_they_were(stored: dict[str, State]) -> None:
    store = memory_documents(FakeClock())
    writer = Writer(store, stored)
    writer.flags.refresh()
    writer.begin("b", 2)
    writer.tracker.record_completion("b", "p1", 3)
    document = store.get(batch_path("b"))
    assert document is not None
    assert document.data["completed_players"] == ["p1"]
    assert list(store.list_ids(completions_of("b"))) == []
    assert writer.tracker.progress("b").completed == 1


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"USE_SUBCOLLECTION_READS": "true"}, "USE_SUBCOLLECTION_READS is true but"),
        ({"ENABLE_SUBCOLLECTION_COMPLETIONS": "true", "DUAL_WRITE_MODE": "false"}, "DUAL_WRITE_MODE is false but"),
        ({"ENABLE_SUBCOLLECTION_COMPLETIONS": "ture"}, "ENABLE_SUBCOLLECTION_COMPLETIONS is 'ture'"),
    ],
)
def test_inv_21_variables_that_contradict_are_refused_until_a_rollback_overrules_them(
    environ: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        mode_with({}, environ)
    assert mode_with(all_off(), environ) == "A- reads A, checks"


def test_the_stage_of_the_migration_wins_over_every_flag_which_is_not_even_asked() -> None:
    store = memory_documents(FakeClock())
    store.commit([Set(STAGE_DOCUMENT, {"stage": "dual_write"})])

    def flags() -> Flags:
        raise AssertionError("the stage decides")

    mode = mode_by_flags(StageReader(store, FakeClock(), ttl=0.0), flags, {"USE_SUBCOLLECTION_READS": "true"})
    assert written_and_read(mode("b")) == "AS reads A, checks"
    assert not mode("b").follows_batch


def test_inv_04_a_batch_that_was_begun_without_an_array_is_read_right_when_flags_go_back() -> None:
    store = memory_documents(FakeClock())
    stored = {ENABLED: at(ENABLED, 100), DUAL: at(DUAL, 0), READS: at(READS, 100)}
    writer = Writer(store, stored)
    writer.flags.refresh()
    writer.begin("b", 3)
    assert writer.tracker.record_completion("b", "p1", 1).new
    stored.update(all_off())
    writer.flags.refresh()
    # A process that has just begun, and could not ask the store for flags yet, knows of none.
    for tracker in (writer.tracker, Writer(store, {}).tracker):
        assert tracker.progress("b").completed == 1
        assert not tracker.record_completion("b", "p1", 1).new
    assert writer.tracker.record_completion("b", "p2", 1).progress.completed == 2
    assert writer.tracker.record_completion("b", "p3", 1).became_complete
    document = store.get(batch_path("b"))
    assert document is not None
    assert "completed_players" not in document.data
    assert document.data["completed_count"] == 3


def check_exact(store: DocumentStore, batch: str, players: set[str]) -> None:
    """Compare sets of ids, and the counter with them."""
    document = store.get(batch_path(batch))
    assert document is not None
    array, documents = document.data.get("completed_players"), set(store.list_ids(completions_of(batch)))
    if array is None:
        assert documents == players, batch
    else:
        assert sorted(array) == sorted(players), batch
        assert documents <= players, batch
    assert document.data["completed_count"] == len(players), batch
    assert document.data["total_predictions"] == 2 * len(players), batch
    assert document.data["is_complete"], batch


@pytest.mark.parametrize("seed", range(20))
def test_inv_01_percentages_that_go_up_and_down_during_batches_neither_lose_nor_count_twice(seed: int) -> None:
    rng = random.Random(seed)
    store = memory_documents(FakeClock())
    stored: dict[str, State] = {}
    # Each learns of a change when it is refreshed, so that they work by different percentages at the same time.
    writers = [Writer(store, stored) for _ in range(3)]
    batches, players = [f"batch-{seed}-{number}" for number in range(8)], [f"p{number}" for number in range(12)]
    deliveries = [(batch, player) for batch in batches for player in players] * 3
    rng.shuffle(deliveries)
    begun: set[str] = set()
    for number, (batch, player) in enumerate(deliveries):
        if number % 20 == 0:
            stored.update({key: at(key, rng.choice((0, 50, 100))) for key in (ENABLED, DUAL, READS)})
        if rng.random() < 0.1:
            rng.choice(writers).flags.refresh()
        writer = rng.choice(writers)
        if batch not in begun:
            begun.add(batch)
            writer.begin(batch, len(players))
        writer.tracker.record_completion(batch, player, 2)
        if rng.random() < 0.1:
            seen = {one.tracker.progress(batch).completed for one in writers}
            assert len(seen) == 1, "whoever asks, and by whatever percentage, is told the same"
    for batch in batches:
        check_exact(store, batch, set(players))
        assert {writer.tracker.progress(batch).completed for writer in writers} == {len(players)}


def test_inv_01_a_percentage_that_goes_to_50_and_back_under_concurrent_writers_leaves_counts_exact() -> None:
    store = memory_documents(FakeClock())
    stored: dict[str, State] = {ENABLED: at(ENABLED, 0)}
    batches, players = [f"batch-{number}" for number in range(6)], [f"p{number}" for number in range(25)]
    writers = [Writer(store, stored) for _ in range(6)]
    for batch in batches:
        writers[0].begin(batch, len(players))
    at_work, new = threading.Barrier(len(writers) + 1), []

    def work(number: int) -> None:
        deliveries = [(batch, player) for batch in batches for player in players]
        random.Random(number).shuffle(deliveries)
        at_work.wait()
        for count, (batch, player) in enumerate(deliveries):
            if count % 10 == number:
                writers[number].flags.refresh()
            new.append(writers[number].tracker.record_completion(batch, player, 2).new)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(writers))]
    for thread in threads:
        thread.start()
    at_work.wait()
    turns = 0
    while any(thread.is_alive() for thread in threads):
        turns += 1
        percent = (0, 50, 0, 100)[turns % 4]
        stored.update({ENABLED: at(ENABLED, percent), READS: at(READS, 50 if percent else 0)})
        threads[0].join(0.02)
    for thread in threads:
        thread.join()
    assert turns > 4
    assert sum(new) == len(batches) * len(players), "each completion was new once"
    for batch in batches:
        check_exact(store, batch, set(players))
