"""Where Python code asks for feature flags."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.walk import Walked, walk
from nbactl.core._support.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

_QUESTIONS: Final = frozenset({"on", "value", "evaluate"})


@dataclass(slots=True)
class FlagUses:
    """A rule that finds every text in the code, and each call that asks for a flag that is not among `keys`."""

    keys: Collection[str]
    texts: set[str] = field(default_factory=set)
    unknown: list[tuple[Path, int, str]] = field(default_factory=list)
    walked: Walked = field(default_factory=Walked)

    def visit(self, file: Path, node: ast.AST) -> None:
        """Look at one node."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.texts.add(node.value)
        elif isinstance(node, ast.Call) and (key := _flag_of(node)) is not None and key not in self.keys:
            self.unknown.append((file, node.lineno, key))


def find_uses(paths: Iterable[Path], keys: Collection[str]) -> FlagUses:
    """Look for uses in every Python file under `paths`. Raises NotFoundError for a missing path."""
    uses = FlagUses(keys)
    uses.walked = walk(paths, [uses])
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
