"""Who changes rows of which table: multi-statement transactions that conflict are aborted, other statements wait.

https://cloud.google.com/bigquery/docs/transactions#transaction_concurrency: a transaction that updates or deletes
rows of a table conflicts with every other one that does so at the same time. INSERT does not conflict.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbactl.testing.bigquery.errors import ApiError, invalid_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.testing.bigquery.limits import Limits
    from nbactl.testing.bigquery.store import Name

_LOOK_AGAIN = 0.05


@dataclass(eq=False)
class Transaction:
    """A transaction, or one statement outside of any."""

    began: int
    explicit: bool
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    changed: dict[Name, set[str]] = field(default_factory=dict)
    """The partitions that were changed, by table."""
    reads: set[str] | None = None
    """The partitions that a statement of its own may change, None for all."""


class Transactions:
    """The open ones, and when each table was changed last."""

    def __init__(self, project: str, limits: Limits) -> None:
        self._project = project
        self._limits = limits
        self._condition = threading.Condition()
        self.moment = self._condition
        """Held while the engine begins or commits and this class takes note of it, so that both see one order."""
        self._count = 0
        self._owners: dict[Name, Transaction] = {}
        self._mutated: dict[Name, int] = {}
        self._outstanding: Counter[Name] = Counter()

    def begin(self, *, explicit: bool) -> Transaction:
        """Begin a transaction."""
        with self._condition:
            return Transaction(self._count, explicit)

    def mutate(self, transaction: Transaction, name: Name, cancelled: Callable[[], bool]) -> None:
        """Note that a transaction updates or deletes rows of a table.

        Raises ApiError in a transaction if another one does so, or did so since this one began. A statement of its
        own waits until the other has ended; it fails if too many wait, or if it is to conflict.
        """
        with self._condition:
            if not transaction.explicit:
                self._wait(transaction, name, cancelled)
            owner = self._owners.get(name, transaction)
            late = transaction.explicit and self._mutated.get(name, 0) > transaction.began
            if owner is not transaction or late:
                raise invalid_query(
                    "Transaction is aborted due to concurrent update against table "
                    f"{self._project}:{name[0]}.{name[1]}. Transaction ID: {transaction.id}"
                )
            self._owners[name] = transaction

    def _wait(self, transaction: Transaction, name: Name, cancelled: Callable[[], bool]) -> None:
        """Wait until no other transaction changes the table.

        https://cloud.google.com/bigquery/docs/data-manipulation-language#update_delete_merge_dml_concurrency
        """
        full = f"{self._project}:{name[0]}.{name[1]}"
        running = int(name in self._owners)
        if self._outstanding[name] + running >= self._limits.dml_outstanding:
            raise ApiError(
                "resourcesExceeded",
                "Resources exceeded during query execution: Too many DML statements outstanding against table "
                f"{full}, limit is 20.",
            )
        self._outstanding[name] += 1
        try:
            while (owner := self._owners.get(name, transaction)) is not transaction:
                if cancelled():
                    raise ApiError("stopped", "Job execution was cancelled: User requested cancellation")
                if self._limits.dml_conflicts and not owner.explicit and _overlap(owner, transaction):
                    raise invalid_query(f"Could not serialize access to table {full} due to concurrent update")
                self._condition.wait(_LOOK_AGAIN)
        finally:
            self._outstanding[name] -= 1

    def end(self, transaction: Transaction, *, committed: bool) -> None:
        """End a transaction, and let go of its tables."""
        with self._condition:
            self._count += 1
            for name in [name for name, owner in self._owners.items() if owner is transaction]:
                del self._owners[name]
                if committed:
                    self._mutated[name] = self._count
            self._condition.notify_all()


def _overlap(one: Transaction, other: Transaction) -> bool:
    return one.reads is None or other.reads is None or not one.reads.isdisjoint(other.reads)
