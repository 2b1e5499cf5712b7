"""The index of a folder's records: valid while the files are what they were, made again when it is not."""

from __future__ import annotations

import csv
import fcntl
import gzip
import os
import signal
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbactl.pipeline.sources import segments
from nbactl.pipeline.sources.digests import records_digest
from nbactl.pipeline.sources.path import PathSource
from nbactl.testing import faults
from tests.kit.records import DAY, game_payload, log_payload
from tests.kit.sources import parsed_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAYS = [DAY + timedelta(days=number) for number in range(4)]


def write(path: Path, *rows: dict[str, Any]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def log(day: date, player: str = "1", game: int = 1) -> dict[str, Any]:
    return log_payload(GAME_DATE=str(day), PLAYER_ID=player, GAME_ID=f"002230{DAYS.index(day):02}{game:02}")


def game(day: date, number: int = 1) -> dict[str, Any]:
    return game_payload(GAME_DATE=str(day), GAME_ID=f"2230{DAYS.index(day):02}{number:02}")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    write(folder / "a.csv", log(DAYS[0]), log(DAYS[1]), log(DAYS[1], "2"))
    write(folder / "b.csv", log(DAYS[1], "3"), log(DAYS[2]))
    write(folder / "games.csv", game(DAYS[0]), game(DAYS[3]))
    (folder / "notes.txt").write_text("nothing of ours")
    return folder


@pytest.fixture
def state(tmp_path: Path, files: Path) -> Path:
    state = tmp_path / "state"
    (state / PathSource("path:x", files).key).mkdir(parents=True)
    return state


def everything(source: PathSource) -> dict[str, Any]:
    days = source.game_dates(date.min, date.max)
    found: dict[str, Any] = {"notes": list(source.notes)}
    for dataset in ("schedule", "player_boxscores"):
        records = {day: list(source.collect(dataset, [day])) for day in days}
        assert source.versions(dataset, days) == {day: records_digest(of_day) for day, of_day in records.items()}
        found[dataset] = records
    return found


def indexed(files: Path, state: Path) -> dict[str, Any]:
    return everything(PathSource("path:x", files, state))


def fresh(files: Path) -> dict[str, Any]:
    return everything(PathSource("path:x", files))


def index_of(state: Path) -> Path:
    (found,) = state.glob("*/source_index")
    return found


def adds_a_date(files: Path) -> list[str]:
    write(files / "b.csv", log(DAYS[1], "3"), log(DAYS[2]), log(DAYS[3]))
    return ["b.csv"]


def adds_a_file(files: Path) -> list[str]:
    write(files / "c.csv.txt", log(DAYS[1], "4"))
    return ["c.csv.txt"]


def removes_a_file(files: Path) -> list[str]:
    (files / "b.csv").unlink()
    return []


def removes_the_games(files: Path) -> list[str]:
    (files / "games.csv").unlink()
    return []


def lists_a_game(files: Path) -> list[str]:
    """The game that only players' rows of another file knew of is now on the schedule, of another date."""
    write(files / "games.csv", game(DAYS[0]), {**game(DAYS[3]), "GAME_ID": "22300201"})
    return ["games.csv"]


def renames_a_file(files: Path) -> list[str]:
    (files / "a.csv").rename(files / "z.csv")
    return ["z.csv"]


def packs_a_file(files: Path) -> list[str]:
    (files / "a.csv").write_bytes(gzip.compress((files / "a.csv").read_bytes()))
    return ["a.csv"]


def turns_notes_into_data(files: Path) -> list[str]:
    write(files / "notes.txt", log(DAYS[3]))
    return ["notes.txt"]


@pytest.mark.parametrize(
    "change",
    [
        adds_a_date,
        adds_a_file,
        removes_a_file,
        removes_the_games,
        lists_a_game,
        renames_a_file,
        packs_a_file,
        turns_notes_into_data,
    ],
)
def test_after_a_change_only_what_changed_is_parsed_and_all_is_as_if_read_afresh(
    files: Path, state: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], list[str]]
) -> None:
    before = indexed(files, state)
    expected = change(files)
    parsed = parsed_files(monkeypatch)
    after = indexed(files, state)
    assert parsed == expected
    assert after == fresh(files)
    assert (after != before) is (change is not packs_a_file)
    assert len(list(index_of(state).glob("*.segment"))) == len(fresh_segments(files))


def fresh_segments(files: Path) -> list[str]:
    return [path.name for path in files.iterdir() if "ours" not in path.read_bytes().decode(errors="replace")]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def removed(path: Path) -> None:
    path.unlink()


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def first_byte(path: Path) -> None:
    path.write_bytes(b"\xff" + path.read_bytes()[1:])


@pytest.mark.parametrize("damage", [cut, emptied, removed, flipped, first_byte])
@pytest.mark.parametrize("which", ["index.json", "*.segment"])
def test_a_damaged_index_is_made_again(
    files: Path, state: Path, which: str, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = indexed(files, state)
    damage(min(index_of(state).glob(which)))
    assert indexed(files, state) == expected
    parsed = parsed_files(monkeypatch)
    assert indexed(files, state) == expected
    assert parsed == []


def test_a_digest_that_was_altered_in_the_manifest_is_not_believed(files: Path, state: Path) -> None:
    expected = indexed(files, state)
    manifest = index_of(state) / "index.json"
    digest = PathSource("path:x", files, state).versions("schedule", DAYS)[DAYS[0]]
    manifest.write_text(manifest.read_text().replace(digest, "0" * len(digest)))
    assert indexed(files, state) == expected


def in_a_child(work: Callable[[], object]) -> int:
    """Do something in another process, which ends with 0 if it succeeds; return the process."""
    if (child := os.fork()) == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("point", ["source_index.before_rename", "source_index.before_manifest"])
def test_inv_20_a_process_killed_while_it_writes_the_index_leaves_one_that_is_whole(
    files: Path, state: Path, point: str
) -> None:
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        with faults.calling(point, die):
            indexed(files, state)

    assert status_of(in_a_child(work)) == -signal.SIGKILL
    assert list(index_of(state).glob("*.new"))
    assert indexed(files, state) == fresh(files)
    assert sorted(path.suffix for path in index_of(state).iterdir()) == ["", ".json", *[".segment"] * 3]


def test_processes_that_read_the_files_at_once_find_the_same(files: Path, state: Path) -> None:
    expected = fresh(files)

    def work() -> None:
        assert indexed(files, state) == expected

    assert [status_of(child) for child in [in_a_child(work) for _ in range(4)]] == [0] * 4
    assert indexed(files, state) == expected


def test_nobody_waits_for_the_process_that_writes_the_index(files: Path, state: Path) -> None:
    folder = state / PathSource("path:x", files).key / "source_index"
    folder.mkdir()
    source = PathSource("path:x", files, state)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        expected = everything(source)
        assert not (folder / "index.json").exists()
    assert everything(source) == expected == fresh(files)
    assert (folder / "index.json").exists()


def test_what_was_read_before_there_was_a_state_folder_is_kept_as_soon_as_there_is_one(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = parsed_files(monkeypatch)
    state = tmp_path / "later"
    source = PathSource("path:x", files, state)
    expected = everything(source)
    (state / source.key).mkdir(parents=True)
    assert everything(source) == expected == indexed(files, state)
    assert len(parsed) == 4


def test_a_state_folder_that_cannot_be_written_is_done_without(files: Path, state: Path) -> None:
    (state / PathSource("path:x", files).key / "source_index").write_text("in the way")
    assert indexed(files, state) == fresh(files)


def test_a_file_of_any_size_and_order_is_read_in_parts(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(files / "b.csv", *(log(DAYS[number % 4], str(number), number % 3) for number in range(50)))
    expected = fresh(files)
    monkeypatch.setattr(segments, "_WAITING", 3)
    assert fresh(files) == expected


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4))
def test_a_payload_is_what_the_file_says_whatever_its_letters(tmp_path: Path, cells: list[tuple[str, str]]) -> None:
    rows = [log_payload(PLAYER_NAME=name, WL=other) for name, other in cells]
    write(tmp_path / "logs.csv", *rows)
    with (tmp_path / "logs.csv").open(newline="", encoding="utf-8") as file:
        expected = list(csv.DictReader(file))
    source = PathSource("path:x", tmp_path)
    found = list(source.collect("player_boxscores", [DAY]))
    assert [record.payload for record in found] == expected
    assert source.versions("player_boxscores", [DAY]) == {DAY: records_digest(found)}
