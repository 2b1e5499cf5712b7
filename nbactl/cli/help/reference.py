"""docs/reference.md, made from the command tree: `python -m nbactl.cli.help.reference [--check] FILE`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbactl.cli import options
from nbactl.cli.app import build
from nbactl.cli.frame import walk
from nbactl.cli.help.topics import TOPICS
from nbactl.cli.show.help import parameter_panel, parameter_row, usage
from nbactl.config.variables import environment_variables
from nbactl.errors import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# Command reference

Made from the commands themselves by `make docs`; a test compares it. `nbactl COMMAND --help` says the same.
"""


def reference() -> str:
    """Return the whole page."""
    commands = list(walk(build()))
    root, leaves = commands[0], [found for found in commands[1:] if not hasattr(found[0], "commands")]
    sections = [_HEAD, _overview(root[0]), *(_command(*leaf) for leaf in leaves), _shared(*root), *_topics()]
    return "\n".join(sections)


def _overview(root: Any) -> str:
    lines = ["## Commands\n"]
    for name, command in root.commands.items():
        verbs = [f"[{verb}](#nbactl-{name}-{verb.replace(' ', '-')})" for verb in _verbs(command)]
        title = f"`nbactl {name}`" if verbs else f"[`nbactl {name}`](#nbactl-{name})"
        lines.append(f"- {title}: {command.get_short_help_str(200)}{' ' + ', '.join(verbs) if verbs else ''}")
    return "\n".join(lines) + "\n"


def _verbs(group: Any) -> Iterator[str]:
    """Yield the commands of a group, those of a group within it as `rollout start`."""
    for name, command in getattr(group, "commands", {}).items():
        inner = list(_verbs(command))
        yield from (f"{name} {verb}" for verb in inner) if inner else [name]


def _command(command: Any, context: Any) -> str:
    lines = [f"## {context.command_path}\n", inspect.cleandoc(command.help) + "\n", f"    {usage(command, context)}\n"]
    rows = [
        parameter_row(parameter, context)
        for parameter in command.get_params(context)
        if not parameter.hidden and parameter_panel(parameter) != options.PANEL
    ]
    lines += [*_items(dict(rows)), ""] if rows else []
    lines += ["```sh", *command.examples, "```\n"]
    return "\n".join(lines)


def _shared(root: Any, context: Any) -> str:
    shared = [parameter for parameter in root.get_params(context) if parameter_panel(parameter) == options.PANEL]
    lines = ["## Global options\n", "Taken by every command, before or after its name.\n"]
    return "\n".join([*lines, *_items(dict(parameter_row(parameter, context) for parameter in shared)), ""])


def _topics() -> Iterator[str]:
    yield "\n".join(["## Environment variables\n", *_items(environment_variables()), ""])
    yield "\n".join(["## Exit codes\n", *_items({str(code): meaning for code, meaning in EXIT_CODES.items()}), ""])
    for name in ("output", "dates"):
        yield f"## {name.capitalize()}\n\n```text\n{TOPICS[name].text()}```\n"


def _items(rows: dict[str, str]) -> list[str]:
    return [f"- `{name.strip()}`: {meaning}" for name, meaning in rows.items()]


def main(arguments: list[str]) -> int:
    """Write the page, or with --check say whether it is up to date; returns the exit code."""
    check, file = arguments[:-1] == ["--check"], Path(arguments[-1])
    text = reference()
    if not check:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    elif not file.is_file() or file.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{file} is not what the commands say: run `make docs` and commit it\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
