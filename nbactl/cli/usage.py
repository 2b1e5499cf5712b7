"""Typer's complaints in our words: what is wrong, what was meant, where to read more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.core._support.names import closest
from nbactl.errors import UsageError

if TYPE_CHECKING:
    import typer


def as_usage_error(error: typer.TyperException, command: str) -> UsageError:
    """Return the error as ours, with a suggestion for a misspelt command, option or choice.

    `command` is the command line's, `nbactl runs list`: not every error of Typer knows it.
    """
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context is not None else command
    message = error.format_message()
    meant = None
    if type(error).__name__ == "NoArgsIsHelpError" or message == "Missing command.":
        verbs = ", ".join(context.command.commands)
        return UsageError(f"'{path}' needs a command: {verbs}", next_step=f"Run '{path} --help'.")
    if (option := getattr(error, "option_name", None)) and type(error).__name__ == "NoSuchOption":
        message = f"No such option '{option}'"
        meant = closest(option, _options(context))
    elif message.startswith("No such command") and context is not None:
        name = message.split("'")[1]
        message = f"No such command '{path} {name}'"
        meant = closest(name, context.command.commands)
    elif (choices := _choices(error)) and (given := _given(error)) is not None:
        message = f"{error.param.get_error_hint()}: '{given}' is not one of {', '.join(choices)}"  # type: ignore[attr-defined]
        meant = closest(given, choices)
    help_line = f"Run '{path} --help'."
    return UsageError(message, next_step=f"Did you mean '{meant}'? {help_line}" if meant else help_line)


def _options(context: Any) -> list[str]:
    return [name for parameter in context.command.get_params(context) for name in parameter.opts]


def _choices(error: Any) -> list[str]:
    descriptor = getattr(getattr(error, "param", None), "type_descriptor", None)
    return [str(getattr(choice, "value", choice)) for choice in (descriptor.choices or ())] if descriptor else []


def _given(error: BaseException) -> str | None:
    """Find the refused value in the pydantic error behind Typer's."""
    errors = getattr(error.__cause__, "errors", None)
    found = errors()[0].get("input") if errors else None
    return found if isinstance(found, str) else None
