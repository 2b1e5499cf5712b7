"""What raw files there are is looked up once, and again when it changed."""

from __future__ import annotations

import os
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.pipeline import rawlist
from nbactl.pipeline.rawstore import RawStore
from nbactl.pipeline.sources.base import RawRecord
from tests.kit.pipeline import PlainFence

if TYPE_CHECKING:
    from collections.abc import Callable

DAYS = [date(2024, 1, 15) + timedelta(days=number) for number in range(5)]


def records(day: date, points: int = 1) -> list[RawRecord]:
    return [RawRecord("schedule", day, "game", "f.csv:2", {"PTS": points, "NAME": "Dončić"})]


def fill(store: RawStore, days: list[date], points: int = 1) -> None:
    by_day = {day: records(day, points) for day in days}
    given = dict.fromkeys(days, f"version {points}")
    store.fill_in("schedule", by_day, source="test", fence=PlainFence(), given=given)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fill(RawStore(tmp_path), DAYS[:4])
    past(tmp_path)
    return tmp_path


def past(root: Path) -> None:
    """Have the folder changed long ago."""
    os.utime(root / "schedule", ns=(1, 1_700_000_000_000_000_001))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often folders were listed, and first lines read."""
    count = {"listed": 0, "read": 0}
    scandir, opened = os.scandir, Path.open

    def counted(path: Any) -> Any:
        count["listed"] += 1
        return scandir(path)

    def counted_open(path: Path, mode: str = "r", **more: Any) -> Any:
        count["read"] += mode == "rb" and path.parent.name == "schedule"
        return opened(path, mode, **more)

    monkeypatch.setattr(os, "scandir", counted)
    monkeypatch.setattr(Path, "open", counted_open)
    return count


def test_a_folder_is_listed_once_however_often_it_is_asked_for(root: Path, looks: dict[str, int]) -> None:
    store = RawStore(root)
    for _ in range(3):
        assert store.dates("schedule") == DAYS[:4]
        assert {held.given for held in store.held("schedule").values()} == {"version 1"}
    assert looks["listed"] == 1


def test_first_lines_that_another_process_read_are_not_read_again(root: Path, looks: dict[str, int]) -> None:
    RawStore(root).held("schedule")
    assert looks["read"] == 4
    store = RawStore(root)
    assert len(store.held("schedule")) == len(store.versions("schedule", DAYS)) == 4
    assert looks["read"] == 4


def by_itself(store: RawStore) -> None:
    fill(store, [DAYS[4]])


def by_another(store: RawStore) -> None:
    fill(RawStore(store._root), [DAYS[4]])


def replaced(store: RawStore) -> None:
    fill(RawStore(store._root), [DAYS[0]], points=2)


def of_a_run(store: RawStore) -> None:
    RawStore(store._root).write("schedule", DAYS[0], records(DAYS[0], 3), source="test", fence=PlainFence())


def removed(store: RawStore) -> None:
    store.path("schedule", DAYS[0]).unlink()


def with_a_stray_file(store: RawStore) -> None:
    (store._root / "schedule" / "copy.jsonl").write_text("x")


def gone(store: RawStore) -> None:
    shutil.rmtree(store._root / "schedule")


@pytest.mark.parametrize("change", [by_itself, by_another, replaced, of_a_run, removed, with_a_stray_file, gone])
def test_a_change_is_seen_by_whoever_made_it(root: Path, change: Callable[[RawStore], None]) -> None:
    store = RawStore(root)
    store.held("schedule")
    change(store)
    again = RawStore(root)
    for path in root.glob(".held.*"):
        path.unlink()
    read_anew = RawStore(root)
    for one in (store, again):
        assert one.dates("schedule") == read_anew.dates("schedule")
        assert one.held("schedule") == read_anew.held("schedule")
        assert one.versions("schedule", DAYS) == read_anew.versions("schedule", DAYS)


def test_a_folder_that_has_just_changed_is_listed_again(root: Path, looks: dict[str, int]) -> None:
    """A second change within the same tick of the file system would not show."""
    store = RawStore(root)
    os.utime(root / "schedule")
    store.held("schedule")
    store.held("schedule")
    assert looks["listed"] == 2


def test_a_file_that_was_changed_in_place_has_another_version(root: Path) -> None:
    store = RawStore(root)
    store.held("schedule")
    store.path("schedule", DAYS[0]).write_text("rubbish\n")
    assert sorted(store.versions("schedule", DAYS)) == DAYS[1:4]
    assert RawStore(root).held("schedule")[DAYS[0]].sha256 == ""


@pytest.mark.parametrize("content", [b"", b"{", b"0 {}\n", b"\xff\n", None])
def test_a_damaged_note_is_done_without(root: Path, content: bytes | None) -> None:
    expected = RawStore(root).held("schedule")
    note = root / ".held.schedule.jsonl"
    note.write_bytes(note.read_bytes()[:-20] if content is None else content)
    assert RawStore(root).held("schedule") == expected == RawStore(root).held("schedule")


def test_a_note_that_is_mostly_outdated_is_written_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rawlist, "_OUTDATED", 3)
    note = root / ".held.schedule.jsonl"
    for points in range(5):
        fill(RawStore(root), DAYS[:4], points)
        assert {held.given for held in RawStore(root).held("schedule").values()} == {f"version {points}"}
    assert note.read_bytes().count(b"\n") <= 3


def test_lines_make_the_same_file_as_their_records(tmp_path: Path) -> None:
    day = DAYS[0]
    one, other = RawStore(tmp_path / "one"), RawStore(tmp_path / "other")
    assert one.fill_in("schedule", {day: records(day)}, source="x", fence=PlainFence(), given={}) == 1
    lines = one.path("schedule", day).read_bytes().partition(b"\n")[2]
    assert other.fill_in("schedule", {day: lines}, source="x", fence=PlainFence(), given={}) == 1
    assert other.path("schedule", day).read_bytes() == one.path("schedule", day).read_bytes()
    assert other.read("schedule", day) == records(day)
