"""Retention: each kind of what accumulates is removed when it is older than it is kept.

An operator has all of it removed at once; a tick removes a little, and continues where the last one stopped.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.faults import reach
from nbactl.core.retention.model import Removal
from nbactl.errors import NbactlError
from nbactl.frozen import frozen
from nbactl.ports.documents import Set

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from nbactl.core.retention.model import Pruner
    from nbactl.ports.documents import DocumentStore

PROGRESS: Final = "retention/progress"
"""The document that says where the ticks are."""
_AT_ONCE: Final = 2_000
"""How many documents or files one call of a pruner examines."""
PER_TICK: Final = 2_000
"""How many documents or files one tick examines: some tenths of a second."""


@frozen
class KindSpec:
    """A kind of what accumulates: for how many seconds it is kept, why, and what removes it."""

    keep: float
    why: str
    open: Callable[[], Pruner]


@frozen
class Pruned:
    """What was removed of a kind, or would be: what is older than `before`. `error` says why it is not all."""

    kind: str
    before: datetime
    removed: int
    size: int | None
    error: NbactlError | None = None


class Retention:
    """Removes what is kept no longer. `every` is how many seconds ticks wait after all of it was examined."""

    def __init__(self, kinds: Mapping[str, KindSpec], documents: Callable[[], DocumentStore], *, every: float) -> None:
        self.kinds = kinds
        self._documents = documents
        self._every = timedelta(seconds=every)

    def prune(
        self,
        now: datetime,
        *,
        dry_run: bool,
        kinds: Collection[str] = (),
        older_than: float | None = None,
    ) -> list[Pruned]:
        """Remove all that is due at `now`, of all kinds or of `kinds`; a kind that fails does not hold up the others.

        `older_than` is how many seconds are kept instead of those of each kind.
        """
        chosen = {name: spec for name, spec in self.kinds.items() if not kinds or name in kinds}
        return [self._prune_all(name, spec, now, older_than, dry_run=dry_run) for name, spec in chosen.items()]

    def prune_due(self, now: datetime, at_most: int = PER_TICK) -> list[Pruned]:
        """Remove some of what is due, continuing where the last call stopped; nothing while it is too early.

        Returns the kinds of which something was removed, or that failed.
        """
        store = self._documents()
        progress = store.get(PROGRESS)
        state: Mapping[str, Any] = {} if progress is None else progress.data
        if state.get("next_at") is not None and state["next_at"] > now:
            return []
        names = list(self.kinds)
        index = names.index(state["kind"]) if state.get("kind") in names else 0
        start, left, done = state.get("start"), at_most, []
        while index < len(names) and left > 0:
            name = names[index]
            pruned, found = self._prune_some(name, now, left, start)
            if pruned.removed or pruned.error is not None:
                done.append(pruned)
            left -= max(found.examined, found.removed, 1)
            start = found.resume
            index += start is None
        finished = index >= len(names)
        after = {
            "kind": None if finished else names[index],
            "start": start,
            "next_at": now + self._every if finished else now,
        }
        if after != dict(state):
            store.commit([Set(PROGRESS, after)])
        return done

    def _prune_some(self, name: str, now: datetime, at_most: int, start: str | None) -> tuple[Pruned, Removal]:
        spec = self.kinds[name]
        before = now - timedelta(seconds=spec.keep)
        try:
            found = spec.open().prune(before, at_most, start=start, dry_run=False)
        except NbactlError as error:
            return Pruned(name, before, 0, None, error), Removal()
        reach("retention.pruned")
        return Pruned(name, before, found.removed, found.size), found

    def _prune_all(
        self, name: str, spec: KindSpec, now: datetime, older_than: float | None, *, dry_run: bool
    ) -> Pruned:
        before = now - timedelta(seconds=spec.keep if older_than is None else older_than)
        total = Removal()
        try:
            pruner = spec.open()
            while True:
                total = total.and_then(pruner.prune(before, _AT_ONCE, start=total.resume, dry_run=dry_run))
                reach("retention.pruned")
                if total.resume is None:
                    return Pruned(name, before, total.removed, total.size)
        except NbactlError as error:
            return Pruned(name, before, total.removed, total.size, error)
