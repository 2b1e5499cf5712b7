"""Conditions that alert rules found: when each began and ended, and that every message about it is sent once.

Documents `alert_conditions/{rule}/{subject}`, the last two encoded as one id. What is to be said is decided in the
transaction that records the change, so of many ticks at once one says it. A tick that is killed before it has sent its
message leaves it there, and a later one sends it: each message has a number, and with it a key of its own.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from nbactl.core._support.faults import reach
from nbactl.core._support.ids import encode_id
from nbactl.core.alerts import CONDITIONS
from nbactl.errors import DataError
from nbactl.frozen import frozen
from nbactl.ports.documents import Filter, Order, Query, Set

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.documents import Document, DocumentStore, Reader, Transaction

_SENDING: Final = timedelta(minutes=2)
"""How long a tick has to send a message before another one sends it."""
WATCHED: Final = frozenset({"heartbeat:schedule_tick"})
"""Conditions of no rule, which their own watcher ends."""
_KEEP: Final = timedelta(days=90)
"""How long a condition is kept after it has ended."""
_UNSETTLED: Final = Filter("unsettled", "==", value=True)
_MOST_PAST: Final = 50
Said = Literal["alert", "resolved"]


@frozen
class Condition:
    """A condition as it is stored. `subject` is what it is about, such as a game date; empty where it is about all.

    `open` while it lasts; `waiting` while it has not lasted long enough to be an alert. `alerted_at` is when an alert
    was last decided on, `said` what was said last. `past` are earlier times that it lasted: began, ended.
    """

    rule: str
    subject: str
    severity: str
    title: str
    since: datetime
    seen_at: datetime
    open: bool = True
    waiting: bool = False
    ended_at: datetime | None = None
    alerted_at: datetime | None = None
    said: Said | None = None
    messages: int = 0
    sending: Said | None = None
    sending_until: datetime | None = None
    past: tuple[tuple[datetime, datetime], ...] = ()


@frozen
class Finding:
    """What a rule found about a subject; `lasting` is how long it must last, `window` when an alert is repeated."""

    rule: str
    subject: str
    severity: str
    title: str
    window: timedelta
    lasting: timedelta = timedelta()


@frozen
class Message:
    """A message that this process is to send. `number` makes its key unique."""

    condition: Condition
    said: Said
    number: int


def conditions_open(store: Reader) -> list[Condition]:
    """Return the conditions that last, those that are waiting too, the oldest first."""
    return [condition for condition in conditions_unsettled(store) if condition.open]


def conditions_unsettled(store: Reader) -> list[Condition]:
    """Return the conditions that last, or have ended and were not said to, the oldest first."""
    found = _read(store.query(Query(CONDITIONS, (_UNSETTLED,))))
    return sorted(found, key=lambda condition: (condition.since, condition.rule, condition.subject))


def conditions_since(store: Reader, since: datetime, limit: int) -> list[Condition]:
    """Return the conditions that were seen since then, the newest first."""
    query = Query(
        CONDITIONS, (Filter("seen_at", ">=", since),), (Order("seen_at", descending=True),), limit=limit
    )  # fmt: skip
    return list(_read(store.query(query)))


def observe(store: DocumentStore, finding: Finding, now: datetime) -> Message | None:
    """Record that a condition holds; returns the message that is to be sent, None if there is none."""
    return store.transaction(lambda transaction: _observe(transaction, finding, now))


def end(store: DocumentStore, condition: Condition, now: datetime, *, quiet: bool = False) -> Message | None:
    """Record that a condition has ended; returns as `observe`, None if it is to end without a message."""
    return store.transaction(lambda transaction: _end(transaction, condition, now, quiet=quiet))


def unsent(store: DocumentStore, condition: Condition, now: datetime) -> Message | None:
    """Take over the message that another tick did not send; None if there is none."""

    def take(transaction: Transaction) -> Message | None:
        found = _condition(transaction.get(_path(condition.rule, condition.subject)))
        if found is None or not _is_left(found, now):
            return None
        return _send(transaction, found, found.sending or "alert", now)

    return store.transaction(take) if _is_left(condition, now) else None


def mark_sent(store: DocumentStore, message: Message) -> None:
    """Record that a message was sent."""
    path = _path(message.condition.rule, message.condition.subject)
    reach("alert_rules.sent")

    def mark(transaction: Transaction) -> None:
        found = _condition(transaction.get(path))
        if found is not None and found.messages == message.number:
            transaction.write(Set(path, _fields(replace(found, sending=None, sending_until=None))))

    store.transaction(mark)


def _observe(transaction: Transaction, finding: Finding, now: datetime) -> Message | None:
    before = _condition(transaction.get(_path(finding.rule, finding.subject)))
    if before is not None and before.seen_at > now:
        return None  # a later tick has judged already
    condition = before or Condition(finding.rule, finding.subject, finding.severity, finding.title, now, now)
    since = condition.since if condition.open else now
    condition = replace(
        condition,
        severity=finding.severity,
        title=finding.title,
        since=since,
        seen_at=now,
        open=True,
        waiting=now - since < finding.lasting,
        ended_at=None,
    )
    if _is_left(condition, now) and condition.sending == "resolved":  # that is not so any more
        condition = replace(condition, said="alert", sending=None, sending_until=None)
    due = condition.alerted_at is None or now - condition.alerted_at >= finding.window or _is_left(condition, now)
    if condition.waiting or not due:
        transaction.write(Set(_path(finding.rule, finding.subject), _fields(condition)))
        return None
    return _send(transaction, condition, "alert", now)


def _end(transaction: Transaction, condition: Condition, now: datetime, *, quiet: bool) -> Message | None:
    before = _condition(transaction.get(_path(condition.rule, condition.subject)))
    if before is None or not before.open or before.seen_at > now:
        return None
    past = before.past if before.waiting else (*before.past, (before.since, now))[-_MOST_PAST:]
    ended = replace(before, open=False, waiting=False, seen_at=now, ended_at=now, past=past)
    if before.said == "alert" and not quiet:
        return _send(transaction, ended, "resolved", now)
    transaction.write(Set(_path(ended.rule, ended.subject), _fields(ended)))
    return None


def _send(transaction: Transaction, condition: Condition, said: Said, now: datetime) -> Message:
    """Record that this process sends a message; one that was left is sent under the number that it had."""
    number = condition.messages + (condition.sending != said)
    alerted_at = now if said == "alert" else condition.alerted_at
    sending = replace(
        condition, messages=number, said=said, alerted_at=alerted_at, sending=said, sending_until=now + _SENDING
    )
    transaction.write(Set(_path(condition.rule, condition.subject), _fields(sending)))
    return Message(sending, said, number)


def _is_sending(condition: Condition, now: datetime) -> bool:
    return condition.sending is not None and condition.sending_until is not None and condition.sending_until > now


def _is_left(condition: Condition, now: datetime) -> bool:
    return condition.sending is not None and not _is_sending(condition, now)


def _path(rule: str, subject: str) -> str:
    return f"{CONDITIONS}/{encode_id(f'{rule}/{subject}')}"


def _fields(condition: Condition) -> dict[str, Any]:
    stored = {one.name: getattr(condition, one.name) for one in fields(condition)}
    stored["past"] = [{"began": began, "ended": ended} for began, ended in condition.past]
    unsettled = condition.open or condition.sending is not None
    return {**stored, "unsettled": unsettled, "expires_at": None if unsettled else condition.seen_at + _KEEP}


def _read(documents: Iterator[Document]) -> Iterator[Condition]:
    return (condition for document in documents if (condition := _condition(document)) is not None)


def _condition(document: Document | None) -> Condition | None:
    """Return the condition of a document; None for one that is none: the next tick replaces it."""
    try:
        data = {} if document is None else dict(document.data)
        past = tuple((one["began"], one["ended"]) for one in data.pop("past"))
        return Condition(**{one.name: data[one.name] for one in fields(Condition) if one.name != "past"}, past=past)
    except (DataError, KeyError, TypeError, AttributeError):
        return None
