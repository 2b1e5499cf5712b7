"""The verbs that read: as of now, as of a moment, or within a transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbactl.adapters.firestore import messages
from nbactl.adapters.firestore.encoding import get_document, get_time, put_time
from nbactl.adapters.firestore.queries import parent_of, structured
from nbactl.errors import NbactlError
from nbactl.ports.document_rules import check_collection, split_document
from nbactl.ports.documents import Document, Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from nbactl.adapters.firestore.calls import Calls

_PER_CALL: Final = 500
"""Documents that one BatchGetDocuments asks for."""


@dataclass(frozen=True, slots=True)
class ReadTime:
    """When to read: at `read_time`, or as `transaction` sees it, or (neither) now."""

    read_time: datetime | None = None
    transaction: bytes = b""

    def put(self, request: Any) -> None:  # noqa: ANN401 - a request message
        """Write the moment into a request."""
        if self.transaction:
            request.transaction = self.transaction
        elif self.read_time is not None:
            put_time(request.read_time, self.read_time)


NOW: Final = ReadTime()


def get_all(calls: Calls, paths: Sequence[str], moment: ReadTime = NOW) -> list[Document | None]:
    """Return the documents in the order asked for, all as of one moment."""
    return get_all_at(calls, paths, moment)[0]


def get_all_at(calls: Calls, paths: Sequence[str], moment: ReadTime) -> tuple[list[Document | None], ReadTime]:
    """Return the documents in the order asked for, and the moment at which they were so."""
    for path in paths:
        split_document(path)
    found: dict[str, Document] = {}
    for start in range(0, len(paths), _PER_CALL):
        part = list(dict.fromkeys(paths[start : start + _PER_CALL]))
        answers, read_time = calls.read(partial(_batch_get, calls, part, moment), again=not moment.transaction)
        found.update(answers)
        if not moment.transaction:
            moment = ReadTime(read_time)
    return [found.get(path) for path in paths], moment


def now(calls: Calls) -> datetime:
    """Return the service's own time, at which everything committed before this call is seen."""
    _, read_time = calls.read(lambda: _batch_get(calls, ["nbactl/now"], NOW))
    return read_time


def _batch_get(calls: Calls, paths: list[str], moment: ReadTime) -> tuple[dict[str, Document], datetime]:
    root = calls.database.root
    request = messages.BatchGetDocumentsRequest(database=calls.database.resource)
    request.documents.extend(f"{root}/{path}" for path in paths)
    moment.put(request)
    found: dict[str, Document] = {}
    read_time = None
    for answer in calls.stream(calls.stubs.batch_get, request):
        if answer.HasField("found"):
            document = get_document(answer.found)
            found[document.path] = document
        read_time = answer.read_time
    return found, get_time(read_time)


def query(calls: Calls, query: Query, moment: ReadTime = NOW) -> Iterator[Document]:
    """Stream the matching documents, all as of one moment."""
    structured(query, calls.database.root)
    return (get_document(message) for message in _stream(calls, query, moment, ids_only=False))


def list_ids(calls: Calls, collection: str, moment: ReadTime = NOW) -> Iterator[str]:
    """Stream the ids of a collection in order."""
    question = Query(check_collection(collection))
    return (message.name.rpartition("/")[2] for message in _stream(calls, question, moment, ids_only=True))


def list_collections(calls: Calls) -> list[str]:
    """Return the names of the top-level collections, sorted."""
    found: list[str] = []
    request = messages.ListCollectionIdsRequest(parent=calls.database.root)
    while True:
        answer = calls.read(partial(calls.ask, calls.stubs.list_collections, request))
        found.extend(answer.collection_ids)
        if not answer.next_page_token:
            return sorted(found)
        request.page_token = answer.next_page_token


def count(calls: Calls, query: Query, moment: ReadTime = NOW) -> int:
    """Return how many documents match."""
    request = messages.RunAggregationQueryRequest(parent=parent_of(query.collection, calls.database.root))
    question = request.structured_aggregation_query
    question.structured_query.CopyFrom(structured(query, calls.database.root))
    part = question.aggregations.add()
    part.alias = "n"
    part.count.SetInParent()
    moment.put(request)

    def attempt() -> int:
        found: int = 0
        for answer in calls.stream(calls.stubs.aggregate, request):
            if answer.HasField("result"):
                found = answer.result.aggregate_fields["n"].integer_value
        return found

    return calls.read(attempt)


def _stream(calls: Calls, query: Query, moment: ReadTime, *, ids_only: bool) -> Iterator[Any]:
    """Yield documents as messages; a stream that breaks continues after the last one, as of the same moment.

    An attempt that yielded something has not failed: a long stream takes as long as its reader takes.
    """
    last: Any = None
    given = 0
    while True:
        stream = _Attempt(calls, query, moment, last, given, ids_only=ids_only)
        first = calls.read(stream.begin, again=not moment.transaction)
        if first is None:
            return
        moment = stream.moment
        try:
            for message in stream.all_from(first):
                yield message
                last, given = message, given + 1
        except NbactlError as error:
            if not error.retryable or moment.transaction:
                raise
            continue
        return


class _Attempt:
    """One RunQuery call, behind what was given already."""

    def __init__(
        self,
        calls: Calls,
        query: Query,
        moment: ReadTime,
        last: Any,  # noqa: ANN401 - a Document message
        given: int,
        *,
        ids_only: bool,
    ) -> None:
        self.moment = moment
        self._calls = calls
        self._query = query
        self._last = last
        self._left = None if query.limit is None else query.limit - given
        self._ids_only = ids_only
        self._answers: Iterator[Any] = iter(())

    def begin(self) -> Any:  # noqa: ANN401 - a Document message
        """Send the call; returns the first document, or None if there is none."""
        if self._left == 0:
            return None
        root = self._calls.database.root
        question = replace(self._query, limit=self._left)
        if self._last is not None:
            question = replace(question, start_after=get_document(self._last))
        request = messages.RunQueryRequest(parent=parent_of(question.collection, root))
        request.structured_query.CopyFrom(structured(question, root, ids_only=self._ids_only))
        self.moment.put(request)
        self._answers = self._calls.stream(self._calls.stubs.run_query, request)
        return self._next()

    def all_from(self, first: Any) -> Iterator[Any]:  # noqa: ANN401 - a Document message
        """Yield `first` and what follows."""
        message = first
        while message is not None:
            yield message
            message = self._next()

    def _next(self) -> Any:  # noqa: ANN401 - a Document message
        for answer in self._answers:
            if self.moment == NOW and answer.HasField("read_time"):
                self.moment = ReadTime(get_time(answer.read_time))
            if answer.HasField("document"):
                return answer.document
        return None


class FirestoreSnapshot:
    """The store as of one moment, by the service's clock; Firestore keeps the past for an hour."""

    def __init__(self, calls: Calls, read_time: datetime) -> None:
        self.read_time = read_time
        self._calls = calls
        self._moment = ReadTime(read_time)
        self._ended = False

    def get(self, path: str) -> Document | None:
        return self.get_all([path])[0]

    def get_all(self, paths: Sequence[str]) -> list[Document | None]:
        return get_all(self._usable(), paths, self._moment)

    def query(self, query_: Query) -> Iterator[Document]:
        return query(self._usable(), query_, self._moment)

    def count(self, query: Query) -> int:
        return count(self._usable(), query, self._moment)

    def list_ids(self, collection: str) -> Iterator[str]:
        return list_ids(self._usable(), collection, self._moment)

    def end(self) -> None:
        """Refuse further use, as every engine does."""
        self._ended = True

    def _usable(self) -> Calls:
        if self._ended:
            raise RuntimeError("the snapshot has ended")
        return self._calls
