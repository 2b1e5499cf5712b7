"""What each processor reads and writes, and a digest of what it is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from nbactl.pipeline.code import code_of
from nbactl.pipeline.quarantine import quarantine_table
from nbactl.pipeline.registry import PROCESSORS
from nbactl.pipeline.statements import Window, normalised, table_sql, windows

if TYPE_CHECKING:
    from collections.abc import Callable

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

_NAMES_PLAYERS: Final = frozenset({"raw.player_boxscores", "raw.injuries", "raw.odds"})


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a processor reads and writes for a date. `code` is a digest of its statement or modules, and parameters.

    `collects` is the dataset that it takes from the source to a raw file, `raw` are the raw files that it reads;
    `aliases` says whether it reads the players' other names.
    """

    code: str
    collects: Dataset | None = None
    raw: tuple[Dataset, ...] = ()
    aliases: bool = False
    tables: Mapping[str, Window] = field(default_factory=dict)
    writes: tuple[str, ...] = ()


def recipe_of(work: Work, schema_of: Callable[[str], TableSchema]) -> Recipe | None:
    """Return the recipe of a task, None unless it is a registered processor that declares what it reads."""
    name = str(work.target)
    if work.kind != "processor" or name not in PROCESSORS:
        return None
    module = PROCESSORS[name].partition(":")[0].removeprefix("nbactl.pipeline.")
    if name == "collect":
        dataset = cast("Dataset", str(work.parameters.get("dataset")))
        return Recipe(_digest(code_of(module), work.parameters), collects=dataset)
    if name in _RAW:
        table = f"nba_{name}"
        writes = (table, quarantine_table(table))
        code = _digest(code_of(module), [repr(schema_of(each)) for each in writes], work.parameters)
        return Recipe(code, raw=_RAW[name], aliases=name in _NAMES_PLAYERS, writes=writes)
    if module == "transform":
        code = _digest(normalised(table_sql(name)), repr(schema_of(name)), work.parameters)
        return Recipe(code, tables=windows(name), writes=(name,))
    return None


def _digest(*parts: Any) -> str:  # noqa: ANN401 - any JSON
    plain = json.dumps(
        [dict(part) if isinstance(part, Mapping) else part for part in parts], sort_keys=True, default=str
    )
    return hashlib.sha256(plain.encode()).hexdigest()
