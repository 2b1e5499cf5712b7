"""The cached configuration answers for the very same files only, and never in a way that the files would not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbactl.config import cache
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.errors import ConfigError
from tests.kit.config_files import edit, small_config
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.config.loader import Config


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache directory, which is still missing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nbactl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    return small_config(tmp_path / "config")


def _same(one: Config, other: Config) -> bool:
    return (one.workflows, one.timeouts, one.flags, one.variables) == (
        other.workflows,
        other.timeouts,
        other.flags,
        other.variables,
    )


def _file(kept: Path) -> Path:
    (file,) = kept.iterdir()
    return file


def _refuse_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the YAML files were read")

    monkeypatch.setattr("nbactl.config.loader._read", read)


def _stored(folder: Path) -> bool:
    return cache.ConfigCache({"workflows": folder / "workflows.yaml", "timeouts": folder / "timeouts.yaml",
                              "flags": folder / "flags.yaml"}, {}).load() is not None  # fmt: skip


def test_the_second_call_reads_no_yaml_and_gets_the_same(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_config(shipped_config_dir(), {})
    assert _file(kept).stat().st_mode & 0o077 == 0
    _refuse_reading(monkeypatch)
    assert _same(load_config(shipped_config_dir(), {}), first)


def test_a_copy_in_another_folder_gets_the_same_answer(
    kept: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_config(folder, {})
    assert kept.is_dir()
    copy = shutil.copytree(folder, tmp_path / "copy")
    _refuse_reading(monkeypatch)
    second = load_config(copy, {})
    assert (second.workflows, second.files["workflows"]) == (first.workflows, copy / "workflows.yaml")


def test_inv_21_a_typo_is_refused_although_the_right_file_is_cached(kept: Path, folder: Path) -> None:
    load_config(folder, {})
    assert _file(kept).is_file()
    edit(folder, "workflows.yaml", "timeout: task.fetch", "timout: task.fetch")
    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            load_config(folder, {})
        assert "workflows.yaml:10:5: unknown key 'timout' in tasks.fetch. Did you mean 'timeout'?" in str(
            caught.value.cause
        )


@pytest.mark.parametrize("file", ["workflows.yaml", "timeouts.yaml", "flags.yaml"])
def test_a_change_of_any_file_counts_at_once(kept: Path, folder: Path, file: str) -> None:
    load_config(folder, {})
    path = folder / file
    path.write_text(path.read_text() + "# a comment\n")
    assert not _stored(folder)
    assert kept.is_dir()


def test_variables_of_timeouts_have_answers_of_their_own(kept: Path) -> None:
    shipped = shipped_config_dir()
    plain = load_config(shipped, {}).timeouts["warehouse.query"]
    assert load_config(shipped, {"NBACTL_TIMEOUT_WAREHOUSE_QUERY": "90s"}).timeouts["warehouse.query"] == 90.0
    again = load_config(shipped, {"NBACTL_TIMEOUT_WAREHOUSE_QUERY": "90s"})
    assert again.timeouts["warehouse.query"] == 90.0
    assert again.variables == {"warehouse.query": "NBACTL_TIMEOUT_WAREHOUSE_QUERY"}
    assert load_config(shipped, {}).timeouts["warehouse.query"] == plain
    assert kept.is_dir()


@pytest.mark.parametrize("keep", [0, 1, 100, -200, -1])
def test_a_truncated_cache_is_ignored_and_written_again(kept: Path, folder: Path, keep: int) -> None:
    first = load_config(folder, {})
    whole = _file(kept).read_text()
    _file(kept).write_text(whole[:keep])
    assert not _stored(folder)
    assert _same(load_config(folder, {}), first)
    assert _file(kept).read_text() == whole


@pytest.mark.parametrize("answer", ["[]", "{}", "null", '[{"map": []}, 1, 2, {"map": []}]', '[{"os.system": ["x"]}]'])
def test_an_answer_of_another_shape_is_ignored(kept: Path, folder: Path, answer: str) -> None:
    load_config(folder, {})
    key, _, _ = _file(kept).read_text().partition("\n")
    _file(kept).write_text(f"{key}\n{answer}")
    assert not _stored(folder)


def test_the_cache_of_another_version_is_ignored(kept: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_config(folder, {})
    assert _stored(folder)
    monkeypatch.setattr(cache, "__version__", "0.0.0")
    assert not _stored(folder)
    assert kept.is_dir()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_cache_that_others_may_write_is_not_believed(kept: Path, folder: Path, mode: int) -> None:
    load_config(folder, {})
    _file(kept).chmod(mode)
    assert not _stored(folder)
    load_config(folder, {})
    assert _file(kept).stat().st_mode & 0o022 == 0, "it is replaced by one of our own"


def test_a_link_in_place_of_the_cache_is_not_followed(kept: Path, folder: Path, tmp_path: Path) -> None:
    load_config(folder, {})
    file = _file(kept)
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    assert not _stored(folder)
    load_config(folder, {})
    assert not file.is_symlink()


@pytest.mark.parametrize("obstacle", ["a file in its place", "no home"])
def test_without_a_place_for_it_the_files_are_read_each_time(
    kept: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    if obstacle == "no home":
        monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    else:
        kept.parent.mkdir()
        kept.write_text("in the way")
    for _ in range(2):
        assert list(load_config(folder, {}).workflows.phases) == ["first", "second"]


def test_what_a_killed_process_left_is_no_obstacle(kept: Path, folder: Path) -> None:
    kept.mkdir(parents=True)
    name = f".config-{'0' * 8}.json.{os.getpid()}"
    (kept / name).write_text("half an ans")
    load_config(folder, {})
    assert _stored(folder)


def test_only_the_newest_are_kept(kept: Path, folder: Path) -> None:
    for number in range(20):
        load_config(folder, {"NBACTL_TIMEOUT_WAREHOUSE_QUERY": f"{number + 1}m"})
    assert len(list(kept.iterdir())) == 16


def test_two_processes_at_once_leave_a_whole_one(kept: Path, folder: Path) -> None:
    program = (
        f"from pathlib import Path; from nbactl.config.loader import load_config; load_config(Path({str(folder)!r}))"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(kept.parent)}
    processes = [subprocess.Popen([sys.executable, "-c", program], env=env) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert _stored(folder)
    assert len(list(kept.iterdir())) == 1


def test_positions_are_there_although_the_answer_was_cached(kept: Path, folder: Path) -> None:
    load_config(folder, {})
    assert _stored(folder)
    assert load_config(folder, {}).positions["workflows"].key(("phases", "first")) == (29, 3)
    assert kept.is_dir()
