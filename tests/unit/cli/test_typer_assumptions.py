"""What cli/frame.py takes for granted about Typer's internals. A new Typer that breaks one breaks it here by name."""

from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer import main as typer_main
from typer._click import shell_completion
from typer._coercion import resolve_type_descriptor
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.models import OptionInfo


def _declare(name: Annotated[str, typer.Option("--name", "-n", help="A name.")] = "x", *, flag: bool = False) -> None:
    """Declare two options."""


def _command(function: object = _declare) -> TyperCommand:
    app = typer.Typer(add_completion=False)
    app.command()(function)  # type: ignore[type-var]
    command = typer_main.get_command(app)
    assert isinstance(command, TyperCommand)
    return command


def test_parameters_can_be_made_from_a_function() -> None:
    parameters, context_name = typer_main._get_params_name_from_function(_declare)
    assert [parameter.name for parameter in parameters] == ["name", "flag"]
    assert context_name is None
    assert parameters[0].opts == ["--name", "-n"]


def test_coercion_is_done_by_a_replaceable_object_made_when_first_needed() -> None:
    parameters, _ = typer_main._get_params_name_from_function(_declare)
    assert parameters[0]._runtime_param is None
    assert parameters[0].get_runtime_param() is parameters[0]._runtime_param


def test_parameters_may_be_added_after_the_command_was_made() -> None:
    command = _command()
    command.params.extend(typer_main._get_params_name_from_function(lambda other="y": other)[0])
    context = command.make_context("x", ["--other", "z"])
    assert context.params["other"] == "z"


def test_the_source_of_a_parameter_is_reported() -> None:
    command = _command()
    given = command.make_context("x", ["--name", "z"]).get_parameter_source("name")
    default = command.make_context("x", []).get_parameter_source("name")
    assert given is not None
    assert default is not None
    assert (given.name, default.name) == ("COMMANDLINE", "DEFAULT")


def test_a_command_returns_its_value_and_lets_errors_out() -> None:
    def answer() -> int:
        return 42

    def fail() -> None:
        raise LookupError

    assert _command(answer).main([], standalone_mode=False) == 42
    with pytest.raises(LookupError):
        _command(fail).main([], standalone_mode=False)


@pytest.mark.parametrize(
    ("words", "error"), [(["--nam", "z"], "NoSuchOption"), (["--name"], "BadOptionUsage"), (["z"], "UsageError")]
)
def test_usage_errors_are_typer_exceptions_with_names(words: list[str], error: str) -> None:
    with pytest.raises(typer.TyperException) as raised:
        _command().main(words, standalone_mode=False)
    assert type(raised.value).__name__ == error


def test_a_group_without_a_command_says_so_by_type() -> None:
    app = typer.Typer(add_completion=False, no_args_is_help=True)
    app.callback()(lambda: None)
    app.command("one")(_declare)
    group = typer_main.get_command(app)
    assert isinstance(group, TyperGroup)
    with pytest.raises(typer.TyperException) as raised:
        group.main([], standalone_mode=False)
    assert type(raised.value).__name__ == "NoArgsIsHelpError"


def test_a_parameter_knows_its_type() -> None:
    parameters, _ = typer_main._get_params_name_from_function(_declare)
    assert [parameter.type_descriptor.annotation for parameter in parameters] == [str, bool]


def test_an_option_can_be_made_without_a_function() -> None:
    option = TyperOption(
        param_decls=["quiet", "-q", "--quiet"],
        type_descriptor=resolve_type_descriptor(bool, OptionInfo()),
        default=False,
        is_flag=True,
    )
    command = TyperCommand(name="x", callback=lambda quiet: quiet, params=[option])
    assert command.main(["-q"], standalone_mode=False) is True


def test_names_of_the_help_option_are_inherited() -> None:
    app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.callback()(lambda: None)
    app.command("one")(_declare)
    group = typer_main.get_command(app)
    assert isinstance(group, TyperGroup)
    inner = group.commands["one"].make_context("one", [], parent=group.make_context("x", ["one"]))
    assert inner.help_option_names == ["-h", "--help"]


def test_the_help_option_has_a_callback_that_can_be_replaced() -> None:
    command = _command()
    option = command.get_help_option(command.make_context("x", []))
    assert option is not None
    assert option.is_eager
    assert option.callback is not None


def test_completion_resolves_a_context_and_what_stands_there() -> None:
    command = _command()
    context = shell_completion._resolve_context(command, {}, "x", ["--name"])
    assert context._protected_args == []
    found, incomplete = shell_completion._resolve_incomplete(context, ["--name"], "z")
    assert getattr(found, "name", None) == "name"
    assert incomplete == "z"
