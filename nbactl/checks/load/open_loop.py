"""Open loop: each request has an intended instant, and its latency counts from there.

A closed loop sends the next request after an answer, so that a server that stops also stops the measurement
(coordinated omission: Gil Tene, "How NOT to Measure Latency", 2015). Here a request that finds too many open ones is
not sent; it is counted as overflow.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Literal

from nbactl.errors import NbactlError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Arrivals = Literal["constant", "poisson"]


class NoAnswerError(NbactlError):
    """A request got no answer. The message is the kind of failure, by which it is counted."""

    code = "no_answer"
    transient = True


@frozen
class Outcome:
    """What became of a request; times are seconds since the start of the load.

    `status` is what it was answered with, `error` why there was no answer; both are None if it was not sent.
    """

    intended: float
    started: float | None = None
    ended: float | None = None
    status: str | None = None
    error: str | None = None

    @property
    def is_overflow(self) -> bool:
        """Whether it was not sent, because too many requests were open."""
        return self.started is None

    @property
    def latency(self) -> float | None:
        """Seconds from the intended instant to the answer, None without an answer."""
        return None if self.status is None or self.ended is None else self.ended - self.intended


def arrivals(rate: float, duration: float, kind: Arrivals = "constant", seed: int = 0) -> list[float]:
    """Return the intended instants, in seconds, of `rate` requests a second for `duration` seconds.

    With `poisson` their number and their gaps vary as those of independent callers do; the seed decides.
    """
    if kind == "constant":
        return [number / rate for number in range(round(rate * duration))]
    rng, found, at = random.Random(seed), list[float](), 0.0  # noqa: S311 - no secret
    while (at := at + rng.expovariate(rate)) < duration:
        found.append(at)
    return found


async def open_loop(
    instants: Sequence[float], send: Callable[[int], Awaitable[str]], *, most_open: int
) -> list[Outcome]:
    """Send a request at each of the instants, sorted, and return their outcomes in the same order.

    `send` gets the number of the request and returns the status of its answer; it raises NoAnswerError for none. At
    most `most_open` requests are open at a time. Time is that of the running event loop.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    outcomes = [Outcome(at) for at in instants]
    running: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        began = loop.time() - start
        status = error = None
        try:
            status = await send(number)
        except NoAnswerError as failed:
            error = failed.message
        outcomes[number] = Outcome(instants[number], began, loop.time() - start, status, error)

    async with asyncio.TaskGroup() as group:
        for number, at in enumerate(instants):
            await asyncio.sleep(max(0.0, start + at - loop.time()))
            if len(running) < most_open:
                task = group.create_task(one(number))
                running.add(task)
                task.add_done_callback(running.discard)
    return outcomes
