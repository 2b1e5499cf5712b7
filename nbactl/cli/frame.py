"""All that touches Typer's internals: command classes, lazy loading, shared options.

A command costs what is run: the root imports the module of the noun that is called, and a group makes the one command
that is called. All others are known by name and summary, which is what help, completion and suggestions need.
The assumptions made here are tested in tests/unit/cli/test_typer_assumptions.py.
"""

from __future__ import annotations

import inspect
import re
from functools import cache, partial, update_wrapper
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer._click.globals import get_current_context
from typer._click.shell_completion import _resolve_context, _resolve_incomplete
from typer._coercion import resolve_type_descriptor
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import _get_params_name_from_function, _normalize_collection_value
from typer.models import OptionInfo

from nbactl.cli.coercion import PassedThrough, coercion_of
from nbactl.cli.options import PANEL, SHARED
from nbactl.cli.show.render import View, render
from nbactl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nbactl.cli.options import SharedOption
    from nbactl.cli.session import Session
    from nbactl.config.settings import Settings

    Function = Callable[..., View]
    Loader = Callable[[], Any]

_KINDS = {"text": str, "switch": bool, "level": int}
_PATHS = re.compile(r"\b(DIR|FILE|PATH)\b")
"""What is in the metavar of an argument or option that takes a file or folder."""
_EXAMPLES: dict[Function, tuple[str, ...]] = {}
"""The examples of each command, by its function."""
_DEFAULTS: dict[int, str] = {}
"""The default verbs, by the identity of their apps, which are never dropped."""
_CSV: set[Function] = set()
"""The commands that have -o csv, by their functions."""


@cache
def _shared_options() -> tuple[TyperOption, ...]:
    """Return the shared options; every command has the same ones."""
    return tuple(map(_shared_option, SHARED))


def _shared_option(option: SharedOption) -> TyperOption:
    def store(ctx: Any, param: Any, value: Any) -> Any:
        source = ctx.get_parameter_source(param.name)
        if source is not None and source.name == "COMMANDLINE" and not ctx.resilient_parsing:
            option.store(ctx.obj.flags, value)
        return value

    def complete(_ctx: Any, _words: list[str], incomplete: str) -> list[tuple[str, str] | str]:
        return [choice for choice in option.choices if choice.startswith(incomplete)]

    made = TyperOption(
        param_decls=[option.declarations[-1].strip("-").replace("-", "_"), *option.declarations],
        type_descriptor=resolve_type_descriptor(_KINDS[option.kind], OptionInfo()),
        default=None if option.kind == "text" else _KINDS[option.kind](),
        is_flag=option.kind == "switch",
        count=option.kind == "level",
        callback=store,
        expose_value=False,
        metavar=option.metavar,
        autocompletion=complete if option.choices else None,
        help=option.help,
        rich_help_panel=PANEL,
    )
    made._runtime_param = PassedThrough()  # type: ignore[assignment]  # noqa: SLF001 - the settings parse it
    return made


class _SharedBehaviour:
    """What commands and groups share: the shared options, our help, and that the session knows who is called."""

    params: list[Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_shared_options())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            ctx.obj.command = _dotted(ctx)
        return super().parse_args(ctx, args)  # type: ignore[misc, no-any-return]

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        option.callback = _show_help
        option._runtime_param = PassedThrough()  # noqa: SLF001 - a switch needs no coercion
        option.help = "Show this help and exit."
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from nbactl.cli.show.help import write_help  # noqa: PLC0415 - only help needs it

        write_help(self, ctx, formatter)


def _mask_reason(ctx: Any) -> None:
    """Take secrets out of `--reason` before it is kept: a pasted command line may hold one (invariant 28)."""
    if ctx.params.get("reason"):
        from nbactl.core.observe.masking import mask  # noqa: PLC0415 - few commands are given a reason

        ctx.params["reason"] = mask(ctx.params["reason"])


class Leaf(_SharedBehaviour, TyperCommand):
    """A command: returns a View that is rendered."""

    def __init__(self, name: str, function: Function, examples: Sequence[str]) -> None:
        self.examples = tuple(examples)
        self._has_csv = function in _CSV
        call, params = _callback_of(function)
        super().__init__(name=name, callback=call, params=params, help=inspect.getdoc(function), rich_markup_mode=None)

    def invoke(self, ctx: Any) -> int:
        session: Session = ctx.obj
        settings, _ = session.settings, session.fields  # refused before the command starts
        if settings.output == "csv" and not self._has_csv:
            raise UsageError(
                f"{session.command_line} has no CSV",
                cause=f"The output is set by {settings.origins['output']}.",
                next_step="Use -o table, wide, json, jsonl or yaml.",
            )
        _refuse_empty_values(ctx)
        _mask_reason(ctx)
        if not settings.utc:
            return self._run(ctx, session)
        from nbactl.cli.show.times import shown_in_utc  # noqa: PLC0415 - brings the zones

        with shown_in_utc():
            return self._run(ctx, session)

    def _run(self, ctx: Any, session: Session) -> int:
        if ctx.params.get("dry_run") is False:
            from nbactl.cli.audited import NOT_AUDITED, AuditedCall  # noqa: PLC0415 - only what changes something

            if session.command not in NOT_AUDITED:
                session.audited = AuditedCall(session, ctx.params.get("reason"))
        try:
            result = self._result(ctx, session)
        except (EOFError, BrokenPipeError) as error:
            # Typer takes these for an operator who went away; inside a command they are a bug like any other.
            raise RuntimeError(f"unexpected {type(error).__name__}: {error}") from error
        if not isinstance(result, View):
            raise TypeError(f"the command {session.command} returned {type(result).__name__}, not a View")
        if session.audited is not None:
            session.audited.end(result)
        return show_result(session, result)

    def _result(self, ctx: Any, session: Session) -> Any:
        try:
            return super().invoke(ctx)
        except BaseException as error:
            if session.audited is not None:
                session.audited.failed(error)
            raise


class Group(_SharedBehaviour, TyperGroup):
    """Commands under a noun, each made when it is called. `commands` holds a stub with name and summary for each."""

    examples: tuple[str, ...] = ()
    default: str | None = None
    """The verb of a call that names none."""

    def __init__(self, name: str | None, loaders: Mapping[str, tuple[TyperCommand, Loader]], **kwargs: Any) -> None:
        super().__init__(name=name, rich_markup_mode=None, suggest_commands=False, **kwargs)
        self._loaders = {verb: load for verb, (_, load) in loaders.items()}
        self.commands.update({verb: stub for verb, (stub, _) in loaders.items()})

    def load(self, name: str) -> Any:
        """Make the command and put it in place of its stub."""
        if name in self._loaders:
            self.commands[name] = self._loaders.pop(name)()
        return self.commands[name]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = (args[:1] and not args[0].startswith("-")) or any(word in self.commands for word in args)
        if self.default is not None and not named and not {"-h", "--help"} & set(args):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name and name in self.commands else command, rest


class CommandEntry(NamedTuple):
    """A noun that is imported when it is called: where it is, and what the overview says of it."""

    name: str
    module: str
    help: str
    panel: str

    def stub(self) -> TyperCommand:
        """Return the placeholder of the noun until it is called."""
        return TyperCommand(name=self.name, help=self.help, short_help=self.help, rich_help_panel=self.panel)

    def load(self) -> Any:
        """Import the noun and make its command or group."""
        command = _from_app(import_module(self.module).app, self.name)
        if isinstance(command, Group):
            command.help = self.help
        command.short_help, command.rich_help_panel = self.help, self.panel
        return command


def root_group(entries: Iterable[CommandEntry], callback: Callable[..., Any], *, examples: Sequence[str]) -> Group:
    """Return `nbactl` itself, with `callback` for a call without a command."""
    call, params = _callback_of(callback)
    root = Group(
        None,
        {entry.name: (entry.stub(), entry.load) for entry in entries},
        callback=call,
        params=params,
        help=inspect.getdoc(callback),
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.examples = tuple(examples)
    return root


def _callback_of(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[Any]]:
    """Return what Typer calls for `function`, and its parameters."""
    params, context_name = _get_params_name_from_function(function)
    for parameter in params:
        parameter._runtime_param = coercion_of(parameter)  # type: ignore[assignment]  # noqa: SLF001

    def call(**values: Any) -> Any:
        given = {param.name: _normalize_collection_value(param, values[param.name]) for param in params}
        return function(**given, **({context_name: get_current_context()} if context_name else {}))

    return update_wrapper(call, function), list(params)


def _from_app(app: typer.Typer, name: str) -> Any:
    """Return the command of an app, or the group of its commands."""
    if app.info.cls is not Group:
        (info,) = app.registered_commands
        return _leaf(info)
    loaders: dict[str, tuple[TyperCommand, Loader]] = {
        str(info.name): (TyperCommand(name=info.name, help=inspect.getdoc(info.callback)), partial(_leaf, info))
        for info in app.registered_commands
    }
    for inner in app.registered_groups:
        verb, summary = str(inner.name), str(inner.help)
        loaders[verb] = TyperCommand(name=verb, help=summary), partial(_subgroup, inner.typer_instance, verb, summary)
    found = Group(name, loaders, no_args_is_help=True)
    found.default = _DEFAULTS.get(id(app))
    return found


def _leaf(info: Any) -> Leaf:
    return Leaf(info.name, info.callback, _EXAMPLES[info.callback])


def _subgroup(app: Any, name: str, summary: str) -> Any:
    found = _from_app(app, name)
    found.help = summary
    return found


def _refuse_empty_values(ctx: Any) -> None:
    """Refuse `--date ""`: a variable of a script is not set, and the default is not what is meant."""
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name)
        if value == "" or (isinstance(value, (list, tuple)) and "" in value):
            raise UsageError(
                f"{parameter.get_error_hint()} was given an empty value",
                cause="A variable that is not set would look like this.",
                next_step="Give a value, or leave it out.",
            )


def _place(settings: Settings) -> str:
    from nbactl.cli.ask import place  # noqa: PLC0415 - it imports the commands' frame

    return place(settings)


def show_result(session: Session, result: View) -> int:
    """Render what a command returned; returns its exit code."""
    render(
        session.console,
        result,
        command=session.command,
        target=session.settings.target,
        output=session.settings.output,
        fields=session.fields,
        where=None if result.touched is None else _place(session.settings),
    )
    if result.after_output is not None:
        result.after_output()
    return result.exit_code


def single() -> typer.Typer:
    """Return the Typer app of a noun that is itself the command, such as `run`."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def group(default: str | None = None) -> typer.Typer:
    """Return the Typer app of a noun with verbs, such as `runs list`. Help lists them in the order of declaration.

    `default` is the verb of a call that names none.
    """
    app = typer.Typer(cls=Group, add_completion=False, rich_markup_mode=None)
    if default is not None:
        _DEFAULTS[id(app)] = default
    return app


def command(
    app: typer.Typer, name: str, *, examples: Sequence[str], csv: bool = False
) -> Callable[[Function], Function]:
    """Add the decorated function to `app` as the command `name`; each example is a whole command line.

    With `csv` its View has the lines of `-o csv`; another command refuses it before it starts.
    """

    def add(function: Function) -> Function:
        _EXAMPLES[function] = tuple(examples)
        if csv:
            _CSV.add(function)
        app.command(name)(function)
        return function

    return add


class Candidates(NamedTuple):
    """What a word may become, each with its meaning; `or_path` if it may also be a file or folder."""

    values: list[tuple[str, str]]
    or_path: bool


def candidates(root: Group, session: Session, before: Sequence[str], current: str) -> Candidates:
    """Return what the word `current` may become after the words `before`."""
    words = list(before)
    context = _resolve_context(root, {"obj": session}, "nbactl", words)
    if context._protected_args:  # noqa: SLF001 - not a command: nothing sensible can follow
        return Candidates([], or_path=False)
    found, incomplete = _resolve_incomplete(context, words, current)
    values = [(str(item.value), item.help or "") for item in found.shell_complete(context, incomplete)]
    return Candidates(values, or_path=bool(_PATHS.search(getattr(found, "metavar", None) or "")))


def find(root: Group, words: Sequence[str]) -> tuple[Any, Any] | None:
    """Return the command or group that `words` name, with a context to describe it in; None if there is none."""
    context = root.make_context("nbactl", [], resilient_parsing=True)
    command: Any = root
    for word in words:
        if word not in getattr(command, "commands", {}):
            return None
        command = command.load(word)
        context = command.make_context(word, [], parent=context, resilient_parsing=True)
    return command, context


def walk(root: Group) -> Iterator[tuple[Any, Any]]:
    """Yield the root and every command and group below it, each with a context to describe it in; makes them all."""
    yield from _below(root, "nbactl", None)


def _below(command: Any, name: str, parent: Any) -> Iterator[tuple[Any, Any]]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield command, context
    for verb in list(getattr(command, "commands", {})):
        yield from _below(command.load(verb), verb, context)


def _show_help(ctx: Any, _parameter: Any, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        session: Session = ctx.obj
        console, settings = session.console_for_errors(), session.settings_for_errors()
        if not settings.for_person:
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
