from __future__ import annotations

import inspect
import re

import pytest

from nbactl.cli.app import COMMANDS, build
from nbactl.cli.frame import Group, Leaf
from nbactl.cli.help.reference import reference
from nbactl.cli.options import PANEL
from nbactl.config.settings import SETTINGS
from nbactl.config.variables import GIVEN, environment_variables
from nbactl.errors import EXIT_CODES
from tests.kit.cli_tree import LEAVES, TREE
from tests.kit.paths import ROOT

_SHARED = {
    *("--output", "--json", "--target", "--project", "--config-dir", "--state-dir", "--color", "--quiet", "--verbose"),
    *("--yes", "--no-input", "--debug", "--fields", "--utc"),
}


def test_every_entry_leads_to_its_command() -> None:
    groups = TREE.keys() - LEAVES.keys()
    assert {path for path in LEAVES if path.count(" ") == 1} | {path for path in groups if path.count(" ") < 2} == {
        "nbactl",
        *(f"nbactl {entry.name}" for entry in COMMANDS),
    }


@pytest.mark.parametrize(("path", "command"), LEAVES.items(), ids=LEAVES)
def test_every_command_is_of_the_house(path: str, command: Leaf) -> None:
    assert isinstance(command, Leaf)
    assert command.callback is not None
    function = inspect.unwrap(command.callback)
    assert not inspect.iscoroutinefunction(function), "Typer never awaits a command"
    assert inspect.get_annotations(function)["return"] == "View"
    assert command.help
    assert command.help.splitlines()[0].endswith("."), "the first line is a sentence"
    assert command.examples
    assert all(re.fullmatch(rf"([A-Z_]+=\S+ )*{path}( .*)?", example) for example in command.examples)
    assert {option for p in command.params if p.rich_help_panel == PANEL for option in p.opts} >= _SHARED
    own = [p for p in command.params if p.rich_help_panel != PANEL]
    assert all(parameter.help for parameter in own), "every argument and option says what it means"
    names = [name for p in command.params for name in [*p.opts, *p.secondary_opts]]
    assert len(names) == len(set(names)), "no option stands for two things"


@pytest.mark.parametrize("entry", COMMANDS, ids=[entry.name for entry in COMMANDS])
def test_the_overview_has_one_short_sentence_a_command(entry: object) -> None:
    text = getattr(entry, "help", "")
    assert re.fullmatch(r"[A-Z][^.]{8,62}\.", text), "it fits beside the name in 80 columns"


def test_the_reference_is_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == reference(), "run `make docs`"


def test_help_environment_names_every_variable_that_is_read() -> None:
    source = "\n".join(file.read_text() for file in sorted((ROOT / "nbactl").rglob("*.py")))
    named = set(re.findall(r"\bNBACTL_[A-Z_]+\b", source))
    # Timeouts have one variable each, which follows from the name.
    read = {name for name in named if not re.match("NBACTL_TIMEOUT_(?!NAME$)", name)}
    read |= {setting.variable for setting in SETTINGS}
    assert read == {name for name in environment_variables() if name.startswith("NBACTL_")} | set(GIVEN)


def test_every_exit_code_of_an_error_is_explained() -> None:
    source = "\n".join(file.read_text() for file in sorted((ROOT / "nbactl").rglob("*.py")))
    assert {int(code) for code in re.findall(r"exit_code: ClassVar\[int\] = (\d+)", source)} <= set(EXIT_CODES)


def test_a_group_makes_only_the_command_that_is_called() -> None:
    root = build()
    before = dict(root.commands)
    group = root.load("flags")
    assert all(root.commands[name] is before[name] for name in before if name != "flags")
    made = group.load("list")
    assert isinstance(made, Leaf)
    assert not any(isinstance(command, (Leaf, Group)) for name, command in group.commands.items() if name != "list")


@pytest.mark.parametrize(("path", "command"), LEAVES.items(), ids=LEAVES)
def test_every_option_is_coerced_without_pydantic(path: str, command: Leaf) -> None:
    left = [parameter.name for parameter in command.params if parameter._runtime_param is None]
    assert left == [], f"{path} would load pydantic"
