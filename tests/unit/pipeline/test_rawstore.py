from __future__ import annotations

import resource
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.errors import DataError, PreconditionError, StaleFenceError, UnavailableError
from nbactl.pipeline.rawstore import RawStore
from nbactl.pipeline.sources.base import RawRecord
from nbactl.testing import faults
from tests.kit.pipeline import PlainFence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = date(2024, 1, 15)


class RevokedFence(PlainFence):
    def guard(self, commit: Callable[[], None]) -> None:  # noqa: ARG002 - the port's signature
        raise StaleFenceError("revoked")


def _records(*points: int) -> list[RawRecord]:
    return [RawRecord("schedule", DAY, "game", f"f.csv:{n}", {"PTS": n, "NAME": "Dončić"}) for n in points]


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path)


def test_what_a_killed_writer_left_is_no_raw_file(store: RawStore, tmp_path: Path) -> None:
    (tmp_path / "schedule").mkdir()
    (tmp_path / "schedule" / f".{DAY}.jsonl.4711.7.tmp").write_bytes(b"half a li")
    assert store.dates("schedule") == []
    with pytest.raises(PreconditionError):
        store.read("schedule", DAY)
    store.write("schedule", DAY, _records(1), source="sample", fence=PlainFence())
    assert store.read("schedule", DAY) == _records(1)


def test_records_come_back_as_they_were_written(store: RawStore) -> None:
    assert store.write("schedule", DAY, _records(1, 2), source="sample", fence=PlainFence()) == 2
    assert store.read("schedule", DAY) == _records(1, 2)
    assert store.dates("schedule") == [DAY]


def test_no_records_are_a_file_too(store: RawStore) -> None:
    store.write("schedule", DAY, [], source="sample", fence=PlainFence())
    assert store.read("schedule", DAY) == []


def test_what_was_not_collected_is_a_missing_upstream_phase(store: RawStore) -> None:
    with pytest.raises(PreconditionError, match="no raw schedule") as caught:
        store.read("schedule", DAY)
    assert caught.value.next_step == "nbactl run phase1 --date 2024-01-15 --force"


def test_what_collects_a_date_again_names_the_source(tmp_path: Path) -> None:
    store = RawStore(tmp_path, ("--source", "path:my data"))
    with pytest.raises(PreconditionError) as missing:
        store.read("schedule", DAY)
    store.write("schedule", DAY, _records(1), source="x", fence=PlainFence())
    path = store.path("schedule", DAY)
    whole = path.read_bytes()
    path.write_bytes(whole.partition(b"\n")[0] + b"\n")
    with pytest.raises(PreconditionError, match="removed") as removed:
        store.read("schedule", DAY)
    path.write_bytes(whole + b"{}")
    with pytest.raises(DataError, match="damaged") as damaged:
        store.read("schedule", DAY)
    for error in (missing, removed, damaged):
        assert "nbactl run phase1 --date 2024-01-15 --force --source 'path:my data'" in str(error.value.next_step)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let this process write no file beyond 64 bytes; the limit also holds for the output of pytest."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_reported_with_the_file_and_leaves_nothing_half_written(store: RawStore) -> None:
    writes: tuple[Callable[[], int], ...] = (
        lambda: store.write("schedule", DAY, _records(1), source="sample", fence=PlainFence()),
        lambda: store.fill_in("schedule", {DAY: _records(1)}, source="sample", fence=PlainFence(), given={}),
    )
    for write in writes:
        with pytest.raises(UnavailableError, match=r"2024-01-15.jsonl cannot be written") as caught, full_disk():
            write()
        assert not caught.value.retryable
        assert "--state-dir" in str(caught.value.next_step)
        assert list(store.path("schedule", DAY).parent.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 10, -1, -40])
def test_a_file_that_was_cut_is_refused(store: RawStore, keep: int) -> None:
    store.write("schedule", DAY, _records(1, 2, 3), source="sample", fence=PlainFence())
    path = store.path("schedule", DAY)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="is damaged") as caught:
        store.read("schedule", DAY)
    assert "--force" in str(caught.value.next_step)


def test_a_file_that_was_changed_is_refused(store: RawStore) -> None:
    store.write("schedule", DAY, _records(1, 2, 3), source="sample", fence=PlainFence())
    path = store.path("schedule", DAY)
    path.write_bytes(path.read_bytes().replace(b'"PTS":2', b'"PTS":9'))
    with pytest.raises(DataError, match="is damaged"):
        store.read("schedule", DAY)


def test_a_damaged_file_is_replaced_by_the_next_collection(store: RawStore) -> None:
    store.path("schedule", DAY).parent.mkdir(parents=True)
    store.path("schedule", DAY).write_text("rubbish")
    store.write("schedule", DAY, _records(1), source="sample", fence=PlainFence())
    assert store.read("schedule", DAY) == _records(1)


def test_inv_12_a_stale_holder_does_not_overwrite_a_later_one(store: RawStore) -> None:
    store.write("schedule", DAY, _records(1), source="sample", fence=PlainFence(token=7))
    with pytest.raises(StaleFenceError):
        store.write("schedule", DAY, _records(2), source="sample", fence=PlainFence(token=6))
    assert store.read("schedule", DAY) == _records(1)


def test_inv_12_a_revoked_holder_writes_nothing(store: RawStore) -> None:
    with pytest.raises(StaleFenceError):
        store.write("schedule", DAY, _records(1), source="sample", fence=RevokedFence())
    assert store.dates("schedule") == []


def test_a_file_filled_in_gives_way_to_any_later_one_and_replaces_none_of_the_date_s_own_run(store: RawStore) -> None:
    for number in (1, 2):
        given = {DAY: f"version {number}"}
        store.fill_in("schedule", {DAY: _records(number)}, source="sample", fence=PlainFence(token=9), given=given)
        assert store.read("schedule", DAY) == _records(number)
        held = store.held("schedule")[DAY]
        assert (held.given, held.filled_in) == (f"version {number}", True)
    store.write("schedule", DAY, _records(3), source="sample", fence=PlainFence(token=2))
    store.fill_in("schedule", {DAY: _records(4)}, source="sample", fence=PlainFence(token=9), given={})
    assert store.read("schedule", DAY) == _records(3)
    assert not store.held("schedule")[DAY].filled_in


def test_a_damaged_file_is_not_filled_in_again(store: RawStore) -> None:
    store.fill_in("schedule", {DAY: _records(1)}, source="sample", fence=PlainFence(), given={})
    store.path("schedule", DAY).write_text("not a header\n")
    store.fill_in("schedule", {DAY: _records(2)}, source="sample", fence=PlainFence(), given={})
    assert store.path("schedule", DAY).read_text() == "not a header\n"
    assert not store.held("schedule")[DAY].filled_in


def test_notes_are_kept_by_date_and_a_damaged_file_of_them_is_none(store: RawStore, tmp_path: Path) -> None:
    store.write("schedule", DAY, _records(1), source="sample", fence=PlainFence())
    store.note("nba_raw.games", {DAY: "one"})
    store.note("nba_raw.games", {DAY.replace(day=16): "two"})
    assert store.notes("nba_raw.games") == {DAY: "one", DAY.replace(day=16): "two"}
    (tmp_path / ".filled_in.nba_raw.games.json").write_text("[1")
    assert store.notes("nba_raw.games") == {}


def test_an_empty_file_is_none_and_is_filled_in_again(store: RawStore) -> None:
    store.fill_in("schedule", {DAY: _records(1)}, source="sample", fence=PlainFence(), given={})
    store.path("schedule", DAY).write_bytes(b"")
    assert store.dates("schedule") == []
    store.fill_in("schedule", {DAY: _records(1)}, source="sample", fence=PlainFence(), given={})
    assert store.read("schedule", DAY) == _records(1)


def test_inv_12_a_revoked_holder_fills_nothing_in_and_leaves_no_litter(store: RawStore) -> None:
    with pytest.raises(StaleFenceError):
        store.fill_in("schedule", {DAY: _records(1)}, source="sample", fence=RevokedFence(), given={})
    assert list(store.path("schedule", DAY).parent.iterdir()) == []


def test_inv_20_a_crash_before_the_rename_leaves_the_earlier_file_and_no_litter(store: RawStore) -> None:
    store.write("schedule", DAY, _records(1), source="sample", fence=PlainFence())

    with faults.failing("rawstore.before_rename", UnavailableError("crash")), pytest.raises(UnavailableError):
        store.write("schedule", DAY, _records(2), source="sample", fence=PlainFence())
    assert store.read("schedule", DAY) == _records(1)
    assert [path.name for path in store.path("schedule", DAY).parent.iterdir()] == ["2024-01-15.jsonl"]


def test_a_version_is_that_of_the_records_whichever_run_wrote_them(store: RawStore) -> None:
    assert store.versions("schedule", [DAY]) == {}
    store.write("schedule", DAY, _records(1, 2), source="test", fence=PlainFence(1))
    first = store.versions("schedule", [DAY, date(2024, 1, 16)])
    assert set(first) == {DAY}
    store.write("schedule", DAY, _records(1, 2), source="another", fence=PlainFence(9, "somebody else"))
    assert store.versions("schedule", [DAY]) == first
    store.write("schedule", DAY, _records(1, 3), source="test", fence=PlainFence(9))
    assert store.versions("schedule", [DAY]) != first


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"{", b"[]\n", b'{"nbactl_raw": 2, "sha256": "a"}\n', b'{"nbactl_raw": 1}\n']
)
def test_a_damaged_file_has_no_version(store: RawStore, content: bytes) -> None:
    store.write("schedule", DAY, _records(1), source="test", fence=PlainFence())
    store.path("schedule", DAY).write_bytes(content)
    assert store.versions("schedule", [DAY]) == {}


def test_a_version_is_read_from_the_first_line(store: RawStore) -> None:
    store.write("schedule", DAY, _records(1), source="test", fence=PlainFence())
    first = store.versions("schedule", [DAY])
    with store.path("schedule", DAY).open("r+b") as file:
        file.readline()
        file.truncate()
    assert store.versions("schedule", [DAY]) == first
