"""Halts: dates on which an operator expects no games, whatever the schedule says.

A halt is a document of its own, and stays when it is over. Its last date ends it; to end it sooner is to resume.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nbactl.core._support.gamedate import GameDate
from nbactl.core._support.names import closest
from nbactl.errors import DataError, NotFoundError, PreconditionError, UsageError
from nbactl.frozen import frozen
from nbactl.ports.documents import Create, Query, Update

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core._support.clock import Clock
    from nbactl.core._support.ids import IdGenerator
    from nbactl.ports.documents import Document, DocumentStore, FieldPath

COLLECTION: Final = "season_halts"
_LOG = logging.getLogger(__name__)


@frozen
class Halt:
    """A halt from `first` to `until`, both included; without `until` it is open-ended.

    Once it is resumed, `resumed_on` is the first date on which games are expected again.
    """

    id: str
    first: GameDate
    until: GameDate | None
    reason: str
    by: str
    at: datetime
    resumed_on: GameDate | None = None
    resumed_by: str | None = None
    resumed_at: datetime | None = None

    @property
    def last(self) -> GameDate | None:
        """The last date that is halted, None of one without an end. It may be before the first one."""
        ends = [self.until] if self.until is not None else []
        ends += [self.resumed_on.plus(-1)] if self.resumed_on is not None else []
        return min(ends, default=None)

    def __contains__(self, day: GameDate) -> bool:
        return self.first <= day and (self.last is None or day <= self.last)

    def is_over(self, today: GameDate) -> bool:
        """Whether it holds neither today nor later."""
        return self.last is not None and self.last < max(today, self.first)


class Halts:
    """The halts in the document store. `notice` gets a message about one that cannot be read and is left out."""

    def __init__(
        self, store: DocumentStore, clock: Clock, ids: IdGenerator, notice: Callable[[str], None] = _LOG.warning
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._notice = notice

    def all(self) -> list[Halt]:
        """Return every halt, by its first date."""
        found = []
        for document in self._store.query(Query(COLLECTION)):
            try:
                found.append(_read(document))
            except DataError as error:
                self._notice(f"left out: {error.message}")
        return sorted(found, key=lambda halt: (halt.first, halt.id))

    def find(self, halt_id: str) -> Halt:
        """Return a halt. Raises NotFoundError."""
        halts = {halt.id: halt for halt in self.all()}
        if halt_id in halts:
            return halts[halt_id]
        match = closest(halt_id, list(halts))
        raise NotFoundError(
            f"there is no halt '{halt_id}'",
            next_step=f"Did you mean '{match}'?" if match else "List them: nbactl season show",
        )

    def draft(self, first: GameDate, until: GameDate | None, reason: str, *, by: str) -> Halt:
        """Return the halt that `halt` would make. Raises UsageError if it ends before it begins."""
        if until is not None and until < first:
            raise UsageError(f"--until {until} is before --from {first}", next_step="Give the last date of the halt.")
        return Halt(self._ids.new("halt"), first, until, _one_line(reason), by, self._clock.now())

    def halt(self, first: GameDate, until: GameDate | None, reason: str, *, by: str) -> Halt:
        """Halt from `first` to `until`; without `until`, until it is resumed. Raises UsageError as `draft` does."""
        made = self.draft(first, until, reason, by=by)
        document = {
            "from": str(first),
            "until": None if until is None else str(until),
            "reason": made.reason,
            "by": by,
            "at": made.at,
        }
        self._store.commit([Create(f"{COLLECTION}/{made.id}", document)])
        return made

    def resumed(self, halt: Halt, on: GameDate, *, by: str) -> Halt:
        """Return the halt as `resume` would leave it. Raises PreconditionError if it ends before `on`."""
        if halt.last is not None and halt.last < on:
            raise PreconditionError(
                f"{halt.id} ends on {halt.last}, before {on}",
                next_step="There is nothing to resume. Give an earlier date with --date to free dates before it.",
            )
        return replace(halt, resumed_on=on, resumed_by=by, resumed_at=self._clock.now())

    def resume(self, halt: Halt, on: GameDate, *, by: str) -> Halt:
        """Expect games from `on` again. Raises PreconditionError as `resumed` does, or if it changed meanwhile."""
        ended = self.resumed(halt, on, by=by)
        document = self._store.get(f"{COLLECTION}/{halt.id}")
        if document is None or _read(document) != halt:
            raise PreconditionError(f"{halt.id} changed meanwhile", next_step="Look again: nbactl season show")
        fields: dict[FieldPath, Any] = {"resumed_on": str(on), "resumed_by": by, "resumed_at": ended.resumed_at}
        self._store.commit([Update(document.path, fields, if_updated_at=document.update_time)])
        return ended


def _read(document: Document) -> Halt:
    data = document.data
    try:
        resumed_on = data.get("resumed_on")
        halt = Halt(
            document.id,
            GameDate.iso(data["from"]),
            None if data["until"] is None else GameDate.iso(data["until"]),
            _one_line(data["reason"]),
            str(data["by"]),
            data["at"],
            None if resumed_on is None else GameDate.iso(resumed_on),
            data.get("resumed_by"),
            data.get("resumed_at"),
        )
    except (KeyError, TypeError, UsageError) as error:
        raise _unreadable(document, str(error)) from error
    if not isinstance(halt.at, datetime):
        raise _unreadable(document, f"at is {halt.at!r}")
    return halt


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _unreadable(document: Document, why: str) -> DataError:
    return DataError(
        f"{document.path} cannot be read: {why}",
        cause="It was damaged, or was not written by nbactl.",
        next_step="Correct or delete the document.",
    )
