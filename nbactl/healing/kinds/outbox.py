"""Messages of the outbox that nobody has published (invariant 7)."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from nbactl.core.outbox.messages import pending_messages, published_at
from nbactl.errors import NotFoundError
from nbactl.frozen import frozen
from nbactl.healing.model import Fault, date_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.core.outbox.outbox import Outbox
    from nbactl.healing.model import Scope
    from nbactl.ports.documents import DocumentStore

_MOST: Final = 100
"""Messages of a round: a backlog is drained by the sweep, and these are the ones that it leaves behind."""


@frozen
class OutboxPending:
    """A message that waits for longer than sweeps need. `reaches` says of a topic whether this process publishes it."""

    documents: DocumentStore
    outbox: Outbox
    reaches: Callable[[str], bool]
    after: float
    name: str = "outbox_pending"

    def find(self, scope: Scope) -> Iterator[Fault]:
        old = (
            message
            for message in pending_messages(self.documents)
            if message.created_at + timedelta(seconds=self.after) <= scope.now and self.reaches(message.topic)
        )
        for message in islice(old, _MOST):
            yield Fault(
                self.name,
                message.key,
                f"not published to {message.topic}" + (f": {message.last_error}" if message.last_error else ""),
                "publish it",
                f"nbactl outbox drive {message.key}",
                date_in(message.key),
                message.created_at,
            )

    def repair(self, fault: Fault) -> str:
        if self.outbox.drive(fault.object):
            return f"published {fault.object}"
        return f"{fault.object} was published before, or another process has it"

    def verify(self, fault: Fault) -> str | None:
        try:
            at = published_at(self.documents, fault.object)
        except NotFoundError:
            return "it is not in the outbox any more"
        return None if at is None else f"published at {at:%H:%M:%S} UTC"
