"""The kinds of events: those that docs/library.md lists, and those that the code makes."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARY: Final = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
_MAKERS: Final = ("Event", "_emit", "_claimed")
_KIND = re.compile(r"[a-z_]+\.[a-z_]+")

MADE_OF_PARTS: Final = {
    *(f"breaker.{state}" for state in ("open", "half_open", "closed")),
    *(f"cache.{outcome}" for outcome in ("hit", "shared", "miss")),
    *(f"idempotency.{code}" for code in ("claimed", "in_progress", "payload_mismatch", "taken_over")),
}
"""Kinds that the code puts together; no string of it has them whole."""


def documented() -> set[str]:
    """Return the kinds of the table in docs/library.md."""
    rows = re.findall(r"^\| (`[a-z_]+\.[a-z_]+`.*?) \|", LIBRARY, re.MULTILINE)
    return {kind for row in rows for kind in re.findall(r"`([a-z_]+\.[a-z_]+)`", row)}


def emitted() -> set[str]:
    """Return the kinds that the code makes: arguments of `Event(…)` and of the methods that lead to it."""
    return MADE_OF_PARTS | {
        kind
        for file in (ROOT / "nbactl").rglob("*.py")
        if any(f"{name}(" in (text := file.read_text(encoding="utf-8")) for name in _MAKERS)
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call)
        for kind in _kinds(call)
    }


def _kinds(call: ast.Call) -> Iterator[str]:
    function = call.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    if name not in _MAKERS:
        return
    for argument in call.args:
        for node in ast.walk(argument):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _KIND.fullmatch(node.value):
                yield node.value
