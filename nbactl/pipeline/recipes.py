"""What each processor reads and writes, and a digest of what it is made of."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, cast

from nbactl.pipeline.quarantine import quarantine_table
from nbactl.pipeline.registry import PROCESSORS
from nbactl.pipeline.statements import Window, normalised, table_sql, windows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.resources.abc import Traversable

    from nbactl.pipeline.sources.base import Dataset
    from nbactl.ports.compute import Work
    from nbactl.ports.warehouse import TableSchema

_RAW: Final[Mapping[str, tuple[Dataset, ...]]] = {
    "raw.games": ("schedule",),
    "raw.player_boxscores": ("player_boxscores", "schedule"),
    "raw.injuries": ("injuries",),
    "raw.odds": ("odds_player_props", "odds_game_lines", "schedule"),
    "raw.referees": ("referees", "schedule"),
}
"""The raw files that phase 2 reads. Of earlier dates it reads who bears which name, which once given stays."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a processor reads and writes for a date. `code` is a digest of its statement or modules, and parameters.

    `collects` is the dataset that it takes from the source to a raw file, `raw` are the raw files that it reads.
    """

    code: str
    collects: Dataset | None = None
    raw: tuple[Dataset, ...] = ()
    tables: Mapping[str, Window] = field(default_factory=dict)
    writes: tuple[str, ...] = ()


def recipe_of(work: Work, schema_of: Callable[[str], TableSchema]) -> Recipe | None:
    """Return the recipe of a task, None for one that is no registered processor."""
    name = str(work.target)
    if work.kind != "processor" or name not in PROCESSORS:
        return None
    module = PROCESSORS[name].partition(":")[0].removeprefix("nbactl.pipeline.")
    if name == "collect":
        dataset = cast("Dataset", str(work.parameters.get("dataset")))
        return Recipe(_digest(_sources(module), work.parameters), collects=dataset)
    if name in _RAW:
        table = f"nba_{name}"
        writes = (table, quarantine_table(table))
        code = _digest(_sources(module), [repr(schema_of(each)) for each in writes], work.parameters)
        return Recipe(code, raw=_RAW[name], writes=writes)
    code = _digest(normalised(table_sql(name)), repr(schema_of(name)), work.parameters)
    return Recipe(code, tables=windows(name), writes=(name,))


def _digest(*parts: Any) -> str:  # noqa: ANN401 - any JSON
    plain = json.dumps([dict(part) if hasattr(part, "keys") else part for part in parts], sort_keys=True, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()


_IMPORT: Final = re.compile(
    r"^\s*(?:from nbactl\.pipeline import (?P<names>[\w, ]+)|(?:from|import) nbactl\.pipeline\.(?P<module>[\w.]+))",
    re.MULTILINE,
)


@cache
def _sources(module: str) -> dict[str, str]:
    """Return a digest of the source of a module of the pipeline, and of all modules of the pipeline it imports."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or (place := _place(name)) is None:
            continue
        source = place.read_text(encoding="utf-8")
        found[name] = hashlib.sha256(source.encode()).hexdigest()
        for line in _IMPORT.finditer(source):
            waiting += [line["module"]] if line["module"] else re.findall(r"\w+", re.sub(r" as \w+", "", line["names"]))
    return found


def _place(module: str) -> Traversable | None:
    folder = files("nbactl.pipeline").joinpath(*module.split("."))
    place = folder / "__init__.py" if folder.is_dir() else folder.with_name(f"{folder.name}.py")  # type: ignore[attr-defined]
    return cast("Traversable", place) if place.is_file() else None
