"""All that touches Typer's internals: command classes, lazy loading, shared options.

The assumptions made here are tested in tests/unit/cli/test_typer_assumptions.py.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer._click.shell_completion import _resolve_context, _resolve_incomplete
from typer.core import TyperCommand, TyperGroup
from typer.main import _get_params_name_from_function, get_command

from nbactl.cli import options
from nbactl.cli.show.help import write_help
from nbactl.cli.show.render import View, render
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nbactl.cli.session import Session

    Function = Callable[..., View]


class _AsGiven:
    """Stands in for Typer's coercion, which loads pydantic: the settings parse these values, whatever their layer."""

    def coerce(self, value: Any, *, param: Any, ctx: Any) -> Any:  # noqa: ARG002 - Typer's signature
        return value


def _shared_parameters() -> list[Any]:
    parameters, _ = _get_params_name_from_function(options.shared)
    for parameter in parameters:
        parameter._runtime_param = _AsGiven()  # type: ignore[assignment]  # noqa: SLF001
    return list(parameters)


class _House:
    """What commands and groups share: the shared options, our help, and the session knowing who speaks."""

    params: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_shared_parameters())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            ctx.obj.command = _dotted(ctx)
        return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        option.callback = _show_help
        option._runtime_param = _AsGiven()  # noqa: SLF001 - as in _shared_parameters
        option.help = "Show this help and exit."
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        write_help(self, ctx, formatter)


class Leaf(_House, TyperCommand):
    """A command: returns a View that is rendered."""

    examples: tuple[str, ...] = ()

    def invoke(self, ctx: Any) -> int:
        session: Session = ctx.obj
        _ = session.settings  # refused before the command starts
        _refuse_empty_values(ctx)
        try:
            result = super().invoke(ctx)
        except (EOFError, BrokenPipeError) as error:
            # Typer takes these for an operator who went away; inside a command they are a bug like any other.
            raise RuntimeError(f"unexpected {type(error).__name__}: {error}") from error
        if not isinstance(result, View):
            raise TypeError(f"the command {session.command} returned {type(result).__name__}, not a View")
        return show_result(session, result)


class Group(_House, TyperGroup):
    """Commands under a noun."""


class Entry(NamedTuple):
    """A command that is imported when it is used: where it is, and what the overview says of it."""

    name: str
    module: str
    help: str
    panel: str


class LazyGroup(Group):
    """The root: knows its commands by name and imports the one that is called."""

    table: Mapping[str, Entry] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for entry in self.table.values():
            self.commands[entry.name] = TyperCommand(
                name=entry.name, help=entry.help, short_help=entry.help, rich_help_panel=entry.panel
            )

    def load(self, name: str) -> Any:
        """Import the module of a command and put the command in place of its entry."""
        entry = self.table[name]
        command = get_command(import_module(entry.module).app)
        command.name = name
        if isinstance(command, Group):
            command.help = entry.help
        command.short_help, command.rich_help_panel = entry.help, entry.panel  # type: ignore[attr-defined]
        self.commands[name] = command
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name is not None and name in self.table else command, rest


def _refuse_empty_values(ctx: Any) -> None:
    """Refuse `--date ""`: the variable in somebody's script is not set, and no default is what they meant."""
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name)
        if value == "" or (isinstance(value, list) and "" in value):
            raise UsageError(
                f"{parameter.get_error_hint()} was given an empty value",
                cause="A variable that is not set would look like this.",
                next_step="Give a value, or leave it out.",
            )


def show_result(session: Session, result: View) -> int:
    """Render what a command returned; returns its exit code."""
    render(
        session.console,
        result,
        command=session.command,
        target=session.settings.target,
        output=session.settings.output,
    )
    if result.once_told is not None:
        result.once_told()
    return result.exit_code


def single() -> typer.Typer:
    """Return the Typer app of a noun that is itself the command, such as `run`."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def group() -> typer.Typer:
    """Return the Typer app of a noun with verbs, such as `runs list`."""
    app = typer.Typer(cls=Group, add_completion=False, rich_markup_mode=None, no_args_is_help=True)
    app.callback()(lambda: None)
    return app


def command(app: typer.Typer, name: str, *, examples: Sequence[str]) -> Callable[[Function], Function]:
    """Add the decorated function to `app` as the command `name`; each example is a whole command line."""

    def add(function: Function) -> Function:
        leaf = type("Leaf", (Leaf,), {"examples": tuple(examples)})
        app.command(name, cls=leaf)(function)
        return function

    return add


def candidates(root: Any, session: Session, before: Sequence[str], current: str) -> list[tuple[str, str]]:
    """Return what the word `current` may become after the words `before`, each with its meaning."""
    words = list(before)
    context = _resolve_context(root, {"obj": session}, "nbactl", words)
    if context._protected_args:  # noqa: SLF001 - a word that is no command: nothing sensible can follow
        return []
    found, incomplete = _resolve_incomplete(context, words, current)
    return [(str(item.value), item.help or "") for item in found.shell_complete(context, incomplete)]


def find(root: Any, words: Sequence[str]) -> tuple[Any, Any] | None:
    """Return the command or group that `words` name, with a context to describe it in; None if there is none."""
    context = root.make_context("nbactl", [], resilient_parsing=True)
    command = root
    for word in words:
        if word not in getattr(command, "commands", {}):
            return None
        command = root.load(word) if command is root else command.commands[word]
        context = command.make_context(word, [], parent=context, resilient_parsing=True)
    return command, context


def walk(root: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the root and every command and group below it, each with a context to describe it in; imports them all."""
    context = root.make_context("nbactl", [], resilient_parsing=True)
    yield root, context
    for name in root.table:
        yield from _below(root.load(name), name, context)


def _below(command: Any, name: str, parent: Any) -> Iterator[tuple[Any, Any]]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield command, context
    for verb, found in getattr(command, "commands", {}).items():
        yield from _below(found, verb, context)


def _show_help(ctx: Any, _parameter: Any, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        session: Session = ctx.obj
        console, settings = session.console_for_errors(), session.settings_for_errors()
        if settings.output != "table":
            ctx.obj = None  # no colours inside JSON
        text = f"{ctx.get_help()}\n"
        result = View({"text": text}, lambda console: console.out.write(text))
        render(console, result, command=_dotted(ctx), target=settings.target, output=settings.output)
        ctx.exit()


def _dotted(ctx: Any) -> str:
    names = []
    while ctx.parent is not None:
        names.append(ctx.info_name)
        ctx = ctx.parent
    return ".".join(reversed(names)) or "nbactl"
