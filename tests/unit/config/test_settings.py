from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbactl.config.settings import SETTINGS, load_settings
from nbactl.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_every_layer_wins_over_the_one_below_and_is_named_as_the_origin(tmp_path: Path) -> None:
    (tmp_path / "nbactl.toml").write_text('# mine\ntarget = "gcp"\noutput = "json"\nproject = "p-file"\n')
    settings = load_settings({"output": "jsonl"}, {"NBACTL_PROJECT": "p-env", "NBACTL_OUTPUT": "table"}, tmp_path)
    assert (settings.output, settings.origins["output"]) == ("jsonl", "flag")
    assert (settings.project, settings.origins["project"]) == ("p-env", "env NBACTL_PROJECT")
    assert (settings.target, settings.origins["target"]) == ("gcp", "file nbactl.toml:2")
    assert (settings.color, settings.origins["color"]) == ("auto", "default")


def test_every_setting_has_an_origin(tmp_path: Path) -> None:
    settings = load_settings({}, {}, tmp_path)
    assert set(settings.origins) == {setting.name for setting in SETTINGS}
    assert set(settings.origins.values()) == {"default"}


def test_the_file_of_the_config_dir_goes_before_the_one_of_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "nbactl.toml").write_text('source = "here"\n')
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "nbactl.toml").write_text('source = "there"\nstate_dir = "state"\n')
    assert load_settings({}, {}, tmp_path).source == "here"
    settings = load_settings({"config_dir": str(tmp_path / "conf")}, {}, tmp_path)
    assert settings.source == "there"
    assert settings.state_dir == tmp_path / "conf" / "state"


def test_a_folder_with_a_name_too_long_has_no_settings_file(tmp_path: Path) -> None:
    assert load_settings({"config_dir": "x" * 5000}, {}, tmp_path).target == "local"


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    assert load_settings({}, {"NBACTL_TARGET": ""}, tmp_path).origins["target"] == "default"


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("Yes", True), ("off", False), ("0", False)])
def test_a_switch_in_the_environment(tmp_path: Path, text: str, *, expected: bool) -> None:
    assert load_settings({}, {"NBACTL_YES": text}, tmp_path).yes is expected


@pytest.mark.parametrize(
    ("environ", "color"), [({"NO_COLOR": "1"}, "never"), ({"FORCE_COLOR": "1"}, "always"), ({"NO_COLOR": ""}, "auto")]
)
def test_color_conventions(tmp_path: Path, environ: dict[str, str], color: str) -> None:
    assert load_settings({}, environ, tmp_path).color == color


@pytest.mark.parametrize(
    ("content", "message", "next_step"),
    [
        ('\ntarge = "gcp"\n', "nbactl.toml:2: unknown setting 'targe'", "Did you mean 'target'?"),
        ('target = "gpc"\n', "nbactl.toml:1: target: 'gpc' is not one of local, gcp", "Did you mean 'gcp'?"),
        ("verbosity = true\n", "nbactl.toml:1: verbosity: 'True' is not a level", "Give 0, 1 or 2."),
        ("project = 3\n", "nbactl.toml:1: project: '3' is not a text", "Give a text in quotes."),
        ('yes = "perhaps"\n', "nbactl.toml:1: yes: 'perhaps' is neither true nor false", "Give true or false."),
        (
            "[output]\nx = 1\n",
            "nbactl.toml:1: output: '{'x': 1}' is not a text",
            "Give table or wide or json or jsonl or yaml or csv.",
        ),
        (
            'query_ask_usd = "much"\n',
            "nbactl.toml:1: query_ask_usd: 'much' is not an amount of US dollars",
            "Give a number, such as 0.05.",
        ),
        ("target = \n", "nbactl.toml cannot be read", "Correct nbactl.toml."),
    ],
)
def test_inv_21_a_wrong_settings_file_is_refused_with_its_line(
    tmp_path: Path, content: str, message: str, next_step: str
) -> None:
    (tmp_path / "nbactl.toml").write_text(content)
    with pytest.raises(ConfigError) as refused:
        load_settings({}, {}, tmp_path)
    assert refused.value.message == message
    assert refused.value.next_step == next_step


def test_a_wrong_variable_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NBACTL_OUTPUT: 'xml' is not one of table, wide, json, jsonl, yaml"):
        load_settings({}, {"NBACTL_OUTPUT": "xml"}, tmp_path)


def test_a_command_adds_its_own_flag(tmp_path: Path) -> None:
    settings = load_settings({}, {"NBACTL_SOURCE": "path:a"}, tmp_path)
    assert settings.with_flag("source", None) is settings
    changed = settings.with_flag("source", "path:b")
    assert (changed.source, changed.origins["source"]) == ("path:b", "flag")
    with pytest.raises(UsageError):
        settings.with_flag("source", "")
