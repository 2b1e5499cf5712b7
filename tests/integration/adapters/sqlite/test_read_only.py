"""A file that may not be written can be read, as it was left and while others write it."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.core._support.clock import SystemClock
from nbactl.errors import NotAuthorisedError, UnavailableError
from nbactl.ports.documents import Query, Set

if TYPE_CHECKING:
    from collections.abc import Iterator


def opened(path: Path) -> SqliteDocuments:
    return SqliteDocuments(path, clock=SystemClock(), busy_timeout=5.0)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder below one that every user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def as_reader(folder: Path) -> Iterator[None]:
    """Act as a user who may read the folder and nothing else."""
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def numbers(store: SqliteDocuments) -> list[int]:
    return [document.data["n"] for document in store.query(Query("c"))]


def test_a_folder_that_may_only_be_read_is_read_and_left_as_it_is(place: Path) -> None:
    path = place / "documents.db"
    with closing(opened(path)) as store:
        store.commit([Set(f"c/{n}", {"n": n}) for n in range(3)])
    with as_reader(place), closing(opened(path)) as store:
        assert numbers(store) == [0, 1, 2]
        with store.snapshot() as snapshot:
            assert snapshot.count(Query("c")) == 3
        with pytest.raises(NotAuthorisedError, match="is read-only") as raised:
            store.commit([Set("c/4", {"n": 4})])
        assert raised.value.exit_code == 5
    assert [file.name for file in place.iterdir()] == ["documents.db"]


@pytest.mark.parametrize("with_index", [True, False])
def test_a_copy_of_a_live_folder_shows_what_is_in_the_log_only(place: Path, *, with_index: bool) -> None:
    live = place / "live"
    with closing(opened(live / "documents.db")) as store:
        store.commit([Set("c/0", {"n": 0})])
        copied = [file for file in live.iterdir() if with_index or not file.name.endswith("-shm")]
        assert any(file.name.endswith("-wal") for file in copied)
        (place / "copy").mkdir()
        for file in copied:
            shutil.copy(file, place / "copy")
    names = {file.name for file in (place / "copy").iterdir()}
    with as_reader(place / "copy"), closing(opened(place / "copy" / "documents.db")) as store:
        assert numbers(store) == [0]
    assert {file.name for file in (place / "copy").iterdir()} == names


def test_a_live_folder_of_another_user_is_read_as_it_changes(place: Path) -> None:
    path = place / "documents.db"
    with closing(opened(path)) as writer:
        writer.commit([Set("c/0", {"n": 0})])
        with as_reader(place), closing(opened(path)) as store:
            assert numbers(store) == [0]
            os.seteuid(os.getuid())
            writer.commit([Set("c/1", {"n": 1})])
            assert numbers(store) == [0, 1]


def test_a_writer_that_comes_while_it_is_read_without_locks_is_noticed(place: Path) -> None:
    path = place / "documents.db"
    with closing(opened(path)) as store:
        store.commit([Set("c/0", {"n": 0})])
    with as_reader(place), closing(opened(path)) as store:
        assert numbers(store) == [0]
        os.seteuid(os.getuid())
        with closing(opened(path)) as writer:
            writer.commit([Set("c/1", {"n": 1})])
        with pytest.raises(UnavailableError, match="was changed while it was read"):
            numbers(store)
