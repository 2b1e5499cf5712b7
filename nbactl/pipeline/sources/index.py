"""What a folder of files has by dataset and date, kept from one command to the next.

Each file has a segment, named after its bytes; a manifest says which files and dates there are. A file that changed is
read again, the segments of the others stay. What is damaged or gone is made again from the files.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import weakref
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from nbactl.core._support.faults import reach
from nbactl.errors import UnavailableError
from nbactl.pipeline.code import code_of
from nbactl.pipeline.gcpause import gc_paused
from nbactl.pipeline.sources.contents import Contents, FileState, contents_from, contents_json, lines_of, merged
from nbactl.pipeline.sources.files import read_content
from nbactl.pipeline.sources.segments import DamagedSegmentError, Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.sources.base import Dataset

_FORMAT: Final = 1
_TICK: Final = 2_000_000_000
"""Nanoseconds: no file system has coarser times."""


class SourceIndex:
    """The index of a folder's files, in `folder`; in a temporary folder while it cannot be written.

    A file whose status is the one noted is taken to have the bytes that it had, unless it was changed so shortly
    before the note that a second change would not show. Of processes that read the same files at once one keeps what
    it finds; none waits for another.
    """

    def __init__(self, folder: Path | None, write: Callable[[Path, bytes, BinaryIO], str | None]) -> None:
        """`write` writes the segment of a file with these bytes, or returns why it is passed over."""
        self._kept = folder
        self._folder = folder
        self._write = write
        self._segments: dict[str, Segment] = {}
        self._distrusted = False

    @cached_property
    def _code(self) -> str:
        return hashlib.sha256(json.dumps(code_of("sources.path")).encode()).hexdigest()

    def load(self, files: Sequence[Path]) -> Contents:
        """Return what these files have now. Raises what `write` raises, DataError for a file that cannot be read."""
        with gc_paused():
            kept, noted_at = self._manifest()
        noted = {} if kept is None else kept.files
        states = {path.name: _state(path, noted.get(path.name), noted_at - _TICK) for path in files}
        if kept is not None and _bytes_of(noted) == _bytes_of(states):
            if noted != states:
                kept.files = {name: state for name, state in states.items() if state is not None}
                with self._owned() as owned:
                    if owned:
                        self._save(kept)
            return kept
        with self._owned() as owned, _disk_errors():
            self._folder = self._kept if owned else _temporary_folder(self)
            self._segments = {}
            contents = merged({path.name: self._read(path, states[path.name]) for path in files}, self._segment)
            if owned:
                self._save(contents)
        return contents

    def keep(self, contents: Contents) -> None:
        """Move what is in a temporary folder to its place, as soon as that can be written."""
        if self._folder == self._kept or self._kept is None or self._folder is None:
            return
        with self._owned() as owned, _disk_errors():
            if owned:
                for path in self._folder.glob("*.segment"):
                    shutil.copyfile(path, new := self._kept / f"{path.name}.new")
                    new.replace(self._kept / path.name)
                self._folder, self._segments = self._kept, {}
                self._save(contents)

    def lines(self, contents: Contents, dataset: Dataset, day: date) -> bytes:
        """Return the records of a date as lines of raw files. Raises DamagedSegmentError: `load` them again."""
        try:
            return lines_of(contents, dataset, day, self._segment)
        except DamagedSegmentError:
            self._distrusted = True
            for name in contents.files:
                with suppress(OSError):
                    self._segment(name, contents.files[name]).path.unlink()
            raise

    def _segment(self, name: str, state: FileState) -> Segment:
        made_of = hashlib.sha256(f"{self._code}\n{name}\n{state.content}".encode()).hexdigest()[:32]
        if made_of not in self._segments:
            folder = self._folder or Path(os.devnull)
            self._segments[made_of] = Segment(folder / f"{made_of}.segment")
        return self._segments[made_of]

    def _read(self, path: Path, state: FileState | None) -> FileState:
        """Have a segment of a file, unless it is passed over, and return the state of the file."""
        if state is not None and (state.note is not None or self._segment(path.name, state).is_whole):
            return state
        stat = stat_of(path)
        content = read_content(path)
        state = FileState(stat, hashlib.sha256(content).hexdigest())
        segment = self._segment(path.name, state).path
        with (new := segment.with_suffix(".new")).open("wb") as file:
            note = self._write(path, content, file)
        reach("source_index.before_rename")
        if note is None:
            new.replace(segment)
            return state
        new.unlink()
        return FileState(stat, state.content, note)

    def _manifest(self) -> tuple[Contents | None, int]:
        """Return what was kept and when, None if nothing was, it is damaged, or another version kept it."""
        if self._kept is None or self._distrusted:
            return None, 0
        try:
            path = self._kept / _MANIFEST
            noted_at = path.stat().st_mtime_ns
            checksum, _, text = path.read_bytes().partition(b"\n")
            if hashlib.sha256(text).hexdigest() != checksum.decode():
                return None, 0
            kept = json.loads(text)
        except (OSError, ValueError):
            return None, 0
        if (kept["format"], kept["code"]) != (_FORMAT, self._code):
            return None, 0
        return contents_from(kept), noted_at

    def _save(self, contents: Contents) -> None:
        """Write the manifest, and remove what it does not name: old segments, and what killed processes left."""
        if self._kept is None:
            return
        kept = {"format": _FORMAT, "code": self._code, **contents_json(contents)}
        text = json.dumps(kept, separators=(",", ":")).encode()
        path = self._kept / _MANIFEST
        with suppress(OSError):
            (new := path.with_suffix(".new")).write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
            reach("source_index.before_manifest")
            new.replace(path)
            named = {self._segment(name, state).path.name for name, state in contents.files.items()}
            for other in self._kept.iterdir():
                if other.suffix in (".segment", ".new") and other.name not in named:
                    other.unlink()

    @contextmanager
    def _owned(self) -> Iterator[bool]:
        """Hold the right to write to the folder; not if it cannot be written or another process holds it."""
        descriptor = self._lock()
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _lock(self) -> int | None:
        if self._kept is None or not self._kept.parent.is_dir():
            return None
        try:
            self._kept.mkdir(exist_ok=True)
            descriptor = os.open(self._kept / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor


_MANIFEST: Final = "index.json"


def stat_of(path: Path) -> tuple[int, ...]:
    """Return inode, size, and when content and status changed, in nanoseconds."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _state(path: Path, noted: FileState | None, sure_before: int) -> FileState | None:
    """Return the state of a file that was noted, None for one that was not or has other bytes."""
    if noted is None:
        return None
    with suppress(OSError):
        stat = stat_of(path)
        if noted.stat == stat and max(stat[2:]) < sure_before:
            return noted
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == noted.content:
                return FileState(stat, noted.content, noted.note)
    return None


def _bytes_of(files: Mapping[str, FileState | None]) -> dict[str, str | None]:
    return {name: None if state is None else state.content for name, state in files.items()}


def _temporary_folder(owner: object) -> Path:
    folder = tempfile.mkdtemp(prefix="nbactl-source-")
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"the index of the source cannot be written{f': {error.filename}' if error.filename else ''}",
            cause=error.strerror or str(error),
            next_step="Free disk space, or choose another place: --state-dir DIR.",
            retryable=False,
        ) from error
