"""Transactions without locks: read at one moment, commit on the condition that what was read is as it was.

With locks, two writers that read the same document would wait for each other. A condition needs a write, so what was
read and is not written is read again, within a transaction of the service, just before the commit.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from nbactl.adapters.firestore import messages, reading
from nbactl.adapters.firestore.encoding import put_time
from nbactl.adapters.firestore.failures import named_in, outcome_unknown
from nbactl.adapters.firestore.reading import NOW, ReadTime
from nbactl.adapters.firestore.writes import put_writes
from nbactl.core._support.faults import reach
from nbactl.core.calls.deadline import Deadline, remaining
from nbactl.core.observe.events import Event
from nbactl.errors import ContentionError, NbactlError, NotFoundError, PreconditionError
from nbactl.ports.documents import Create, Set
from nbactl.ports.write_rules import accumulates, check_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from nbactl.adapters.firestore.calls import Calls
    from nbactl.ports.documents import Document, Query, Write


class FirestoreTransaction:
    """Reads and collected writes of one attempt."""

    def __init__(self, calls: Calls) -> None:
        self.seen: dict[str, datetime | None] = {}
        self.writes: list[Write] = []
        self.committing = False
        self.failure: NbactlError | None = None
        self._calls = calls
        self._moment = NOW
        self._queries: list[tuple[Query, list[tuple[str, datetime]]]] = []
        self._ended = False

    def get(self, path: str) -> Document | None:
        self._check_reads_first()
        with self._own():
            (document,), self._moment = reading.get_all_at(self._calls, [path], self._moment)
        self.seen[path] = None if document is None else document.update_time
        return document

    def query(self, query: Query) -> list[Document]:
        self._check_reads_first()
        with self._own():
            if self._moment == NOW:
                self._moment = ReadTime(reading.now(self._calls))
            found = list(reading.query(self._calls, query, self._moment))
        self._queries.append((query, _versions(found)))
        return found

    def write(self, *writes: Write) -> None:
        self._check_open()
        self.writes.extend(writes)

    def commit(self) -> None:
        """Commit what was written if what was read is as it was. Raises ContentionError otherwise."""
        check_count(self.writes)
        if not self.writes:
            return  # all was read at one moment
        request = messages.CommitRequest(database=self._calls.database.resource)
        put_writes(request, self.writes, self._calls.database.root)
        guarded = self._guard(request.writes)
        if self._queries or guarded != set(self.seen):
            with self._own():
                request.transaction = self._verified()
        reach("documents.before_commit")
        with self._own():
            # Not sent again as it is: the second answer would not say whether the first was applied.
            self.committing = True
            try:
                self._calls.once(self._calls.stubs.commit, request, self.writes)
            except (PreconditionError, NotFoundError) as error:
                if self._is_about_reads(error, guarded):
                    raise self._conflict() from error
                raise
        reach("documents.after_commit")

    def end(self) -> None:
        """Refuse further use: what came after would not be part of the commit."""
        self._ended = True

    def _guard(self, sent: Any) -> set[str]:  # noqa: ANN401 - Write messages
        """Put a condition on the first write to every document that was read; returns their paths."""
        guarded: set[str] = set()
        for write, message in zip(self.writes, sent, strict=True):
            if write.path not in self.seen or write.path in guarded:
                continue
            time = self.seen[write.path]
            if time is None:
                if not isinstance(write, (Create, Set)):
                    continue
                message.current_document.exists = False
            elif isinstance(write, Create):
                continue
            elif not message.current_document.HasField("update_time"):
                put_time(message.current_document.update_time, time)
            guarded.add(write.path)
        return guarded

    def _verified(self) -> bytes:
        """Begin a transaction of the service, in which everything reads as it did."""
        request = messages.BeginTransactionRequest(database=self._calls.database.resource)
        request.options.read_write.concurrency_mode = messages.OPTIMISTIC
        identifier: bytes = self._calls.once(self._calls.stubs.begin, request).transaction
        moment = ReadTime(transaction=identifier)
        paths = list(self.seen)
        found, _ = reading.get_all_at(self._calls, paths, moment)
        same = [_time(document) for document in found] == list(self.seen.values())
        if same and all(_versions(reading.query(self._calls, query, moment)) == old for query, old in self._queries):
            return identifier
        rollback = messages.RollbackRequest(database=self._calls.database.resource, transaction=identifier)
        with suppress(NbactlError):  # otherwise the service drops the transaction later
            self._calls.once(self._calls.stubs.rollback, rollback)
        raise self._conflict()

    def _is_about_reads(self, error: NbactlError, guarded: set[str]) -> bool:
        """Say whether a refusal is about what was read, rather than about a condition of a write's own."""
        named = named_in(str(error.cause), [write.path for write in self.writes])
        return bool(guarded) and (named is None or named in guarded)

    def _conflict(self) -> ContentionError:
        return ContentionError(f"{self._calls.database.where}: another writer changed what the transaction read")

    @contextmanager
    def _own(self) -> Iterator[None]:
        """Remember a failure of the transaction's own calls, to distinguish it from one of the caller's function."""
        try:
            yield
        except NbactlError as error:
            self.failure = error
            raise

    def _check_open(self) -> None:
        if self._ended:
            raise RuntimeError("the transaction has ended")

    def _check_reads_first(self) -> None:
        self._check_open()
        if self.writes:
            raise RuntimeError("a transaction reads before it writes")


class TransactionRetries:
    """The attempts at a transaction, and whether a commit whose answer was lost was applied.

    A commit without an answer may have been applied. The next attempt finds out: if every document that it read and
    wrote is unchanged, it was not applied; and it cannot be any more once the next attempt has changed one of them.
    """

    def __init__(self, calls: Calls, most: int) -> None:
        self._calls = calls
        self._most = most
        self._made = 0
        self._lost: tuple[FirestoreTransaction, NbactlError] | None = None
        self._budget = Deadline.after(calls.policy.settings.total, calls.clock)

    def begin(self) -> FirestoreTransaction:
        """Return the next attempt."""
        self._made += 1
        return FirestoreTransaction(self._calls)

    def settle(self, transaction: FirestoreTransaction) -> None:
        """Raise the error of a lost answer unless that commit was certainly not applied."""
        if self._lost is None:
            return
        before, error = self._lost
        known = [write.path for write in before.writes if write.path in before.seen]
        blind = any(accumulates(write) and write.path not in before.seen for write in before.writes)
        if blind or not known or any(_time(transaction.get(path)) != before.seen[path] for path in known):
            raise error

    def failed(self, transaction: FirestoreTransaction, error: NbactlError) -> None:
        """Wait until the next attempt; raises `error` if there is no other."""
        if error is not transaction.failure or not error.retryable:
            raise error
        lost = transaction.committing and outcome_unknown(error)
        if lost:
            error.details["outcome"] = "unknown"
            error.retryable = False
            self._lost = transaction, error
        pause = self._calls.policy.settings.retry.delay(self._made, self._calls.rng)
        late = pause >= min(self._budget.remaining(), remaining(pause + 1))
        if late or self._made >= self._most:
            self._emit("retry.gave_up", error, reason="attempts" if self._made >= self._most else "deadline")
            raise self._exhausted() if isinstance(error, ContentionError) else error
        self._emit("retry.again", error, pause=pause)
        self._calls.clock.sleep(pause)

    def _emit(self, kind: str, error: NbactlError, **more: float | str) -> None:
        policy = self._calls.policy
        policy.hook(Event(kind, policy.settings.name, {"attempt": self._made, "error": type(error).__name__, **more}))

    def _exhausted(self) -> ContentionError:
        return ContentionError(
            f"{self._calls.database.where}: other writers were faster {self._made} times in a row",
            cause="A document that the transaction read was changed before it could commit.",
            next_step="Try again; if it keeps failing, find out what else writes this document.",
        )


def _time(document: Document | None) -> datetime | None:
    return None if document is None else document.update_time


def _versions(documents: Iterable[Document]) -> list[tuple[str, datetime]]:
    return [(document.path, document.update_time) for document in documents]
