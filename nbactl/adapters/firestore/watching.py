"""Notifications of changes: a Listen call that stays open, and is made again whenever it ends."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import grpc

from nbactl.adapters.firestore import messages
from nbactl.adapters.firestore.failures import translate
from nbactl.adapters.firestore.queries import parent_of, structured
from nbactl.errors import NbactlError, UnavailableError
from nbactl.ports.documents import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbactl.adapters.firestore.calls import Calls

_LOG = logging.getLogger(__name__)


class FirestoreSubscription:
    """Listens to one collection in a thread of its own."""

    def __init__(self, calls: Calls, collection: str, changed: Callable[[], None], renew: float) -> None:
        root = calls.database.root
        self._request = messages.ListenRequest(database=calls.database.resource)
        self._request.add_target.target_id = 1
        self._request.add_target.query.parent = parent_of(collection, root)
        self._request.add_target.query.structured_query.CopyFrom(structured(Query(collection), root))
        self._calls = calls
        self._collection = collection
        self._changed = changed
        self._renew = renew
        self._failures = 0
        self._lock = threading.Lock()
        self._call: Any = None
        self._closed = threading.Event()
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name=f"nbactl-watch-{collection}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._process != os.getpid():
            return  # a child of a fork has neither the thread nor the connection
        with self._lock:
            if self._call is not None:
                self._call.cancel()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except NbactlError as error:
                if self._closed.is_set():
                    return
                self._failures += 1
                if self._failures == 1:
                    _LOG.warning(
                        "no notifications of changes of %s; they are seen only at the next read",
                        self._collection,
                        exc_info=error,
                    )
                retry = self._calls.policy.settings.retry
                self._closed.wait(retry.delay(min(self._failures, retry.attempts), self._calls.rng))

    def _listen(self) -> None:
        """Listen until `renew` is over. Raises NbactlError when the call ends before, or cannot be made."""
        over = threading.Event()

        def requests() -> Iterator[Any]:
            yield self._request
            over.wait()  # when the requests end, the service ends the call

        try:
            with self._lock:
                if self._closed.is_set():
                    return
                self._call = self._open(requests())
            for answer in self._call:
                self._handle(answer)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return
            raise translate(error.code(), error.details() or "", self._calls.database.where) from error
        finally:
            over.set()
            if self._call is not None:
                self._call.cancel()
        raise UnavailableError(f"{self._calls.database.where} ended the call that notifies of changes")

    def _open(self, requests: Iterator[Any]) -> Any:  # noqa: ANN401 - grpc has no types
        try:
            listen = self._calls.stubs.listen
            return listen(requests, timeout=self._renew, metadata=self._calls.database.metadata)
        except (RuntimeError, ValueError) as error:
            self._closed.set()
            raise UnavailableError(f"{self._calls.database.where} was closed") from error

    def _handle(self, answer: Any) -> None:  # noqa: ANN401 - a ListenResponse message
        if not answer.HasField("target_change"):
            self._changed()
        elif answer.target_change.target_change_type == messages.TARGET_REMOVED:
            cause = answer.target_change.cause
            raise UnavailableError(f"{self._calls.database.where} does not notify of changes", cause=cause.message)
        elif answer.target_change.target_change_type == messages.TARGET_CURRENT:
            if self._failures:
                _LOG.info(
                    "notifications of changes of %s work again", self._collection, extra={"failures": self._failures}
                )
                self._failures = 0
            self._changed()
