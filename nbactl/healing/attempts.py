"""How often a fault was repaired: a budget per object, kept in documents, so that many healers make one attempt.

An attempt counts when it begins, in a transaction. So a healer that is killed has used it up, and none is made twice.
Documents `healing/{kind}%2F{object}`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.ids import encode_id
from nbactl.errors import DataError
from nbactl.frozen import frozen
from nbactl.healing.model import Case, Fault
from nbactl.ports.documents import Filter, Order, Query, Set, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nbactl.config.healing import HealSpec
    from nbactl.core._support.clock import Clock
    from nbactl.ports.documents import Document, DocumentStore, FieldPath, Transaction

COLLECTION: Final = "healing"
_FOLLOWED: Final = timedelta(days=14)
"""How long after its last attempt the effect of a repair is still looked for."""
_ALERTING: Final = timedelta(minutes=1)
_MOST: Final = 500


@frozen
class Record:
    """What is kept of a fault. `state` is open, healed or stopped; `running` says until when which healer is at it."""

    state: str = "healed"
    attempts: int = 0
    day: str = ""
    today: int = 0
    next_at: datetime | None = None
    owner: str | None = None
    until: datetime | None = None
    alerted: bool = True
    error: str | None = None
    effect: str | None = None
    healed_at: datetime | None = None


class Attempts:
    """Claims, counts and ends attempts. `owner` names this process; `claim_limit` is how many seconds one may take."""

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        *,
        owner: Callable[[], str],
        is_dead: Callable[[str], bool],
        claim_limit: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._is_dead = is_dead
        self._limit = timedelta(seconds=claim_limit)

    def judge(self, faults: Sequence[Fault], specs: Mapping[str, HealSpec]) -> list[Case]:
        """Return what would be done about each fault now; changes nothing."""
        found = self._store.get_all([_path(fault) for fault in faults]) if faults else []
        now = self._clock.now()
        return [
            self._judged(fault, _record(document), specs[fault.kind], now)
            for fault, document in zip(faults, found, strict=True)
        ]

    def claim(self, fault: Fault, spec: HealSpec, seen_at: datetime) -> Case:
        """Begin an attempt; the case is `planned` if it is this healer's. Of many healers one gets it.

        What another one has healed since `seen_at`, when the fault was found, is `healed`.
        """

        def claim(transaction: Transaction) -> Case:
            now = self._clock.now()
            record = _record(transaction.get(_path(fault)))
            if record.state == "healed" and record.healed_at is not None and record.healed_at >= seen_at:
                return Case(fault, "healed", record.attempts, spec.attempts, effect=record.effect)
            case = self._judged(fault, record, spec, now)
            if case.state == "stopped" and record.state == "open":
                stopped = {**_known(fault), "state": "stopped", "attempts": record.attempts, "touched_at": now}
                ended = {"stopped_at": now, "alerted": False, "error": record.error, "owner": None, "until": None}
                transaction.write(Set(_path(fault), {**stopped, **ended, "day": record.day, "today": record.today}))
            if case.state != "planned":
                return case
            attempts = record.attempts + 1 if record.state == "open" else 1
            day = str(GameDate.of(now))
            fields = {
                **_known(fault),
                "state": "open",
                "attempts": attempts,
                "budget": spec.attempts,
                "day": day,
                "today": record.today + 1 if record.day == day else 1,
                "next_at": now + timedelta(seconds=spec.wait(attempts)),
                "owner": self._owner(),
                "until": now + self._limit,
                "touched_at": now,
                "error": record.error,
            }
            transaction.write(Set(_path(fault), fields))
            return case.ended("planned", attempts=attempts, next_at=fields["next_at"])

        return self._store.transaction(claim)

    def end(self, case: Case) -> None:
        """Keep how the attempt of this healer ended: without its effect the object stays open."""
        now = self._clock.now()
        fields: dict[FieldPath, Any] = {
            "owner": None,
            "until": None,
            "touched_at": now,
            "action": case.action,
            "effect": case.effect,
            "error": case.reason,
        }
        if case.effect is not None:
            fields |= {"state": "healed", "healed_at": now}
        self._store.commit([Update(_path(case.fault), fields)])

    def close(self, fault: Fault, effect: str) -> None:
        """Keep that the effect was seen of what was repaired before."""
        now = self._clock.now()
        fields: dict[FieldPath, Any] = {"state": "healed", "healed_at": now, "effect": effect, "touched_at": now}
        self._store.commit([Update(_path(fault), {**fields, "owner": None, "until": None})])

    def stop(self, fault: Fault) -> None:
        """Give up an object that was repaired and is not looked at any more."""

        def stop(transaction: Transaction) -> None:
            stored, now = transaction.get(_path(fault)), self._clock.now()
            if stored is not None and stored.data.get("state") == "open":
                stopped: dict[FieldPath, Any] = {"state": "stopped", "stopped_at": now, "alerted": False}
                transaction.write(Update(_path(fault), stopped))

        self._store.transaction(stop)

    def unseen(self) -> Iterator[tuple[Case, bool]]:
        """Yield what was repaired without an effect that was seen, and whether it was given up."""
        since = Filter("touched_at", ">=", self._clock.now() - _FOLLOWED)
        for state in ("open", "stopped"):
            query = Query(COLLECTION, (Filter("state", "==", state), since), (Order("touched_at"),), limit=_MOST)
            for document in list(self._store.query(query)):
                record, data = _record(document), document.data
                if not self._is_running(record, self._clock.now()):
                    budget = data.get("budget", record.attempts)
                    yield Case(_fault(data), "waiting", record.attempts, budget), state == "stopped"

    def unalerted(self) -> Iterator[tuple[Fault, int, str | None]]:
        """Yield the faults that were given up without an alert that is known to be sent, with attempts and error.

        Each is this healer's for a minute; if it dies before it has sent the alert, another one does.
        """
        for document in list(self._store.query(Query(COLLECTION, (Filter("alerted", "==", value=False),)))):

            def take(transaction: Transaction, path: str = document.path) -> bool:
                now, stored = self._clock.now(), transaction.get(path)
                if stored is None or stored.data.get("alerted", True) or stored.data.get("alerting", now) > now:
                    return False
                transaction.write(Update(path, {"alerting": now + _ALERTING}))
                return True

            if self._store.transaction(take):
                yield _fault(document.data), document.data["attempts"], document.data.get("error")

    def note_alert(self, fault: Fault) -> None:
        """Keep that the alert of a final stop was sent."""
        self._store.commit([Update(_path(fault), {"alerted": True})])

    def _judged(self, fault: Fault, record: Record, spec: HealSpec, now: datetime) -> Case:
        attempts = record.attempts if record.state in {"open", "stopped"} else 0
        case = Case(fault, "waiting", attempts, spec.attempts, next_at=record.next_at)
        waits = record.state == "open" and record.next_at is not None and now < record.next_at
        if self._is_running(record, now):
            return case.ended("waiting", reason="another healer repairs it", next_at=None)
        if waits:
            return case.ended("waiting", reason=record.error or "its effect was not seen yet")
        if record.state == "stopped" or attempts >= spec.attempts:
            return case.ended("stopped", reason=record.error or "no effect was seen", next_at=None)
        if fault.waits_for is not None:
            return case.ended("waiting", reason=f"after {fault.waits_for}", next_at=None)
        if record.day == str(GameDate.of(now)) and record.today >= spec.per_day:
            return case.ended("waiting", reason=f"repaired {record.today} times today", next_at=None)
        return case.ended("planned", next_at=None)

    def _is_running(self, record: Record, now: datetime) -> bool:
        if record.owner is None or record.until is None or now >= record.until:
            return False
        return not self._is_dead(record.owner)


def _path(fault: Fault) -> str:
    return f"{COLLECTION}/{encode_id(f'{fault.kind}/{fault.object}')}"


def _known(fault: Fault) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "object": fault.object,
        "what": fault.what,
        "plan": fault.plan,
        "by_hand": fault.by_hand,
        "game_date": None if fault.game_date is None else str(fault.game_date),
        "since": fault.since,
    }


def _fault(data: Mapping[str, Any]) -> Fault:
    texts = (data["kind"], data["object"], data["what"], data["plan"], data["by_hand"])
    day = data["game_date"]
    return Fault(*texts, game_date=None if day is None else GameDate.iso(day), since=data["since"])


def _record(document: Document | None) -> Record:
    """Return what a document keeps. Raises DataError for one that cannot be read: its budget is not known."""
    if document is None:
        return Record()
    data = document.data
    try:
        return Record(
            data["state"],
            data["attempts"],
            data["day"],
            data["today"],
            data.get("next_at"),
            data.get("owner"),
            data.get("until"),
            data.get("alerted", True),
            data.get("error"),
            data.get("effect"),
            data.get("healed_at"),
        )
    except KeyError as error:
        raise DataError(
            f"{document.path} cannot be read: its {error.args[0]} is missing",
            cause="Without it nobody knows how often the fault was repaired.",
            next_step="Repair it by hand, then delete the document.",
        ) from error
