"""Following logs by the stream of new entries.

Nothing is polled: a project has 60 reads a minute, of which polling would take half, and a page has at most 1,000
entries. The stream has 60,000 entries a minute and 10 readers a project, and says how many entries it left out
(https://cloud.google.com/logging/quotas).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from nbactl.adapters.cloudlogging.entries import record_of
from nbactl.adapters.cloudlogging.filters import filter_text
from nbactl.adapters.cloudlogging.tail import Tail
from nbactl.errors import UnavailableError
from nbactl.frozen import frozen
from nbactl.ports.logs import LogGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from random import Random

    from nbactl.adapters.cloudlogging.channel import Channel
    from nbactl.core.calls.policy import CallPolicy
    from nbactl.ports.logs import LogQuery, LogRecord

_REMEMBERED: Final = 100_000
"""Records that are known to have been shown: those of a minute and a half at the stream's limit."""
_MOST_CAUGHT_UP: Final = 10_000
"""Records that are read again at most after the stream was interrupted, ten pages."""


@frozen
class LogTimings:
    """In seconds: the longest search, how long nothing comes before that is said, and how late an entry may be.

    `settle` is also how far is looked back after the stream was interrupted.
    """

    search: float
    poll: float
    settle: float


class _Search(Protocol):
    def __call__(self, query: LogQuery, *, limit: int) -> Iterator[LogRecord]: ...


class Following:
    """One `follow`.

    The stream has what arrives while it is open. The rest is searched for: what was there before, what arrived while
    the stream was being opened, and what it missed after it was interrupted. `search` yields the newest records first
    and does not try again.
    """

    def __init__(self, search: _Search, channel: Channel, policy: CallPolicy, timings: LogTimings, rng: Random) -> None:
        self._search = search
        self._channel = channel
        self._retry = policy.settings.retry
        self._clock = policy.clock
        self._timings = timings
        self._rng = rng
        self._seen: dict[tuple[str, datetime], None] = {}
        self._newest: datetime | None = None
        self._since = datetime.min.replace(tzinfo=UTC)
        self._failures = 0

    def groups(self, query: LogQuery, stopped: Callable[[], bool], last: int) -> Iterator[LogGroup]:
        """Yield the `last` records since `query.since`, and then what comes, until `stopped`."""
        query = replace(query, until=None)
        self._since = query.since
        text = filter_text(query, self._channel.project.name, live=True)
        settle = timedelta(seconds=self._timings.settle)
        while not stopped():
            try:
                with closing(Tail(self._channel, text)) as tail:
                    opened = self._clock.now()
                    if self._newest is None:
                        before = self._searched(query, last)
                        since = before.records[0].at if before.records else opened
                        self._newest = before.records[-1].at if before.records else opened
                        yield before
                    else:
                        since = self._newest - settle
                        yield self._searched(replace(query, since=since), _MOST_CAUGHT_UP)
                    missed = partial(self._searched, replace(query, since=since), _MOST_CAUGHT_UP)
                    yield from self._live(tail, stopped, opened + settle, missed)
                if not stopped():  # the service ended the stream in order
                    self._wait(self._timings.poll, stopped)
            except UnavailableError as error:
                self._failures += 1
                if not self._retry.allows(self._failures, error):
                    raise
                yield LogGroup(problem=f"{error.message}; trying again")
                self._wait(self._retry.delay(self._failures, self._rng), stopped)

    def _wait(self, seconds: float, stopped: Callable[[], bool]) -> None:
        end = self._clock.monotonic() + seconds
        while not stopped() and (left := end - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, self._timings.poll))

    def _live(
        self, tail: Tail, stopped: Callable[[], bool], look_again: datetime, missed: Callable[[], LogGroup]
    ) -> Iterator[LogGroup]:
        """Yield what the stream has until it ends, and once what was `missed` while it was being opened."""
        looked = False
        while not stopped():
            answers = tail.take(self._timings.poll)
            if answers is None:
                return
            if answers:
                self._failures = 0
            not_shown = sum(info.suppressed_count for one in answers for info in one.suppression_info)
            yield LogGroup(self._fresh(record_of(entry) for one in answers for entry in one.entries), not_shown)
            if not looked and self._clock.now() >= look_again:
                looked = True
                yield missed()

    def _searched(self, query: LogQuery, limit: int) -> LogGroup:
        found = list(self._search(query, limit=limit))
        cut = limit == _MOST_CAUGHT_UP and len(found) == limit
        problem = f"only the newest {limit:,} of the records that were missed are shown" if cut else None
        return LogGroup(self._fresh(found), problem=problem)

    def _fresh(self, records: Iterable[LogRecord]) -> list[LogRecord]:
        """Return the records that were not seen yet, in the order of time."""
        fresh = []
        for record in records:
            key = record.id, record.at
            if key not in self._seen and record.at >= self._since:
                self._seen[key] = None
                fresh.append(record)
        for key in list(islice(self._seen, max(0, len(self._seen) - _REMEMBERED))):
            del self._seen[key]
        fresh.sort(key=lambda record: record.at)
        if fresh:
            self._newest = max(self._newest or fresh[-1].at, fresh[-1].at)
        return fresh
