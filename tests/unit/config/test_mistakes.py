"""Every kind of mistake is refused at load, with its place and, where one is likely, with what was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.loader import load_config, load_yaml
from nbactl.config.problems import Problem
from nbactl.errors import ConfigError
from tests.kit.config_files import edit, problems, small_config
from tests.kit.paths import DATA

if TYPE_CHECKING:
    from pathlib import Path

MISTAKES, _ = load_yaml(DATA / "config_mistakes.yaml")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: f"{each['file']}: {each['now'] or each['was']}")
def test_inv_21_a_mistake_is_refused_with_its_place(tmp_path: Path, mistake: dict[str, Any]) -> None:
    folder = small_config(tmp_path)
    edit(folder, mistake["file"], mistake["was"], mistake["now"])
    assert problems(folder) == list(mistake["says"])


def test_the_small_files_have_no_problem(tmp_path: Path) -> None:
    assert problems(small_config(tmp_path)) == []


def test_inv_21_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    folder = small_config(tmp_path)
    edit(folder, "workflows.yaml", "retry: scraper", "retry: scrapper\n    tmeout: 3s")
    edit(folder, "workflows.yaml", "needs: [fetch]", "needs: [fech]")
    edit(folder, "timeouts.yaml", "attempts: 5", "attempts: five")
    edit(folder, "flags.yaml", "env: MODEL", "env: MODEL\n    env: OTHER")
    assert problems(folder) == [
        "flags.yaml:25:5: 'env' is given again, first in line 24.",
        "timeouts.yaml:4:23: retry_policies.scraper.attempts is 'five': must be a whole number.",
        "workflows.yaml:11:12: 'scrapper' is not under retry_policies in timeouts.yaml. Did you mean 'scraper'?",
        "workflows.yaml:12:5: unknown key 'tmeout' in tasks.fetch. Did you mean 'timeout'?",
        "workflows.yaml:38:31: 'fech' is not in the tasks of first. Did you mean 'fetch'?",
    ]


def test_problems_are_data_for_programs(tmp_path: Path) -> None:
    folder = small_config(tmp_path)
    edit(folder, "workflows.yaml", "retry: scraper", "retry: scrapper")
    with pytest.raises(ConfigError) as caught:
        load_config(folder)
    [found] = caught.value.details["problems"]
    assert Problem(**found) == Problem(
        f"{folder}/workflows.yaml",
        11,
        12,
        f"'scrapper' is not under retry_policies in {folder}/timeouts.yaml",
        "Did you mean 'scraper'?",
    )


@pytest.mark.parametrize("name", ["workflows.yaml", "timeouts.yaml", "flags.yaml"])
def test_a_missing_file_is_a_problem_like_any_other(tmp_path: Path, name: str) -> None:
    folder = small_config(tmp_path)
    (folder / name).unlink()
    assert problems(folder) == [f"{name}:1:1: the file cannot be read: no such file or directory."]


@pytest.mark.parametrize("name", ["workflows.yaml", "timeouts.yaml", "flags.yaml"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, name: str) -> None:
    folder = small_config(tmp_path)
    (folder / name).write_text("- 1\n")
    assert problems(folder) == [f"{name}:1:1: the file is a list: must be a mapping."]


def test_the_working_directory_counts_only_if_workflows_yaml_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "morning_operations" in load_config().workflows.workflows
    small_config(tmp_path)
    config = load_config()
    assert list(config.workflows.phases) == ["first", "second"]
    assert config.files["flags"] == tmp_path / "flags.yaml"
    assert config.positions["workflows"].key(("phases", "first")) == (29, 3)


def test_a_folder_that_is_given_wins_and_is_not_mixed_with_others(tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    small_config(folder)
    assert list(load_config(folder).workflows.phases) == ["first", "second"]
    with pytest.raises(ConfigError, match="3 problems"):
        load_config(tmp_path / "nowhere")
