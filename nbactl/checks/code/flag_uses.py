"""Where Python code asks for feature flags."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.files import find_files, parse, read
from nbactl.checks.code.module import Walk
from nbactl.checks.code.rule import Rule
from nbactl.core._support.names import did_you_mean
from nbactl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from nbactl.checks.code.module import Module, Scope

_QUESTIONS: Final = frozenset({"on", "value", "evaluate"})


@dataclass(slots=True)
class FlagUses:
    """Every text in the code, each call that asks for a flag that is not among `keys`, and the files not searched."""

    keys: Collection[str]
    files: int = 0
    texts: set[str] = field(default_factory=set)
    unknown: list[tuple[Path, int, str]] = field(default_factory=list)
    unparsed: list[tuple[Path, str]] = field(default_factory=list)


def find_uses(paths: Iterable[Path], keys: Collection[str]) -> FlagUses:
    """Look for uses in every Python file under `paths`.

    Raises NotFoundError for a path that is missing or has no Python file, DataError if no file at all can be parsed.
    """
    uses = FlagUses(keys)
    asked: list[tuple[int, str]] = []

    def text(_module: Module, node: ast.Constant, _scope: Scope) -> None:
        if isinstance(node.value, str):
            uses.texts.add(node.value)

    def call(_module: Module, node: ast.Call, _scope: Scope) -> None:
        if (key := _flag_of(node)) is not None and key not in keys:
            asked.append((node.lineno, key))

    walk = Walk([Rule("flag", "error", "", "", "", visits={ast.Constant: text, ast.Call: call})])
    for path in find_files(paths):
        uses.files += 1
        asked.clear()
        try:
            walk.module(parse(read(path))).close()
        except (SyntaxError, OSError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            uses.unparsed.append((path, why or "nested too deeply"))
            continue
        uses.unknown += [(path, line, key) for line, key in sorted(asked)]
    if uses.unparsed and len(uses.unparsed) == uses.files:
        path, why = uses.unparsed[0]
        raise DataError(
            f"nothing was searched: none of the {uses.files:,} files is Python that can be parsed",
            cause=f"{path}: {why}",
            next_step="Name Python files, or folders that hold some.",
        )
    return uses


def meant(key: str, keys: Collection[str]) -> str:
    """Return what to do about a flag that is asked for and not declared."""
    return did_you_mean(key, keys, otherwise="Declare it in flags.yaml, or take it out of the code.")


def _flag_of(call: ast.Call) -> str | None:
    """Return the key in `flags.on("key", …)`, None for any other call."""
    function, arguments = call.func, call.args
    if not (isinstance(function, ast.Attribute) and function.attr in _QUESTIONS and arguments):
        return None
    owner = function.value
    name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    first = arguments[0]
    if name not in ("flags", "_flags") or not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return None
    return first.value
