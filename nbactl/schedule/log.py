"""The decisions of ticks as documents `workflow_decisions/{id}`, each with its row for the warehouse.

The id names the workflow and the occurrence, and a decision is created: of several ticks one decides. A decision to run
is `open` until its run has ended, so that a tick which was killed in between is found. `schedule/state` holds the time
up to which every occurrence was decided on.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import encode_id
from nbactl.errors import AlreadyExistsError, NotFoundError, PreconditionError
from nbactl.frozen import frozen
from nbactl.ports.documents import Create, Filter, Order, Query, Set, Update
from nbactl.schedule.decide import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from nbactl.ports.documents import Document, DocumentStore, Write
    from nbactl.schedule.decide import Decision

COLLECTION: Final = "workflow_decisions"
TABLE: Final = "nba_orchestration.workflow_decisions"
KEY: Final = "decision_id"
_STATE: Final = "schedule/state"
_AT_ONCE: Final = 30
"""How many values a filter `in` takes (Firestore's limit)."""


@frozen
class Recorded:
    """A decision as it is kept. `updated_at` is that of its document.

    Of a decision to run, `owner` is the process that executes it since `taken_at`, `outcome` how its run ended;
    `alerted` says whether an alert was sent because it had no run.
    """

    id: str
    workflow: str
    action: Action
    why: str
    reason: str
    game_date: GameDate
    due_at: datetime
    latest: datetime
    decided_at: datetime
    open: bool = False
    owner: str = ""
    taken_at: datetime | None = None
    outcome: str | None = None
    alerted: bool = False
    updated_at: datetime | None = None


class DecisionLog:
    """Keeps decisions. `row` returns the write that puts a row into the buffer for the warehouse."""

    def __init__(self, store: DocumentStore, row: Callable[[str, str, Mapping[str, Any]], Write]) -> None:
        self._store = store
        self._row = row

    def since(self) -> datetime | None:
        """Return the time up to which every occurrence was decided on, None before the first tick."""
        document = self._store.get(_STATE)
        found: datetime | None = None if document is None else document.data.get("decided_until")
        return found

    def decided_until(self, moment: datetime) -> None:
        """Record that every occurrence up to this time was decided on."""
        self._store.commit([Set(_STATE, {"decided_until": moment})])

    def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those of the ids under which something was decided."""
        found = self._store.get_all([_path(one) for one in ids]) if ids else []
        return frozenset(one for one, document in zip(ids, found, strict=True) if document is not None)

    def record(self, decision: Decision, now: datetime, owner: str) -> Recorded | None:
        """Record a decision; None if it was made before, by this tick or another one."""
        slot, key = decision.slot, decision.id
        if slot is None or key is None:
            return None
        runs = decision.action is Action.RUN
        document = {
            KEY: key,
            "workflow": decision.workflow,
            "action": decision.action.value,
            "why": decision.why,
            "reason": decision.reason,
            "game_date": str(slot.occurrence.game_date),
            "due_at": slot.occurrence.due_at,
            "latest": slot.latest,
            "decided_at": now,
            "open": runs,
            "owner": owner if runs else "",
            "taken_at": now if runs else None,
            "outcome": None,
            "alerted": False,
        }
        row = {
            KEY: key,
            "decision_time": now,
            "workflow_name": decision.workflow,
            "action": decision.action.value,
            "reason": decision.reason,
            "game_date": slot.occurrence.game_date.day,
        }
        try:
            self._store.commit([Create(_path(key), document), self._row(TABLE, KEY, row)])
        except AlreadyExistsError as error:
            # If the answer of the first try was lost, what is there is ours.
            if not (runs and error.details.get("answer_lost") and self.get(key).owner == owner):
                return None
        return self.get(key) if runs else _recorded(document)

    def get(self, key: str) -> Recorded:
        """Return a decision. Raises NotFoundError, DataError for a document that is damaged."""
        document = self._store.get(_path(key))
        if document is None:
            raise NotFoundError(f"no decision '{key}'", next_step="List them: nbactl schedule decisions")
        return _read(document)

    def take_over(self, decision: Recorded, now: datetime, owner: str, *, alerted: bool) -> Recorded | None:
        """Make `owner` the process that executes it, even if it was closed; None if another process was quicker."""
        try:
            self._update(decision, {"open": True, "owner": owner, "taken_at": now, "alerted": alerted})
        except PreconditionError:
            return None
        return self.get(decision.id)

    def close(self, decision: Recorded, outcome: str, *, alerted: bool | None = None) -> bool:
        """Record how a decision to run ended; False if another tick changed it meanwhile."""
        kept = decision.alerted if alerted is None else alerted
        try:
            self._update(decision, {"open": False, "outcome": outcome, "alerted": kept})
        except PreconditionError:
            return False
        return True

    def release(self, decision: Recorded) -> None:
        """Leave a decision whose run could not be started to the next tick, unless one has it already."""
        with suppress(PreconditionError):
            self._update(decision, {"owner": ""})

    def open(self) -> list[Recorded]:
        """Return the decisions to run whose runs have not ended, oldest first."""
        query = Query(COLLECTION, (Filter("open", "==", value=True),), (Order("decided_at"),))
        return [_read(document) for document in self._store.query(query)]

    def stream(
        self,
        *,
        workflow: str | None = None,
        game_date: GameDate | None = None,
        action: Action | None = None,
        since: datetime | None = None,
    ) -> Iterator[Recorded]:
        """Yield decisions, newest first. Give one of `workflow`, `game_date`, `action` at most: each has an index."""
        equal = {"workflow": workflow, "game_date": game_date and str(game_date), "action": action and action.value}
        filters = [Filter(name, "==", value) for name, value in equal.items() if value is not None]
        if since is not None:
            filters.append(Filter("decided_at", ">=", since))
        query = Query(COLLECTION, tuple(filters), (Order("decided_at", descending=True),))
        return (_read(document) for document in self._store.query(query))

    def _update(self, decision: Recorded, fields: Mapping[Any, Any]) -> None:
        self._store.commit([Update(_path(decision.id), fields, if_updated_at=decision.updated_at)])


def in_groups(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    """Return the ids in groups that one filter takes."""
    return (ids[begin : begin + _AT_ONCE] for begin in range(0, len(ids), _AT_ONCE))


def _path(key: str) -> str:
    return f"{COLLECTION}/{encode_id(key)}"


def _read(document: Document) -> Recorded:
    return _recorded(document.data, document.update_time)


def _recorded(data: Mapping[str, Any], updated_at: datetime | None = None) -> Recorded:
    return Recorded(
        id=data[KEY],
        workflow=data["workflow"],
        action=Action(data["action"]),
        why=data["why"],
        reason=data["reason"],
        game_date=GameDate.iso(data["game_date"]),
        due_at=data["due_at"],
        latest=data["latest"],
        decided_at=data["decided_at"],
        open=data["open"],
        owner=data["owner"],
        taken_at=data["taken_at"],
        outcome=data["outcome"],
        alerted=data["alerted"],
        updated_at=updated_at,
    )
