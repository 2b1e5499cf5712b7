"""A digest of the code that makes something: the source of a module of the pipeline, and of all that it imports."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

_PACKAGE: Final = "nbactl.pipeline"
BOOKKEEPING: Final = frozenset({"code", "past", "processor", "recipes", "registry", "sets", "statements", "versions"})
"""Modules by which no row is made: a change of them is not a reason to make a date again."""
_IMPORT: Final = re.compile(
    r"^\s*(?:from nbactl\.pipeline import \(?(?P<names>[\w, ]+)|(?:from|import) nbactl\.pipeline\.(?P<module>[\w.]+))",
    re.MULTILINE,
)


@cache
def code_of(module: str) -> Mapping[str, str]:
    """Return the digest of each file that `module` (such as `raw`) is made of, itself included, by module.

    Imports are found by their first line; those for types alone count too, BOOKKEEPING and files outside of the
    pipeline do not.
    """
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or name in BOOKKEEPING or (place := _place(name)) is None:
            continue
        source = place.read_text(encoding="utf-8")
        found[name] = hashlib.sha256(source.encode()).hexdigest()
        for line in _IMPORT.finditer(source):
            named = line["module"]
            waiting += [named] if named else re.sub(r" as \w+", "", line["names"]).replace(" ", "").split(",")
    return dict(sorted(found.items()))


def _place(module: str) -> Traversable | None:
    folder = files(_PACKAGE)
    *parents, name = module.split(".")
    for place in (folder.joinpath(*parents, f"{name}.py"), folder.joinpath(*parents, name, "__init__.py")):
        if place.is_file():
            return place
    return None
