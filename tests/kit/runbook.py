"""docs/runbook.md as commands: each situation is walked as the page has it, so that page and test cannot drift."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.integration.cli.conftest import environment
from tests.kit.called import call_nbactl
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PAGE: Final = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
_SITUATION: Final = re.compile(r"^## (\d+)\. (.*?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK: Final = re.compile(r"^\*\*(Find|Mend|Check|Catch up|Undo)\.\*\*(.*?)(?=^\*\*|\Z)", re.MULTILINE | re.DOTALL)
_CONSOLE: Final = re.compile(r"```console\n(.*?)```", re.DOTALL)
_EXITS: Final = re.compile(r"  # exits with (\d+)$")


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the page, its exit code, and the lines that it is to print; `…` is any text."""

    line: str
    code: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """A situation of the page, with its commands by block: Find, Mend, Check, Catch up and Undo."""

    title: str
    blocks: Mapping[str, tuple[Command, ...]]


def read_page(text: str = PAGE) -> dict[int, Situation]:
    """Return the situations of the page by number."""
    found = {}
    for number, title, body in _SITUATION.findall(text):
        blocks = {name: tuple(_commands(part)) for name, part in _BLOCK.findall(body)}
        found[int(number)] = Situation(title, {name: commands for name, commands in blocks.items() if commands})
    return found


def _commands(part: str) -> list[Command]:
    commands: list[Command] = []
    for block in _CONSOLE.findall(part):
        for given in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *printed = given.splitlines()
            code = match[1] if (match := _EXITS.search(line)) else "0"
            shown = tuple(text for text in printed if text.strip(" …"))
            commands.append(Command(_EXITS.sub("", line), int(code), shown))
    return commands


@dataclass
class Walk:
    """Somebody who does what a situation says, in a folder, with variables. `said` is all that was printed."""

    number: int
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """What stands for the names in capitals of the page, such as MESSAGE."""
    said: str = ""
    walked: list[str] = field(default_factory=list)

    def __call__(self, block: str) -> str:
        """Run the commands of a block, and compare what they print; returns the output of the last one."""
        self.walked.append(block)
        for command in read_page()[self.number].blocks[block]:
            words = [self._named(word) for word in shlex.split(command.line)]
            assert words[0] == "nbactl", command.line
            variables = environment({"COLUMNS": "200", **self.env})
            done = call_nbactl(words[1:], cwd=self.folder, env=variables)
            self.said = done.stdout + done.stderr
            assert done.returncode == command.code, f"$ {command.line}\n{done.returncode}\n{self.said}"
            for line in command.lines:
                assert self.prints(line), f"$ {command.line}\ndoes not print: {line}\n{self.said}"
        return self.said

    def prints(self, line: str) -> bool:
        """Say whether a line of the page is in what was printed, whatever the spaces."""
        words = [re.escape(self._named(word)) for word in line.split()]
        pattern = r"\s+".join(words).replace(r"\s+…\s+", r"\s.*").replace(r"\s+…", "").replace("…", ".*")
        return re.search(pattern, self.said) is not None

    def _named(self, text: str) -> str:
        for name, value in self.names.items():
            text = re.sub(rf"\b{re.escape(name)}\b", value, text)
        return text

    def end(self) -> None:
        """Hold the test to the page: every block of the situation was walked."""
        assert set(self.walked) == set(read_page()[self.number].blocks)
