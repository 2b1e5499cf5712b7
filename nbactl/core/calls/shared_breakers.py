"""Breakers that several processes share: what one process found out spares the others the same calls.

No call waits for the document store: a background thread calls `sync`, and between two syncs each process decides
alone.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.ids import decode_id, encode_id
from nbactl.core._support.periodic import PeriodicTask
from nbactl.errors import DataError, NbactlError
from nbactl.ports.documents import Query, Set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.durations import Interval
    from nbactl.core.calls.breaker import Breaker, BreakerStatus
    from nbactl.ports.documents import Document, DocumentStore, Transaction

_COLLECTION: Final = "breakers"


@dataclass(frozen=True, slots=True)
class SharedState:
    """What `breakers/{name}` says. `until` is when an open breaker is tried again, None if only by hand.

    `by` is who closed it by hand, and `reason` why.
    """

    name: str
    state: str
    failures: int
    opened_at: datetime | None
    until: datetime | None
    changed_at: datetime
    by: str | None = None
    reason: str | None = None


class SharedBreakers:
    """Passes openings and closings on through `breakers/{name}`; of two at the same time the later one holds.

    Each process sends its own probes. Clocks may differ by less than the time that breakers stay open.
    """

    def __init__(self, store: DocumentStore, clock: Clock, *, notice: Callable[[str], None] | None = None) -> None:
        """`notice` gets a message about what cannot be read and is left out of `known`; it is logged by default."""
        self._store = store
        self._clock = clock
        self._notice = notice or _LOG.warning
        self._published: dict[str, datetime] = {}  # our last change that is in the store, or came from it
        self._adopted: dict[str, datetime] = {}  # the last version of the document that we followed

    def sync(self, breaker: Breaker) -> None:
        """Publish what `breaker` did since the last call, or apply what another process did later.

        Raises UnavailableError when the store does not answer; the next call catches up.
        """
        status = breaker.status()
        path = _path(breaker.name)
        known = self._published.get(breaker.name)
        is_news = status.state != "closed" if known is None else status.changed_at != known
        changed = is_news and status.state != "half_open"

        def exchange(transaction: Transaction) -> Document | None:
            document = transaction.get(path)
            if changed and (document is None or _shared(document).changed_at < status.changed_at):
                transaction.write(Set(path, self._fields(status)))
                return None
            return document

        document = self._store.transaction(exchange)
        if document is not None and self._adopted.get(breaker.name) != document.update_time:
            self._adopt(breaker, status, _shared(document))
            self._adopted[breaker.name] = document.update_time
            status = breaker.status()
        self._published[breaker.name] = status.changed_at

    def reset(self, name: str, *, by: str | None = None, reason: str | None = None) -> None:
        """Close the breaker `name` in every process at its next sync; `by` and `reason` are for the operator."""
        now = self._clock.now()
        fields = {"state": "closed", "failures": 0, "opened_at": None, "until": None, "changed_at": now}
        self._store.commit([Set(_path(name), {**fields, "by": by, "reason": reason})])

    def known(self) -> list[SharedState]:
        """Return what the processes published, by name, as far as it can be read."""
        states = []
        for document in self._store.query(Query(_COLLECTION)):
            try:
                states.append(_shared(document))
            except DataError as error:
                self._notice(f"left out: {error.message}. {error.next_step}")
        return states

    def _fields(self, status: BreakerStatus) -> dict[str, Any]:
        is_open = status.state == "open"
        timed = is_open and not math.isinf(status.wait)
        return {
            "state": status.state,
            "failures": status.failures,
            "opened_at": status.changed_at if is_open else None,
            "until": self._clock.now() + timedelta(seconds=status.wait) if timed else None,
            "changed_at": status.changed_at,
        }

    def _adopt(self, breaker: Breaker, status: BreakerStatus, shared: SharedState) -> None:
        if shared.state == "closed":
            if status.state != "closed":
                breaker.reset()
            return
        left = math.inf if shared.until is None else (shared.until - self._clock.now()).total_seconds()
        if left > 0:
            breaker.open("another process opened it", seconds=left)


def _path(name: str) -> str:
    return f"{_COLLECTION}/{encode_id(name)}"


_TIME_OR_NOTHING: Final = (datetime, type(None))
_FIELDS: Final[dict[str, tuple[type, ...]]] = {
    "state": (str,), "failures": (int,), "opened_at": _TIME_OR_NOTHING, "until": _TIME_OR_NOTHING,
    "changed_at": (datetime,),
}  # fmt: skip
_STATES: Final = ("closed", "open", "half_open")


def _shared(document: Document) -> SharedState:
    data, name = document.data, decode_id(document.id)
    for field, kinds in _FIELDS.items():
        right = isinstance(data.get(field), kinds) and field in data
        if not right or (field == "state" and data[field] not in _STATES):
            what = f"has the {field} {data[field]!r}" if field in data else f"lacks '{field}'"
            raise DataError(
                f"{document.path} {what}",
                cause="It was not written by nbactl, or by another version.",
                next_step=f"Write it again: nbactl breakers reset {name}",
            )
    known = {field: data[field] for field in _FIELDS}
    return SharedState(name, **known, by=data.get("by"), reason=data.get("reason"))


_LOG = logging.getLogger(__name__)


class BreakerSync:
    """Syncs each breaker that `breakers` names, `every` so often, in a thread of its own, after a fork too.

    While the store is down, each process decides alone, as it does between two syncs.
    """

    def __init__(
        self, shared: SharedBreakers, breakers: Callable[[], Iterable[Breaker]], *, every: Interval, rng: Random
    ) -> None:
        self._shared = shared
        self._breakers = breakers
        self._failing: set[str] = set()
        self._task = PeriodicTask("breakers", self.sync, lambda: every.pause(rng), every.seconds)

    def start(self) -> None:
        """Sync once, then in the background."""
        self.sync()
        self._task.start()

    def sync(self) -> None:
        """Sync now. A failure is logged once, until it works again."""
        for breaker in self._breakers():
            try:
                self._shared.sync(breaker)
            except NbactlError as error:
                if breaker.name not in self._failing:
                    _LOG.warning("the breaker %s is not shared: %s", breaker.name, error, exc_info=error)
                self._failing.add(breaker.name)
            else:
                if breaker.name in self._failing:
                    _LOG.info("the breaker %s is shared again", breaker.name)
                self._failing.discard(breaker.name)

    def close(self) -> None:
        """End the thread, and publish what happened since the last sync."""
        self._task.close()
        self.sync()
