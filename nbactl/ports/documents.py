"""The document port: Firestore's model, cut to what is needed.

Paths have an even number of segments for a document (`runs/run-1/tasks/schedule`) and an odd one for a collection.
What every engine refuses (DataError) is in document_rules.py.
Values are None, bool, int, float (finite), str, timezone-aware datetime, and lists and string-keyed dicts of these.
A field is named by a string (one top-level field, dots are ordinary characters) or by a tuple of map keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar, runtime_checkable

from nbactl.errors import DataError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from nbactl.errors import NbactlError

T = TypeVar("T")

FieldPath = str | tuple[str, ...]
Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "array-contains"]
MAX_WRITES: Final = 500
"""Most writes one commit may hold (Firestore's limit)."""


@frozen
class Document:
    """A stored document at one moment."""

    path: str
    data: dict[str, Any]
    create_time: datetime
    update_time: datetime

    @property
    def id(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]


class DamagedDocument(Document):
    """A document whose content cannot be read, in place of it: asking for `data` raises DataError.

    A reader that takes documents one by one can name it and go on with the others. `Set` and `Delete` replace it.
    """

    __slots__ = ("_why",)
    _why: str

    def __init__(self, path: str, why: str, create_time: datetime, update_time: datetime) -> None:
        for name, value in (
            ("path", path), ("_why", why), ("create_time", create_time), ("update_time", update_time),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @property
    def data(self) -> dict[str, Any]:
        """What it held."""
        raise DataError(
            f"{self.path} cannot be read: {self._why}",
            cause="It was damaged, or was not written by nbactl.",
            next_step="Restore the document store from a copy.",
            details={"path": self.path},
        )

    def __repr__(self) -> str:
        return f"DamagedDocument({self.path!r}, {self._why!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DamagedDocument) and (self.path, self._why) == (other.path, other._why)

    def __hash__(self) -> int:
        return hash((self.path, self._why))


@frozen
class Increment:
    """Transform: add `by` to a number; a missing field counts as 0."""

    by: int | float


@frozen
class ArrayUnion:
    """Transform: append those of `values` that the array lacks; a missing field counts as []."""

    values: tuple[Any, ...]


@frozen
class ArrayRemove:
    """Transform: remove every occurrence of `values` from the array."""

    values: tuple[Any, ...]


class ServerTime:
    """Transform: the time of the commit, in milliseconds at least; by a service's clock a little before it."""

    __slots__ = ()


class DeleteField:
    """In an update: remove the field."""

    __slots__ = ()


SERVER_TIME: Final = ServerTime()
DELETE_FIELD: Final = DeleteField()


@frozen
class Create:
    """Create a document; AlreadyExistsError if it is there."""

    path: str
    data: Mapping[str, Any]


@frozen
class Set:
    """Create or replace a document whole."""

    path: str
    data: Mapping[str, Any]


@frozen
class Update:
    """Change fields of a document that exists (NotFoundError otherwise).

    With `if_updated_at` the write holds only if the document was last changed at exactly that time
    (PreconditionError otherwise).
    """

    path: str
    fields: Mapping[FieldPath, Any]
    if_updated_at: datetime | None = None


@frozen
class Delete:
    """Remove a document. Without a condition a missing one is not an error."""

    path: str
    must_exist: bool = False
    if_updated_at: datetime | None = None


Write = Create | Set | Update | Delete


@frozen
class Filter:
    """A condition on one field. A document that lacks the field does not match.

    Values compare with values of their own type only (1 equals 1.0, not True); null matches `== None` and nothing else.
    `in` takes 1 to 30 values.
    """

    field: FieldPath
    op: Operator
    value: Any


@frozen
class Order:
    """A sort key. A document that lacks the field is not in the result."""

    field: FieldPath
    descending: bool = False


@frozen
class Query:
    """Documents directly in `collection`, in the given order; then by the fields of inequalities (`!=` is one).

    What is still equal goes by document id; both go down if the last given order does. Values sort by type first:
    null, bool, number, time, string, list, map. A query that makes no sense is a DataError when it is asked, not when
    its result is read.
    """

    collection: str
    filters: tuple[Filter, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    start_after: Document | None = None


class Transaction(Protocol):
    """Reads at one consistent moment, and writes that are committed together when the function returns.

    A read after a write, a use after the end, and a write past the transaction (through the store) are RuntimeErrors.
    """

    def get(self, path: str) -> Document | None:
        """Return the document, or None. All reads come before the first write."""
        ...

    def query(self, query: Query) -> list[Document]:
        """Return the matching documents."""
        ...

    def write(self, *writes: Write) -> None:
        """Add writes to the commit."""
        ...


@frozen
class WriteResult:
    """What became of one write of a batch: applied if `error` is None, otherwise refused."""

    path: str
    error: NbactlError | None


class Reader(Protocol):
    """The verbs that read. Every method raises UnavailableError when the backend does not answer."""

    def get(self, path: str) -> Document | None:
        """Return the document, or None if there is none."""
        ...

    def get_all(self, paths: Sequence[str]) -> list[Document | None]:
        """Return the documents in the order asked for, None for each that is missing; one moment for all."""
        ...

    def query(self, query: Query) -> Iterator[Document]:
        """Stream the matching documents."""
        ...

    def count(self, query: Query) -> int:
        """Return how many documents match."""
        ...

    def list_ids(self, collection: str) -> Iterator[str]:
        """Stream the ids of a collection in order, without reading the documents."""
        ...


class Snapshot(Reader, Protocol):
    """The store as it was at `read_time`, in all reads."""

    @property
    def read_time(self) -> datetime:
        """The moment that is shown, aware UTC, by the store's clock."""
        ...


class DocumentStore(Reader, Protocol):
    """The verbs of a document database. Every method raises UnavailableError when the backend does not answer."""

    def lacking(self, collection: str, field: str) -> Iterator[Document]:
        """Stream the documents that no query ordered by `field` has: those without it, and damaged ones.

        It costs little where there is none.
        """
        ...

    def list_collections(self) -> list[str]:
        """Return the names of the top-level collections that hold documents, or lead to some, sorted."""
        ...

    def commit(self, writes: Sequence[Write]) -> datetime:
        """Apply all writes or none, at most MAX_WRITES; returns the commit time.

        Raises AlreadyExistsError, NotFoundError or PreconditionError for the first write that cannot be applied,
        DataError for values that cannot be stored.
        """
        ...

    def batch_write(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Apply each write or refuse it by itself, at most MAX_WRITES; returns their outcomes, in their order.

        Not atomic: others may see some of them before the rest. Raises DataError, before anything is written, if
        there are too many or two of them name the same document. When it raises UnavailableError any of them may
        have been applied, so what is sent must be safe to send again.
        """
        ...

    def transaction(self, fn: Callable[[Transaction], T], *, max_attempts: int = 5) -> T:
        """Run `fn` and commit its writes; run it again if another writer interfered.

        `fn` must have no other effect. Raises ContentionError after `max_attempts`.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Open a view of one moment, at most about a second in the past, for the length of a `with` block."""
        ...

    def close(self) -> None:
        """Release connections. The store cannot be used afterwards."""
        ...


@runtime_checkable
class AwaitableCommits(Protocol):
    """A store whose commits need no thread of their caller's: the file's do not, for they share transactions."""

    def commit_soon(self, writes: Sequence[Write]) -> asyncio.Future[datetime]:
        """Begin `commit` and return the future of its outcome; a cancelled wait for it ends when it is there."""
        ...


class Subscription(Protocol):
    """Notifications of changes; `close` ends them."""

    def close(self) -> None:
        """Send no more notifications. May be called again; never waits for a call of `changed` that calls it."""
        ...


@runtime_checkable
class Watchable(Protocol):
    """A store that notifies of changes: Firestore does, a file does not."""

    def watch(self, collection: str, changed: Callable[[], None], *, renew: float) -> Subscription:
        """Have `changed` called, in another thread, soon after the documents of a collection have changed.

        It is also called whenever the connection is made, at first and after it broke, because changes may have been
        missed. While it is broken there are no notifications, so a caller must also poll now and then. The connection
        is renewed every `renew` seconds. A child of a fork gets no notifications.
        """
        ...
