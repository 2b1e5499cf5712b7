"""The text of --help: what the command is for, examples, then its arguments and options."""

from __future__ import annotations

import inspect
import shutil
import textwrap
from typing import TYPE_CHECKING, Any, Final

from nbactl.cli.options import PANEL
from nbactl.cli.show.text import KEEP_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = tuple[str, str]

_HEADING = "\x1b[1;32m"
_NAME = "\x1b[1;36m"
_DIM = "\x1b[2m"
_RESET = "\x1b[0m"
_MAX_WIDTH = 110
_NAME_COLUMN = 30
_LEAST_ROOM = 20
GLOBAL_OPTIONS: Final = "Global options: run 'nbactl help options'."


def write_help(command: Any, ctx: Any, formatter: Any) -> None:
    """Write the help of a command or group, with colours if the session shows them on stdout."""
    color = ctx.obj is not None and ctx.obj.console_for_errors().out.color
    width = min(shutil.get_terminal_size().columns, _MAX_WIDTH)
    formatter.write(Help(command, ctx, width=width, color=color).text())


class Help:
    """The sections of one command's help."""

    def __init__(self, command: Any, ctx: Any, *, width: int, color: bool) -> None:
        self._command = command
        self._ctx = ctx
        self._width = width
        self._color = color

    def text(self) -> str:
        """Return the whole text."""
        summary, *description = inspect.cleandoc(self._command.help or "").split("\n\n")
        usage_line = f"{self._style('Usage:', _HEADING)} {self._style(usage(self._command, self._ctx), _NAME)}"
        sections = [
            self._wrap(summary),
            usage_line,
            *self._examples(),
            *map(self._wrap, description),
            *self._commands(),
            *self._parameters(),
            *self._foot(),
        ]
        return "\n\n".join(section.rstrip() for section in sections if section.strip()) + "\n"

    def _examples(self) -> Iterator[str]:
        examples = getattr(self._command, "examples", ())
        if examples:
            lines = "\n".join(f"  {self._style('$', _DIM)} {example}" for example in examples)
            yield f"{self._style('Examples:', _HEADING)}\n{lines}"

    def _commands(self) -> Iterator[str]:
        panels: dict[str, list[Row]] = {}
        for name, command in getattr(self._command, "commands", {}).items():
            if not command.hidden:
                panel = getattr(command, "rich_help_panel", None) or "Commands"
                panels.setdefault(panel, []).append((name, command.get_short_help_str(_MAX_WIDTH)))
        column = _column([row for rows in panels.values() for row in rows])
        for title, rows in panels.items():
            yield self._section(title, rows, column)

    def _parameters(self) -> Iterator[str]:
        panels: dict[str, list[Row]] = {"Arguments": []}
        for parameter in self._command.get_params(self._ctx):
            panel = parameter_panel(parameter)
            if not parameter.hidden and panel != PANEL:
                panels.setdefault(panel, []).append(parameter_row(parameter, self._ctx))
        panels["Options"] = panels.pop("Options")  # last: at least --help is there
        column = _column([row for rows in panels.values() for row in rows])
        for title, rows in panels.items():
            if rows:
                yield self._section(title, rows, column)

    def _foot(self) -> Iterator[str]:
        lines = [GLOBAL_OPTIONS]
        if getattr(self._command, "commands", None):
            lines.append(f"More about a command: run '{self._ctx.command_path} COMMAND --help'.")
        if self._ctx.parent is None:
            lines.append("Topics and guides: run 'nbactl help'.")
        yield "\n".join(self._style(line, _DIM) for line in lines)

    def _section(self, title: str, rows: list[Row], column: int) -> str:
        lines = [self._style(f"{title}:", _HEADING)]
        for name, text in rows:
            wrapped = textwrap.wrap(text, max(self._width - column - 2, _LEAST_ROOM), **KEEP_WORDS) or [""]
            if len(name) + 2 > column:
                lines.append(f"  {self._style(name, _NAME)}")
                wrapped.insert(0, "")
            else:
                lines.append(f"  {self._style(name, _NAME)}{' ' * (column - len(name))}{wrapped[0]}".rstrip())
            lines += [" " * (column + 2) + line for line in wrapped[1:]]
        return "\n".join(lines)

    def _wrap(self, paragraph: str) -> str:
        if paragraph.startswith((" ", "-")):
            return paragraph
        return textwrap.fill(" ".join(paragraph.split()), self._width, **KEEP_WORDS)

    def _style(self, text: str, style: str) -> str:
        return f"{style}{text}{_RESET}" if self._color else text


def _column(rows: list[Row]) -> int:
    """Return where meanings begin: after the longest name that is not excessively long."""
    return max((len(name) for name, _ in rows if len(name) <= _NAME_COLUMN), default=_NAME_COLUMN) + 2


def usage(command: Any, ctx: Any) -> str:
    """Return the line that shows how a command is called."""
    pieces = [ctx.command_path, "[OPTIONS]"]
    for parameter in command.get_params(ctx):
        if parameter.param_type_name == "argument" and not parameter.hidden:
            name = argument_name(parameter)
            pieces.append(
                name if parameter.required else f"[{name.removesuffix('...')}]" + "..." * name.endswith("...")
            )
    return " ".join([*pieces, "COMMAND ..."] if hasattr(command, "commands") else pieces)


def parameter_panel(parameter: Any) -> str:
    """Return the section that a parameter is listed in."""
    if parameter.rich_help_panel:
        return str(parameter.rich_help_panel)
    return "Arguments" if parameter.param_type_name == "argument" else "Options"


def argument_name(parameter: Any) -> str:
    """Return how an argument is written, such as NAME... for one or more."""
    name = parameter.metavar or str(parameter.display_name_raw).upper()
    return name.strip("[].") + ("..." if parameter.nargs != 1 else "")


def parameter_row(parameter: Any, ctx: Any) -> Row:
    """Return how a parameter is written, and what it means."""
    meaning = parameter.help or ""
    if parameter.param_type_name == "argument":
        name = argument_name(parameter)
    else:
        short = [name for name in parameter.opts if not name.startswith("--")]
        long = [name for name in parameter.opts if name.startswith("--")] + parameter.secondary_opts
        name = ", ".join([*short, "/".join(long)])
        name = name if short else f"    {name}"
        if not parameter.is_flag and not parameter.count:
            name += " " + (parameter.metavar or _kind(parameter, ctx))
    default = parameter.default
    if isinstance(parameter.show_default, str):
        meaning += f"  [default: {parameter.show_default}]"
    elif parameter.show_default and default not in (None, False, [], ()) and not callable(default):
        meaning += f"  [default: {getattr(default, 'value', default)}]"
    return name, meaning.strip()


def _kind(parameter: Any, ctx: Any) -> str:
    kind = str(parameter.display_type(ctx)).strip("<>")
    return kind if "|" in kind else kind.upper().replace("STR", "TEXT")
