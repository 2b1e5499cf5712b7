"""One of the three files as it was read: its model and the position of everything in it."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nbactl.config.base import MAX_FILE_BYTES, Strict
from nbactl.config.overrides import override
from nbactl.config.problems import Problem, suggest
from nbactl.config.validate import validate
from nbactl.config.yamltext import Positions, YamlError, parse
from nbactl.core._support.files import read_regular
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Model = TypeVar("Model", bound=Strict)


@frozen
class ConfigFile(Generic[Model]):
    """A file's model (of its right parts, while there are problems) and positions.

    `variables` has, by the name of a timeout, the environment variable that sets its limit.
    """

    model: Model
    positions: Positions
    variables: Mapping[str, str] = field(default_factory=dict)

    def names(self, *path: str) -> list[str]:
        """Return the keys under `path` that have a value, even with a wrong one."""
        node = self.positions.root
        for step in path:
            if step not in node.children:
                return []
            node = node.children[step]
        return [key for key in node.keys if key not in node.children or node.children[key].data is not None]

    def is_right(self, *path: str) -> bool:
        """Return whether there is a value at `path`, and a right one."""
        node = self.positions.root
        for step in path:
            if step not in node.children:
                return False
            node = node.children[step]
        return True

    def unknown(self, path: Sequence[Any], name: str, known: Iterable[str], what: str) -> Problem:
        """Return the problem that `name` at `path` is not among the `known` ones; `what` ends the sentence."""
        return self.positions.problem(path, f"'{name}' is {what}", suggest(name, known))


def read_positions(path: Path) -> tuple[Positions | None, list[Problem]]:
    """Return the positions and data of a YAML file, None if it cannot be read, and the problems."""
    name = _shown(path)
    try:
        text = read_regular(path, MAX_FILE_BYTES).decode("utf-8-sig")
        root, problems = parse(text, name)
    except OSError as error:
        return None, [Problem(name, 1, 1, f"the file cannot be read: {(error.strerror or str(error)).lower()}")]
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        return None, [Problem(name, line, column, message)]
    except YamlError as error:
        return None, [Problem(name, error.line, error.column, error.message)]
    return Positions(name, root), problems


def read_config_file(
    model: type[Model], path: Path, environ: Mapping[str, str] | None = None
) -> tuple[ConfigFile[Model] | None, list[Problem]]:
    """Return the file as `model`, None if too little of it is right, and the problems.

    With `environ` it is timeouts.yaml, whose limits the environment may set.
    """
    positions, problems = read_positions(path)
    if positions is None:
        return None, problems
    variables: dict[str, str] = {}
    if environ is not None:
        positions, variables, wrong = override(positions, environ)
        problems += wrong
    valid, positions, more = validate(model, positions)
    return None if valid is None else ConfigFile(valid, positions, variables), problems + more


def _shown(path: Path) -> str:
    """Return the path relative to the working directory where that is shorter and clear."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
