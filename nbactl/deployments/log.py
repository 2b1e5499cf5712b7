"""Where changes of services are kept: in the document store, or in files for when the store is down."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final, Protocol

from nbactl.core._support.created import commit_new
from nbactl.deployments.records import COLLECTION, change_of, fields_of
from nbactl.errors import DataError
from nbactl.ports.documents import Create, Order, Query, Set

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from nbactl.deployments.records import ChangeRecord
    from nbactl.ports.documents import DocumentStore

_MOST_READ: Final = 200
"""How many of the newest changes are read at most."""


class ChangeLog(Protocol):
    """Keeps changes. Ids sort by time."""

    def create(self, change: ChangeRecord) -> None:
        """Keep a new change; when this returns it is durable."""
        ...

    def replace(self, change: ChangeRecord) -> None:
        """Replace a change by its newer form."""
        ...

    def get(self, change_id: str) -> ChangeRecord | None:
        """Return a change, None if it is not here. Raises DataError for one that cannot be read."""
        ...

    def newest(self) -> Iterator[ChangeRecord]:
        """Yield changes, the newest first."""
        ...


class DocumentLog:
    """Changes in the document store."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    def create(self, change: ChangeRecord) -> None:
        commit_new(self._documents, [Create(f"{COLLECTION}/{change.id}", fields_of(change))])

    def replace(self, change: ChangeRecord) -> None:
        self._documents.commit([Set(f"{COLLECTION}/{change.id}", fields_of(change))])

    def get(self, change_id: str) -> ChangeRecord | None:
        document = self._documents.get(f"{COLLECTION}/{change_id}")
        return None if document is None else change_of(document.path, document.data)

    def newest(self) -> Iterator[ChangeRecord]:
        query = Query(COLLECTION, order=(Order("id", descending=True),), limit=_MOST_READ)
        for document in self._documents.query(query):
            yield change_of(document.path, document.data)


class FileLog:
    """Changes as JSON files of a folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, change: ChangeRecord) -> None:
        self.replace(change)

    def replace(self, change: ChangeRecord) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(change.id)
        written = path.with_suffix(".new")
        with written.open("w", encoding="utf-8") as file:
            json.dump(fields_of(change), file, default=_text, indent=1)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)

    def get(self, change_id: str) -> ChangeRecord | None:
        path = self._path(change_id)
        return self._read(path) if path.is_file() else None

    def newest(self) -> Iterator[ChangeRecord]:
        for path in sorted(self._folder.glob("*.json"), reverse=True)[:_MOST_READ]:
            yield self._read(path)

    def _path(self, change_id: str) -> Path:
        return self._folder / f"{change_id}.json"

    def _read(self, path: Path) -> ChangeRecord:
        try:
            fields: Any = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path} cannot be read", cause=str(error)) from error
        return change_of(str(path), fields)


def _text(value: datetime) -> str:
    return value.isoformat()
