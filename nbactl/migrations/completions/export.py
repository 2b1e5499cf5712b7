"""What an action is about to overwrite or remove, saved to a file first (invariant 19)."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from nbactl.errors import DataError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from nbactl.ports.documents import Document


class Export:
    """A file of JSON lines, `{"path", "update_time", "fields"}` each; times are `{"$time": "…"}`.

    When `save` returns, its lines are on the disk. An existing file is continued; a partial
    last line that a kill left is dropped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._saved: set[str] = set()
        self.documents = 0
        if path.exists():
            self._load()

    def has(self, document: Document, fields: Iterable[str]) -> bool:
        """Say whether exactly these field values are saved."""
        return _key(document.path, _picked(document, fields)) in self._saved

    def save(self, documents: Iterable[Document], fields: Iterable[str] | None = None) -> None:
        """Save these fields of documents (all without `fields`); content that is already saved is skipped."""
        lines = []
        for document in documents:
            picked = dict(document.data) if fields is None else _picked(document, fields)
            key = _key(document.path, picked)
            if key in self._saved:
                continue
            entry = {"path": document.path, "update_time": document.update_time.isoformat(), "fields": _plain(picked)}
            lines.append(json.dumps(entry, ensure_ascii=True) + "\n")
            self._saved.add(key)
        if not lines:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        with self.path.open("a", encoding="ascii") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        if new:
            _sync_folder(self.path.parent)
        self.documents += len(lines)

    def digest(self) -> str:
        """Return the file's SHA-256, read from the disk."""
        return sha256(self.path.read_bytes()).hexdigest() if self.path.exists() else sha256(b"").hexdigest()

    def _load(self) -> None:
        whole, _, torn = self.path.read_bytes().rpartition(b"\n")
        if torn:
            with self.path.open("r+b") as file:
                file.truncate(len(whole) + 1 if whole else 0)
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
                self._saved.add(_key(entry["path"], unplain(entry["fields"])))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{self.path} is not an export of nbactl",
                    cause=f"A line cannot be read: {error}",
                    next_step="Move the file away, then run the same command again.",
                ) from error
            self.documents += 1


def read_export(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the documents of an export: path and fields, in the order in which they were saved.

    Raises NotFoundError if the file does not exist, DataError if it is not an export.
    """
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
        return [(str(entry["path"]), dict(unplain(entry["fields"]))) for entry in entries]
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there is no file {path}", next_step="The history names the file: nbactl migrate completions --status"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not an export of nbactl", cause=f"It cannot be read: {error}") from error


def _picked(document: Document, fields: Iterable[str]) -> dict[str, Any]:
    return {field: document.data[field] for field in fields if field in document.data}


def _key(path: str, fields: Mapping[str, Any]) -> str:
    text = json.dumps([path, _plain(fields)], sort_keys=True, ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - any stored value
    if isinstance(value, datetime):
        return {"$time": value.astimezone(UTC).isoformat()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def unplain(value: Any) -> Any:  # noqa: ANN401 - any stored value
    """Return the stored value of a value in an export."""
    if isinstance(value, dict):
        if value.keys() == {"$time"}:
            return datetime.fromisoformat(value["$time"])
        return {key: unplain(item) for key, item in value.items()}
    return [unplain(item) for item in value] if isinstance(value, list) else value


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
