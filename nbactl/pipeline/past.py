"""The past that phases 1 and 2 fill in: dates without a run of their own, there for what looks back from later ones.

No run of its own notices when such a date changes in the source, so the later dates that rest on it do.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbactl.pipeline.rawlist import Held
    from nbactl.pipeline.rawstore import RawStore
    from nbactl.pipeline.recipes import Recipe
    from nbactl.pipeline.sources.base import Dataset, GameSource
    from nbactl.ports.warehouse import PartitionVersion

_MAY_LACK: Final = frozenset({"odds_game_lines"})
"""Collected by a workflow of their own."""


def unlike_source(source: GameSource, raw: RawStore, dataset: Dataset) -> list[date]:
    """Return the dates to fill in, in order: those without a raw file, and those filled in with something else.

    A source without a cheap history has none.
    """
    if not source.has_history or dataset not in source.datasets():
        return []
    held = raw.held(dataset)
    missing = [day for day in source.game_dates(date.min, date.max) if day not in held]
    filled_in = [day for day, file in held.items() if file.filled_in]
    return sorted([*missing, *_differing(source, dataset, held, filled_in)])


def collected_before(source: GameSource, raw: RawStore, dataset: Dataset) -> list[date]:
    """Return the dates that runs of their own collected and of which the source now has something else, in order."""
    if not source.has_history or dataset not in source.datasets():
        return []
    held = raw.held(dataset)
    of_runs = [day for day, file in held.items() if not file.filled_in and file.given is not None]
    return sorted(_differing(source, dataset, held, of_runs))


def _differing(source: GameSource, dataset: Dataset, held: Mapping[date, Held], days: Sequence[date]) -> list[date]:
    now = source.versions(dataset, days)
    return [day for day in days if day in now and held[day].given != now[day]]


def filled_in(recipe: Recipe, raw: RawStore, aliases: str) -> dict[date, str]:
    """Return the dates of which phase 2 has filled-in raw files only, with a digest of what their rows are made of."""
    held = {dataset: raw.held(dataset) for dataset in recipe.raw}
    needed = [dataset for dataset in recipe.raw if dataset not in _MAY_LACK]
    days = set.intersection(*(set(held[dataset]) for dataset in needed))
    found = {}
    for day in days:
        files = [of_day.get(day) for of_day in held.values()]
        if all(file is None or file.filled_in for file in files):
            parts = [recipe.code, aliases, *("" if file is None else file.sha256 for file in files)]
            found[day] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return found


def note_of(made_of: str, version: PartitionVersion | None) -> str:
    """Return what is noted of a date that phase 2 filled in: what it was made of, and what came out."""
    return f"{made_of} {version.digest if version is not None and version.rows else ''}"


def to_fill_in(
    made_of: Mapping[date, str], noted: Mapping[date, str], partitions: Mapping[date, PartitionVersion]
) -> Sequence[date]:
    """Return the dates whose rows are not those that phase 2 would make now, in order."""
    return sorted(day for day, made in made_of.items() if noted.get(day) != note_of(made, partitions.get(day)))
