"""Where Python code asks for feature flags."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbactl.core._support.names import did_you_mean
from nbactl.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

_ASKING: Final = frozenset({"on", "value", "evaluate"})


@dataclass(slots=True)
class FlagUses:
    """What was found: every text in the code, and each call that asks for a flag that is not declared."""

    files: int = 0
    texts: set[str] = field(default_factory=set)
    unknown: list[tuple[Path, int, str]] = field(default_factory=list)
    unparsed: list[tuple[Path, str]] = field(default_factory=list)


def find_uses(paths: Iterable[Path], keys: Collection[str]) -> FlagUses:
    """Read every Python file under `paths`. Raises NotFoundError for a path that is not there."""
    uses = FlagUses()
    for file in _files(paths):
        uses.files += 1
        try:
            tree = ast.parse(file.read_bytes(), filename=str(file))
        except (SyntaxError, ValueError) as error:
            uses.unparsed.append((file, str(error)))
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                uses.texts.add(node.value)
            elif isinstance(node, ast.Call) and (key := _asked(node)) is not None and key not in keys:
                uses.unknown.append((file, node.lineno, key))
    return uses


def meant(key: str, keys: Collection[str]) -> str:
    """Return what to do about a flag that is asked for and not declared."""
    return did_you_mean(key, keys, otherwise="Declare it in flags.yaml, or take it out of the code.")


def _asked(call: ast.Call) -> str | None:
    """Return the key in `flags.on("key", …)`, None for any other call."""
    function, arguments = call.func, call.args
    if not (isinstance(function, ast.Attribute) and function.attr in _ASKING and arguments):
        return None
    owner = function.value
    name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    first = arguments[0]
    if name not in ("flags", "_flags") or not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return None
    return first.value


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"there is no {path}", next_step="Name Python files, or folders that hold some.")
        if path.is_file():
            yield path
            continue
        for file in sorted(path.rglob("*.py")):
            if not any(part.startswith(".") for part in file.relative_to(path).parts):
                yield file
