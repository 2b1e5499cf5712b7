"""One entry of the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime

AuditOutcome = Literal["started", "done", "failed", "cancelled"]


@frozen
class Change:
    """A change that is about to be made.

    `action` is the command, such as `flags.set`, or `heal.outbox`; `touches` names what is changed.
    `undo` is the command that takes it back, where one exists. `arguments` are the words of the command line.
    Secrets in texts are masked when they are kept.
    """

    action: str
    touches: tuple[str, ...]
    reason: str | None = None
    undo: str | None = None
    arguments: tuple[str, ...] = ()


@frozen
class AuditEntry:
    """A change as it is kept. `by` is `user@host`, `tick` or `heal`; an entry that stays `started` was killed."""

    entry_id: str
    at: datetime
    by: str
    change: Change
    outcome: AuditOutcome
    finished_at: datetime | None = None
    error: str | None = None


class Auditing(Protocol):
    """Keeps the audit trail."""

    def begin(self, change: Change, by: str) -> str:
        """Keep a change before it is made; returns the id of its entry."""
        ...

    def finish(
        self,
        entry_id: str,
        outcome: AuditOutcome,
        *,
        undo: str | None = None,
        error: str | None = None,
        touches: tuple[str, ...] = (),
    ) -> None:
        """Keep how it ended; `touches` is what it did change, where that is known better than before."""
        ...
