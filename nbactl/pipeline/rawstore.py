"""Raw files: what phase 1 collected, verbatim, one file per dataset and game date.

The first line is a header with the number of records and the SHA-256 of the rest, so that a file that was cut or
changed differs from a whole one; each further line is one record. A file appears whole or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
from contextlib import contextmanager, suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from nbactl.core._support.faults import reach
from nbactl.errors import DataError, PreconditionError, StaleFenceError, UnavailableError
from nbactl.pipeline.rawlist import Held, RawListing
from nbactl.pipeline.sources.base import Dataset, RawRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from nbactl.ports.warehouse import Fence

_FORMAT = 1
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class RawStore:
    """The raw files of one source under one folder.

    `options` are those that a command for a person has to repeat, as `--source path:DIR`.
    """

    def __init__(self, root: Path, options: Sequence[str] = ()) -> None:
        self._root = root
        self._options = options
        self._listing = RawListing(root, _held)

    def path(self, dataset: Dataset, day: date) -> Path:
        """Return where the file is, whether it is there or not."""
        return self._root / dataset / f"{day.isoformat()}.jsonl"

    def dates(self, dataset: Dataset) -> list[date]:
        """Return the dates that have a file, in order."""
        return list(self._listing.held(dataset))

    def held(self, dataset: Dataset) -> Mapping[date, Held]:
        """Return what there is of each date. A damaged file has no version, and is not filled in again."""
        return self._listing.held(dataset)

    def notes(self, table: str) -> dict[date, str]:
        """Return what is noted of the dates of a table; nothing if the file is not there, or damaged."""
        with suppress(OSError, ValueError, AttributeError):
            kept = json.loads(self._notes_of(table).read_bytes())
            return {date.fromisoformat(day): str(text) for day, text in kept.items()}
        return {}

    def note(self, table: str, news: Mapping[date, str]) -> None:
        """Note something of dates of a table. It may get lost; then it is found out again."""
        with _disk_errors(path := self._notes_of(table)), self._locked():
            kept = {day.isoformat(): text for day, text in {**self.notes(table), **news}.items()}
            new = path.with_name(f"{path.name}.new")
            new.write_text(json.dumps(kept))
            new.replace(path)

    def _notes_of(self, table: str) -> Path:
        return self._root / f".filled_in.{table}.json"

    def write(
        self,
        dataset: Dataset,
        day: date,
        records: Sequence[RawRecord],
        *,
        source: str,
        fence: Fence,
        given: str | None = None,
    ) -> int:
        """Write the file of `day` durably, in place of one that is there; returns the number of records.

        `given` is the version that the source has of the date, if it can say.
        Raises StaleFenceError if the right to write was revoked, or if a later holder wrote this file.
        """
        target = self.path(dataset, day)
        temporary, held = self._prepare(
            dataset, day, records, source=source, token=fence.token, fence=fence, given=given
        )

        def publish() -> None:
            with self._locked():
                _refuse_if_newer(target, fence)
                temporary.replace(target)
                self._listing.wrote(dataset, {day: held})
                _sync(target.parent)

        with _disk_errors(target), _removed_on_failure([temporary]):
            _sync(temporary)
            reach("rawstore.before_rename")
            fence.guard(publish)
        return len(records)

    def fill_in(
        self,
        dataset: Dataset,
        by_day: Mapping[date, Sequence[RawRecord] | bytes],
        *,
        source: str,
        fence: Fence,
        given: Mapping[date, str],
    ) -> int:
        """Write the files of dates that have none yet, or one that was filled in; returns the number of records.

        Bytes are the records as lines of a raw file.
        Files that runs of their own date wrote stay, and those written give way to any holder of their date. They are
        not forced to the disk one by one: the source still has what they hold, and the checksum tells if one was lost.
        """
        written: dict[date, Held] = {}
        records = 0
        with _disk_errors(self._root / dataset), _removed_on_failure(prepared := []):
            for day, of_day in by_day.items():
                temporary, held = self._prepare(
                    dataset, day, of_day, source=source, token=0, fence=fence, given=given.get(day)
                )
                prepared.append(temporary)
                written[day] = held
                records += of_day.count(b"\n") if isinstance(of_day, bytes) else len(of_day)

            def publish() -> None:
                with self._locked():
                    for day, temporary in zip(by_day, prepared, strict=True):
                        if _is_of_a_run(self.path(dataset, day)):
                            temporary.unlink()
                            del written[day]
                        else:
                            temporary.replace(self.path(dataset, day))
                    self._listing.wrote(dataset, written)

            if prepared:
                fence.guard(publish)
        return records

    def read(self, dataset: Dataset, day: date) -> list[RawRecord]:
        """Return the records of `day` in the order they were collected.

        Raises PreconditionError if there is no file, DataError if it is not what was written.
        """
        path = self.path(dataset, day)
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise PreconditionError(
                f"no raw {dataset} of {day}",
                cause=f"{path} is not there: phase 1 has not collected it.",
                next_step=self.rerun("phase1", day, "--force"),
            ) from error
        head, _, body = content.partition(b"\n")
        header = _header(path, head, self.rerun("phase1", day, "--force"))
        if header.get("records") and not body:
            raise PreconditionError(
                f"the records of raw {dataset} of {day} were removed",
                cause="They were older than `retention` in timeouts.yaml keeps raw files.",
                next_step=f"Collect them again: {self.rerun('phase1', day, '--force')}",
            )
        if hashlib.sha256(body).hexdigest() != header.get("sha256"):
            cause = "its content does not match the checksum in its first line"
            raise _damaged(path, cause, self.rerun("phase1", day, "--force"))
        records = [json.loads(line) for line in body.splitlines()]
        return [RawRecord(r["dataset"], day, r["shape"], r["origin"], r["payload"]) for r in records]

    def rerun(self, phase: str, day: object, *words: str) -> str:
        """Return the command that runs a phase of a date with this source."""
        return shlex.join(["nbactl", "run", phase, "--date", str(day), *words, *self._options])

    def versions(self, dataset: Dataset, days: Sequence[date]) -> dict[date, str]:
        """Return the SHA-256 of the records of each date, whichever run wrote them; a damaged file has none."""
        return {day: held.sha256 for day, held in self._listing.of(dataset, days).items() if held.sha256}

    def _prepare(
        self,
        dataset: Dataset,
        day: date,
        records: Sequence[RawRecord] | bytes,
        *,
        source: str,
        token: int,
        fence: Fence,
        given: str | None,
    ) -> tuple[Path, Held]:
        """Write the file beside its place; returns where that is, and what its first line says."""
        body = records if isinstance(records, bytes) else _lines(records)
        header = {
            "nbactl_raw": _FORMAT,
            "dataset": dataset,
            "game_date": day.isoformat(),
            "source": source,
            "token": token,
            "given": given,
            "records": body.count(b"\n"),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        target = self.path(dataset, day)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.{fence.token}.tmp")
        with _disk_errors(target), _removed_on_failure([temporary]):
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(f"{_encode(header)}\n".encode())
                file.write(body)
        return temporary, _held_of(header)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # Held for a look at one line and a rename, so waiting for it needs no limit; the kernel frees it on a crash.
        with (self._root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _lines(records: Sequence[RawRecord]) -> bytes:
    lines = [
        _encode({"dataset": r.dataset, "shape": r.shape, "origin": r.origin, "payload": r.payload}) for r in records
    ]
    return "".join(f"{line}\n" for line in lines).encode()


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    """Say what could not be written when the system refuses."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"raw file {target} cannot be written",
            cause=error.strerror or str(error),
            next_step="Free disk space or correct the permissions, or choose another place: --state-dir DIR.",
            retryable=False,
        ) from error


@contextmanager
def _removed_on_failure(files: Sequence[Path]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for file in files:
            with suppress(OSError):  # the first error is the one to report
                file.unlink()
        raise


def _held(path: Path) -> Held:
    header: Mapping[str, Any] = {}
    with suppress(DataError), path.open("rb") as file:
        header = _header(path, file.readline().rstrip(b"\n"))
    return _held_of(header)


def _held_of(header: Mapping[str, Any]) -> Held:
    digest = header.get("sha256")
    return Held(
        digest if isinstance(digest, str) else "",
        header.get("given"),
        header.get("token") == 0,
        int(header.get("records", 0)),
    )


def _is_of_a_run(path: Path) -> bool:
    """Say whether there is a file that was not filled in; a damaged one may be."""
    try:
        with path.open("rb") as file:
            head = file.readline()
        return bool(head) and _header(path, head.rstrip(b"\n")).get("token") != 0
    except FileNotFoundError:
        return False
    except DataError:
        return True


def _refuse_if_newer(target: Path, fence: Fence) -> None:
    if not target.exists():
        return
    with target.open("rb") as file:
        head = file.readline()
    try:
        token = _header(target, head.rstrip(b"\n")).get("token", 0)
    except DataError:
        return  # the next collection replaces a damaged file
    if token > fence.token:
        raise StaleFenceError(
            f"{target.name} was written by a later run",
            cause=f"It carries fencing token {token}, {fence.holder} has {fence.token}.",
            next_step="nbactl runs list shows the later run; start this one again if it should win.",
        )


def _header(path: Path, line: bytes, again: str | None = None) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except ValueError as error:
        raise _damaged(path, f"its first line is not JSON: {error}", again) from error
    if not isinstance(header, dict) or header.get("nbactl_raw") != _FORMAT:
        raise _damaged(path, "its first line is not the header of a raw file", again)
    return header


def _damaged(path: Path, cause: str, again: str | None) -> DataError:
    return DataError(
        f"raw file {path}:1 is damaged",
        cause=f"It is not what was written: {cause}.",
        next_step=None if again is None else f"Collect it again: {again}",
    )


def _sync(path: Path) -> None:
    """Have a file's content, or a folder's names, on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
