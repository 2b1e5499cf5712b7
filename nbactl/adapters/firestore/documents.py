"""The document port on Firestore, through its low-level service."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

from nbactl.adapters.firestore import messages, reading
from nbactl.adapters.firestore.calls import Calls
from nbactl.adapters.firestore.encoding import get_time
from nbactl.adapters.firestore.failures import CODES, translate
from nbactl.adapters.firestore.reading import FirestoreSnapshot
from nbactl.adapters.firestore.transactions import TransactionRetries
from nbactl.adapters.firestore.watching import FirestoreSubscription
from nbactl.adapters.firestore.writes import WriteAdder, put_writes
from nbactl.core._support.faults import reach
from nbactl.errors import DataError, NbactlError
from nbactl.ports.document_rules import check_collection
from nbactl.ports.documents import Order, Query, WriteResult
from nbactl.ports.write_rules import check_count, check_different, may_be_repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from random import Random

    from nbactl.adapters.firestore.calls import CallLimits
    from nbactl.adapters.firestore.channel import Database
    from nbactl.adapters.firestore.transactions import FirestoreTransaction
    from nbactl.core.calls.policy import CallPolicy
    from nbactl.ports.documents import Document, Transaction, Write

T = TypeVar("T")


class FirestoreDocuments:
    """Documents in a Firestore database. Usable from any thread; nothing is sent before the first call."""

    def __init__(self, database: Database, *, limits: CallLimits, policy: CallPolicy, rng: Random) -> None:
        self._calls = Calls(database, limits, policy, rng)
        self._within = threading.local()
        self._subscriptions: WeakSet[FirestoreSubscription] = WeakSet()

    def get(self, path: str) -> Document | None:
        return reading.get_all(self._calls, [path])[0]

    def get_all(self, paths: Sequence[str]) -> list[Document | None]:
        return reading.get_all(self._calls, paths)

    def query(self, query: Query) -> Iterator[Document]:
        return reading.query(self._calls, query)

    def count(self, query: Query) -> int:
        return reading.count(self._calls, query)

    def list_ids(self, collection: str) -> Iterator[str]:
        return reading.list_ids(self._calls, collection)

    def list_collections(self) -> list[str]:
        return reading.list_collections(self._calls)

    def lacking(self, collection: str, field: str) -> Iterator[Document]:
        everything, ordered = Query(collection), Query(collection, order=(Order(field),))
        if self.count(everything) == self.count(ordered):
            return iter(())
        return (document for document in self.query(everything) if field not in document.data)

    def commit(self, writes: Sequence[Write]) -> datetime:
        self._check_outside()
        check_count(writes)
        if not writes:
            return self._calls.clock.now()
        request = messages.CommitRequest(database=self._calls.database.resource)
        put_writes(request, writes, self._calls.database.root)
        reach("documents.before_commit")
        commit = self._calls.stubs.commit
        answer = self._calls.write(commit, request, writes, repeatable=may_be_repeated(writes))
        reach("documents.after_commit")
        return get_time(answer.commit_time)

    def batch_write(self, writes: Sequence[Write]) -> list[WriteResult]:
        self._check_outside()
        check_count(writes)
        check_different(writes)
        request = messages.BatchWriteRequest(database=self._calls.database.resource)
        adder = WriteAdder(request, self._calls.database.root)
        errors: list[NbactlError | None] = []
        sent: list[int] = []
        for place, write in enumerate(writes):
            try:
                adder.add(write)
            except DataError as error:
                errors.append(error)
                continue
            errors.append(None)
            sent.append(place)
        if sent:
            reach("documents.before_commit")
            answer = self._calls.once(self._calls.stubs.batch_write, request)
            reach("documents.after_commit")
            for place, status in zip(sent, answer.status, strict=True):
                if status.code:
                    errors[place] = self._refused(writes[place], status.code, status.message)
        return [WriteResult(write.path, error) for write, error in zip(writes, errors, strict=True)]

    def transaction(self, fn: Callable[[Transaction], T], *, max_attempts: int = 5) -> T:
        self._check_outside()
        retries = TransactionRetries(self._calls, max_attempts)
        while True:
            transaction = retries.begin()
            try:
                return self._attempt(fn, transaction, retries)
            except NbactlError as error:
                retries.failed(transaction, error)

    @contextmanager
    def snapshot(self) -> Iterator[FirestoreSnapshot]:
        snapshot = FirestoreSnapshot(self._calls, reading.now(self._calls))
        try:
            yield snapshot
        finally:
            snapshot.end()

    def watch(self, collection: str, changed: Callable[[], None], *, renew: float) -> FirestoreSubscription:
        subscription = FirestoreSubscription(self._calls, check_collection(collection), changed, renew)
        self._subscriptions.add(subscription)
        return subscription

    def close(self) -> None:
        for subscription in list(self._subscriptions):
            subscription.close()
        self._calls.close()

    def _attempt(
        self, fn: Callable[[Transaction], T], transaction: FirestoreTransaction, retries: TransactionRetries
    ) -> T:
        self._within.transaction = True
        try:
            retries.settle(transaction)
            result = fn(transaction)
        finally:
            self._within.transaction = False
            transaction.end()
        transaction.commit()
        return result

    def _check_outside(self) -> None:
        if getattr(self._within, "transaction", False):
            raise RuntimeError("a transaction's function must write through its transaction, not through the store")

    def _refused(self, write: Write, code: int, message: str) -> NbactlError:
        return translate(CODES[code], message, self._calls.database.where, [write])
