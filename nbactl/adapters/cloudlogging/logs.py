"""Logs of services in Cloud Logging: searched by pages, followed by the stream of new entries."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.cloudlogging.channel import ListRequest
from nbactl.adapters.cloudlogging.entries import record_of
from nbactl.adapters.cloudlogging.filters import filter_text
from nbactl.adapters.cloudlogging.following import Following
from nbactl.core.calls.deadline import deadline_scope
from nbactl.errors import TimedOutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from nbactl.adapters.cloudlogging.channel import Channel
    from nbactl.adapters.cloudlogging.following import LogTimings
    from nbactl.core.calls.policy import CallPolicy
    from nbactl.ports.logs import LogGroup, LogQuery, LogRecord

_PAGE: Final = 1_000
"""The most that a page can have: https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list."""


class CloudLogs:
    """The logs of a project's services."""

    def __init__(self, channel: Channel, policy: CallPolicy, timings: LogTimings, rng: Random) -> None:
        self._channel = channel
        self._policy = policy
        self._timings = timings
        self._rng = rng
        self._clock = policy.clock

    def search(self, query: LogQuery, *, limit: int, newest_first: bool = False) -> Iterator[LogRecord]:
        def page(request: Any) -> Any:  # noqa: ANN401 - protobuf has no types
            return self._policy.call(self._channel.page, request)

        return self._search(page, query, limit=limit, newest_first=newest_first)

    def follow(self, query: LogQuery, stopped: Callable[[], bool], *, last: int) -> Iterator[LogGroup]:
        # Following tries again by itself, so that it can be stopped meanwhile.
        search = partial(self._search, self._channel.page, newest_first=True)
        following = Following(search, self._channel, self._policy, self._timings, self._rng)
        return following.groups(query, stopped, last)

    def _search(
        self, page_of: Callable[[Any], Any], query: LogQuery, *, limit: int, newest_first: bool
    ) -> Iterator[LogRecord]:
        project = self._channel.project
        request = ListRequest(
            resource_names=[project.resource],
            filter=filter_text(query, project.name),
            order_by="timestamp desc" if newest_first else "timestamp asc",
        )
        left = self._timings.search
        while limit > 0:
            request.page_size = min(limit, _PAGE)
            began = self._clock.monotonic()
            if left <= 0:
                raise TimedOutError(
                    f"{project.where} did not find enough in time",
                    next_step="Ask for a shorter time: --since, --until.",
                )
            with deadline_scope(left, self._clock):
                page = page_of(request)
            left -= self._clock.monotonic() - began
            for entry in page.entries[:limit]:
                yield record_of(entry)
            limit -= len(page.entries)
            # A page may be empty although others follow: not all entries were looked at in time.
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def filter_of(self, query: LogQuery) -> str:
        return filter_text(query, self._channel.project.name)
