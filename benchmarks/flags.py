"""Flag evaluation with 200 flags loaded, beside a dictionary lookup and a lookup with the bare hash, in one process.

Through OpenFeature's SDK it is compared with the SDK's own provider that does nothing.
"""

from __future__ import annotations

import random
from statistics import median
from timeit import Timer
from typing import TYPE_CHECKING

from mmh3 import mmh3_32_uintdigest

from benchmarks.measure import Line
from nbactl.core import flags
from nbactl.core._support.clock import SystemClock
from nbactl.core.flags import Definition, Exposures, Flags, State, Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

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
SDK = {
    "OpenFeature no-op": "noop.get_boolean_value(key, False, context)",
    "OpenFeature": "ours.get_boolean_value(key, False, context)",
    "OpenFeature resolve": "provider.resolve_boolean_details(key, False, context)",
}
SDK_ROUNDS_PER_RUN = 8


def measure(runs: int) -> list[Line]:
    """Measure each way of asking in turn, and take the best round: the others were disturbed."""
    direct = _flags(None)
    flags.use(direct)
    ids = [f"player{number:04d}" for number in range(IDS)]
    names = {
        "ids": ids,
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
    ratio = Line("flags evaluate", best["evaluate"] / best["lookup + mmh3"], "x lookup + mmh3", None)
    return [*lines, ratio, *_measure_sdk(direct, ids, runs)]


def _measure_sdk(client: Flags, ids: Sequence[str], runs: int) -> list[Line]:
    from openfeature import api
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.provider.no_op_provider import NoOpProvider

    from nbactl.adapters.openfeature.provider import FlagsProvider  # noqa: PLC0415

    provider = FlagsProvider(client)
    api.set_provider_and_wait(provider, "ours")
    api.set_provider_and_wait(NoOpProvider(), "noop")
    names = {
        "contexts": [EvaluationContext(each) for each in ids],
        "key": "flag_77",
        "ours": api.get_client("ours"),
        "noop": api.get_client("noop"),
        "provider": provider,
    }
    timers = {name: Timer(f"for context in contexts: {what}", globals=names) for name, what in SDK.items()}
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(runs * SDK_ROUNDS_PER_RUN):
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(1) / IDS * 1e9)
    api.clear_providers()
    note = f"no-op provider {best['OpenFeature no-op']:.0f}, ours without the SDK {best['OpenFeature resolve']:.0f}"
    return [
        Line("flags by OpenFeature", best["OpenFeature"] / best["OpenFeature no-op"], "x no-op provider", None, note)
    ]


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
