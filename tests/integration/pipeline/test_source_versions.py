"""What sources say of the state of their data, and that phase 1 records the same."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest

from nbactl.errors import DataError
from nbactl.pipeline.sources import open_source
from nbactl.pipeline.sources import path as path_source
from nbactl.pipeline.sources.base import Dataset
from nbactl.pipeline.sources.digests import records_digest
from nbactl.testing import FakeClock
from tests.kit.pipeline import Pipeline
from tests.kit.records import DAY, game_payload, log_payload
from tests.kit.sources import parsed_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.pipeline.sources.path import PathSource

NEXT = DAY + timedelta(days=1)
DAYS = [DAY, NEXT, NEXT + timedelta(days=1)]


def table(*rows: dict[str, Any]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n"


LOGS = [log_payload(), log_payload(PLAYER_NAME="Robert Sample", PLAYER_ID="7"), log_payload(GAME_DATE=str(NEXT))]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "games.csv").write_text(table(game_payload()))
    (folder / "logs.csv").write_text(table(*LOGS))
    return folder


@pytest.fixture
def state(tmp_path: Path, files: Path) -> Path:
    state = tmp_path / "state"
    (state / open_source(f"path:{files}", FakeClock()).key).mkdir(parents=True)
    return state


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file that was parsed."""
    return parsed_files(monkeypatch)


def opened(files: Path, state: Path | None = None) -> PathSource:
    source = open_source(f"path:{files}", FakeClock(), state=state)
    assert isinstance(source, path_source.PathSource)
    return source


def versions(files: Path, state: Path | None = None) -> dict[tuple[str, date], str]:
    source = opened(files, state)
    datasets: tuple[Dataset, ...] = ("schedule", "player_boxscores")
    return {(dataset, day): digest for dataset in datasets for day, digest in source.versions(dataset, DAYS).items()}


def test_every_date_has_a_version_of_the_records_it_has(files: Path) -> None:
    source = opened(files)
    for dataset in ("schedule", "player_boxscores"):
        for day in DAYS:
            assert source.versions(dataset, [day]) == {day: records_digest(source.collect(dataset, [day]))}
    found = versions(files)
    assert found["player_boxscores", DAY] != found["player_boxscores", NEXT]
    assert found["player_boxscores", DAYS[2]] == found["schedule", DAYS[2]] == records_digest(())
    assert opened(files).versions("injuries", [DAY]) == {DAY: records_digest(())}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda files: (files / "logs.csv").write_text(table(*reversed(LOGS[:2]), LOGS[2])), id="order"),
        pytest.param(lambda files: (files / "logs.csv").write_text(table(*LOGS[1:])), id="a row less"),
        pytest.param(lambda files: (files / "logs.csv").write_text(table(*LOGS[:2], *LOGS[1:])), id="a row twice"),
        pytest.param(
            lambda files: (files / "logs.csv").write_text(table(*LOGS).replace("Robert", "robert")), id="cell"
        ),
        pytest.param(lambda files: (files / "more.csv").write_text(table(LOGS[0])), id="a file more"),
    ],
)
def test_a_change_of_a_dates_records_is_a_change_of_its_version(
    files: Path, state: Path, change: Callable[[Path], object]
) -> None:
    before = versions(files, state)
    change(files)
    after = versions(files, state)
    assert {key for key in before if before[key] != after[key]} == {("player_boxscores", DAY)}
    assert after == versions(files)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda files: (files / "logs.csv").touch(), id="touched"),
        pytest.param(lambda files: (files / "logs.csv").rename(files / "renamed.csv"), id="renamed"),
        pytest.param(
            lambda files: (files / "logs.csv").write_bytes(gzip.compress((files / "logs.csv").read_bytes())),
            id="packed",
        ),
        pytest.param(lambda files: (files / "logs.csv").write_text(table(LOGS[2], *LOGS[:2])), id="other date first"),
        pytest.param(lambda files: (files / "notes.txt").write_text("nothing of ours"), id="another file"),
        pytest.param(
            lambda files: (files / "logs.csv").write_text(table(*LOGS, log_payload(GAME_DATE=str(DAYS[2])))),
            id="a date",
        ),
    ],
)
def test_what_leaves_the_records_of_a_date_alone_leaves_its_version(
    files: Path, state: Path, change: Callable[[Path], object]
) -> None:
    before = versions(files, state)
    change(files)
    after = versions(files, state)
    assert [key for key in before if before[key] != after[key]] in ([], [("player_boxscores", DAYS[2])])
    assert after == versions(files)


def test_files_that_did_not_change_are_not_parsed_again(files: Path, state: Path, parsed: list[str]) -> None:
    before = versions(files, state)
    assert parsed == ["games.csv", "logs.csv"]
    source = opened(files, state)
    assert versions(files, state) == before
    assert source.latest() == NEXT
    assert source.game_dates(date.min, date.max) == [DAY, NEXT]
    assert source.notes == []
    assert len(list(source.collect("schedule", [DAY]))) == 1
    assert len(parsed) == 2


def test_files_with_the_same_bytes_are_not_parsed_again(files: Path, state: Path, parsed: list[str]) -> None:
    before = versions(files, state)
    (files / "copy").write_bytes((files / "logs.csv").read_bytes())
    (files / "copy").replace(files / "logs.csv")
    os.utime(files / "games.csv", (1, 1))
    assert versions(files, state) == before
    assert len(parsed) == 2


def test_a_change_that_keeps_size_and_time_is_seen(files: Path, state: Path) -> None:
    logs = files / "logs.csv"
    os.utime(logs, (1, 1))
    before = versions(files, state)
    logs.write_text(logs.read_text().replace("Trae", "Tray"))
    os.utime(logs, (1, 1))
    assert versions(files, state) != before


def kept(state: Path) -> Path:
    (found,) = state.glob("*/source_index/index.json")
    return found


def test_a_file_that_is_old_enough_is_not_even_read(files: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = versions(files, state)
    later = time.time() + 60  # as if it was noted long after the files were written
    os.utime(kept(state), (later, later))
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert versions(files, state) == before


def test_a_file_that_was_written_just_before_it_was_noted_is_read_to_be_sure(
    files: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = versions(files, state)
    read: list[str] = []
    digest = hashlib.file_digest

    def noted(file: Any, name: str) -> Any:
        read.append(file.name)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    assert versions(files, state) == before
    assert sorted(read) == [str(files / "games.csv"), str(files / "logs.csv")]


def test_digests_that_other_code_made_are_made_again(files: Path, state: Path, parsed: list[str]) -> None:
    before = versions(files, state)
    changed = json.loads(kept(state).read_text().partition("\n")[2]) | {"code": "of another version"}
    text = json.dumps(changed)
    kept(state).write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
    for segment in kept(state).parent.glob("*.segment"):
        segment.rename(segment.with_name(f"another-{segment.name}"))
    assert versions(files, state) == before
    assert len(parsed) == 4
    assert len(list(kept(state).parent.glob("*.segment"))) == 2


def test_nothing_is_made_where_there_is_no_state_yet(files: Path, tmp_path: Path) -> None:
    versions(files, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_broken_file_is_named_however_often_it_is_asked_for(files: Path, state: Path) -> None:
    versions(files, state)
    (files / "logs.csv").write_text("\x00")
    (files / "logs.json").write_text("{")
    for _ in range(2):
        with pytest.raises(DataError, match=r"logs\.\w+:1 was not taken"):
            versions(files, state)


def test_a_single_file_is_a_source_too(files: Path, state: Path) -> None:
    one = opened(files / "logs.csv", state)
    (state / one.key).mkdir()
    first = one.versions("player_boxscores", [DAY])
    assert opened(files / "logs.csv", state).versions("player_boxscores", [DAY]) == first


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pipeline]:
    files: Path = request.getfixturevalue("files")
    spec = "sample" if request.param == "sample" else f"path:{files}"
    lab = Pipeline(tmp_path, open_source(spec, FakeClock()))
    yield lab
    lab.warehouse.close()


@pytest.mark.parametrize(("lab", "day"), [("sample", date(2024, 10, 22)), ("path", DAY)], indirect=["lab"])
def test_phase_1_records_the_version_that_the_source_gives(lab: Pipeline, day: date) -> None:
    for dataset in get_args(Dataset):
        found = lab.run("collect", day, dataset=dataset).versions
        assert found is not None
        assert found.reads == {f"source:{dataset}": lab.source.versions(dataset, [day])[day]}
        assert found.writes == {f"raw:{dataset}": lab.raw.versions(dataset, [day])[day]}


class Server:
    """A source that would have to ask a server."""

    name = key = "server"
    has_history = False
    notes: tuple[str, ...] = ()

    def __init__(self, files: PathSource) -> None:
        self._files = files
        self.datasets, self.latest, self.game_dates = files.datasets, files.latest, files.game_dates
        self.collect = files.collect

    def versions(self, _dataset: Dataset, _days: object) -> dict[date, str]:
        return {}


def test_the_answer_of_a_server_has_the_version_of_its_rows(tmp_path: Path, files: Path) -> None:
    lab = Pipeline(tmp_path, Server(opened(files)))
    found = lab.run("collect", DAY, dataset="player_boxscores").versions
    assert found is not None
    given = opened(files).versions("player_boxscores", [DAY])[DAY]
    assert found.reads == {"source:player_boxscores": given}
    lab.warehouse.close()


def test_the_sample_has_another_version_when_it_is_made_in_another_way() -> None:
    """If this fails, the synthetic season has changed: raise GENERATOR, so that finished dates are made again."""
    source = open_source("sample", FakeClock())
    days = source.game_dates(date.min, date.max)
    made = {dataset: records_digest(source.collect(dataset, days[:3])) for dataset in get_args(Dataset)}
    assert (source.versions("schedule", days[:1]), hashlib.sha256(repr(made).encode()).hexdigest()[:16]) == (
        {days[0]: "nbactl sample season 1:1"},
        "af195c4fb943d0f2",
    )


def test_collecting_a_date_does_not_compare_the_past_a_second_time(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(*_: object) -> list[date]:
        raise AssertionError("the past was compared again")

    monkeypatch.setattr("nbactl.pipeline.versions.unlike_source", compare)
    lab = Pipeline(tmp_path / "lab", opened(files))
    assert lab.run("collect", DAY, dataset="player_boxscores").rows
    lab.warehouse.close()
