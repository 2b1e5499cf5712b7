"""Conformance: flags that move in the middle of batches."""

from __future__ import annotations

import random
import threading
import uuid
from datetime import date
from typing import TYPE_CHECKING

from nbactl.config.loader import load_config
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.core.calls.retry import RetryPolicy
from nbactl.core.completions.stages import StageReader, mode_by_flags
from nbactl.core.completions.tracker import CompletionTracker
from nbactl.core.flags import Flags, State, Stored
from tests.kit.flags import state

if TYPE_CHECKING:
    from tests.conformance.completions.lab import Lab

DAY = GameDate(date(2024, 1, 15))
PATIENT = RetryPolicy("completions", attempts=30, base=0.005, cap=0.5)


class TestFlags:
    """What holds whatever percentages do."""

    def test_inv_01_flags_that_move_while_writers_work_leave_every_completion_counted_once(self, lab: Lab) -> None:
        """Each writer knows of percentages of its own time; sets of ids and the counter are compared."""
        keys = ("subcollection_completions", "dual_write_mode", "subcollection_reads")
        definitions = load_config(None).flags.definitions()
        states: dict[str, State] = {}

        def process(number: int) -> tuple[Flags, CompletionTracker]:
            clock, rng = SystemClock(), random.Random(number)
            flags = Flags(definitions, lambda: Stored(dict(states)), environ={}, clock=clock, rng=rng, every=30.0)
            mode = mode_by_flags(StageReader(lab.store, clock, ttl=600.0), lambda: flags, {})
            return flags, CompletionTracker(lab.store, clock, mode=mode, acting=30.0, retry=PATIENT, rng=rng)

        processes = [process(number) for number in range(4)]
        names, players = [f"flags-{uuid.uuid4().hex}" for _ in range(4)], [f"p{number}" for number in range(10)]
        rng = random.Random(7)
        for name in names:
            states.update({key: state(rng.choice((0, 50, 100)), key) for key in keys})
            processes[0][0].refresh()
            processes[0][1].create_batch(name, DAY, len(players), "c")
        new: list[bool] = []

        def work(number: int) -> None:
            flags, tracker = processes[number]
            deliveries = [(name, player) for name in names for player in players]
            mine = random.Random(number)
            mine.shuffle(deliveries)
            for name, player in deliveries:
                if mine.random() < 0.2:
                    states.update({key: state(mine.choice((0, 50, 100)), key) for key in keys})
                    flags.refresh()
                new.append(tracker.record_completion(name, player, 2).new)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(processes))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(new) == len(names) * len(players)
        for name in names:
            batch, documents = lab.raw(name), set(lab.completions(name))
            array = batch.get("completed_players")
            assert (documents if array is None else set(array)) == set(players)
            assert documents <= set(players)
            assert lab.counted(name) == (len(players), 2 * len(players))
            assert batch["is_complete"]
            assert {tracker.progress(name).completed for _, tracker in processes} == {len(players)}
