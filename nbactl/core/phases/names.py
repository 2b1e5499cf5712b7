"""The spellings in which processors report: a class name, a table name, or either with the prefix of a phase."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

RENAMED: Final = {"ml_feature_store_v2": "ml_feature_store"}
"""Tables that are not called as their processor is; the second version lies in nba_predictions."""

_AFFIXES: Final = re.compile(r"^Async|Processor$")
_WORD_STARTS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PREFIX: Final = re.compile(r"p(\d)_(?=.)")


def normalise(
    name: object, known: Collection[str], output_table: str | None = None, *, phase: str | None = None
) -> str | None:
    """Return which of the `known` names a reported one means, None for a name that is not known (invariant 9).

    A known name is itself; else the table that was written decides, if it is known; else the class name in snake case,
    without `Async` and `Processor`. Either may have the prefix of its phase, such as `p2_`, where the known name has
    none, and the other way round. With `phase` (such as `phase3`) the prefix of another phase is not accepted.
    `output_table` may be written with its project and dataset.
    """
    if not isinstance(name, str):
        return None
    written = "" if output_table is None else output_table.rpartition(".")[2]
    for candidate in (name, written):
        if candidate in known:
            return candidate
    number = None if phase is None else phase.removeprefix("phase")
    for candidate in (name, written):
        given, bare = _split(candidate)
        if given is not None and number is not None and given != number:
            continue
        meant = _find(given or number, snake_case(bare), known)
        if meant is not None:
            return meant
    return None


def snake_case(name: str) -> str:
    """Return the name of a class as that of its processor: `AsyncPlayerGameSummaryProcessor` is player_game_summary.

    A name with underscores is no class name, and is returned as it is.
    """
    if "_" in name:
        return name
    return _WORD_STARTS.sub("_", _AFFIXES.sub("", name)).lower()


def _find(number: str | None, bare: str, known: Collection[str]) -> str | None:
    """Return the known name without or with the prefix of the phase; several of them are no answer."""
    plain = RENAMED.get(bare, bare)
    if plain in known:
        return plain
    found = [
        name
        for name in known
        for its_number, its_bare in (_split(name),)
        if its_bare == plain and its_number is not None and number in (None, its_number)
    ]
    return found[0] if len(found) == 1 else None


def _split(name: str) -> tuple[str | None, str]:
    """Return the number of the phase that the prefix names, and the rest."""
    prefix = _PREFIX.match(name)
    return (None, name) if prefix is None else (prefix[1], name[prefix.end() :])
