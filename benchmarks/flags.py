"""Flag evaluation with 200 flags loaded, beside a dictionary lookup and a lookup with the bare hash, in one process."""

from __future__ import annotations

import random
from statistics import median
from timeit import Timer

from mmh3 import mmh3_32_uintdigest

from benchmarks.measure import Line
from nbactl.core import flags
from nbactl.core.clock import SystemClock
from nbactl.core.flags import Definition, Exposures, Flags, State, Stored

FLAGS = 200
IDS = 1_000
ROUNDS_PER_RUN = 40
# What TARGETS allows for each, in nanoseconds.
DIRECT, COUNTED = 500.0, 700.0


STATEMENTS = {
    "dict lookup": "table[key]",
    "lookup + mmh3": "table[key]; digest(e.encode())",
    "evaluate": "direct.evaluate(key, e)",
    "with exposures": "counted.evaluate(key, e)",
    "flags.on": "flags.on(key, e)",
}


def measure(runs: int) -> list[Line]:
    """Measure each way of asking in turn, and take the best round: the others were disturbed."""
    direct = _flags(None)
    flags.use(direct)
    names = {
        "ids": [f"player{number:04d}" for number in range(IDS)],
        "key": "flag_77",
        "table": {f"flag_{number}": number for number in range(FLAGS)},
        "digest": mmh3_32_uintdigest,
        "direct": direct,
        "counted": _flags(Exposures()),
        "flags": flags,
    }
    timers = {name: Timer(f"for e in ids: {what}", globals=names) for name, what in STATEMENTS.items()}
    taken: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(runs * ROUNDS_PER_RUN):
        for name, timer in timers.items():
            taken[name].append(timer.timeit(1) / IDS * 1e9)
    best = {name: min(values) for name, values in taken.items()}
    note = ", ".join(f"{name} {best[name]:.0f}" for name in ("dict lookup", "lookup + mmh3"))
    targets = {"evaluate": DIRECT, "with exposures": COUNTED}
    lines = [
        Line(f"flags {name}", best[name], "ns", targets.get(name), f"median {median(taken[name]):.0f}; {note}")
        for name in ("evaluate", "with exposures", "flags.on")
    ]
    return [*lines, Line("flags evaluate", best["evaluate"] / best["lookup + mmh3"], "x lookup + mmh3", None)]


def _flags(exposures: Exposures | None) -> Flags:
    clock = SystemClock()
    keys = [f"flag_{number}" for number in range(FLAGS)]
    definitions = {
        key: Definition(key, "bool", default=False, treatment=True, salt=key, entity="player", env=key.upper())
        for key in keys
    }
    states = {
        key: State(
            percent=50.0,
            enabled=True,
            salt=key,
            hash_version=1,
            stage=None,
            entered_stage_at=clock.now(),
            version=1,
            updated_at=clock.now(),
            updated_by="benchmark",
            reason=None,
        )
        for key in keys
    }
    made = Flags(
        definitions,
        lambda: Stored(states),
        environ={},
        clock=clock,
        rng=random.Random(0),  # noqa: S311 - jitter
        every=60.0,
        exposures=exposures,
    )
    made.refresh()
    return made
