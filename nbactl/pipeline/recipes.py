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

_INPUTS: Final = "predict/inputs"
_PREDICTED: Final = "nba_predictions.player_prop_predictions"
_GRADES: Final = "nba_predictions.prediction_accuracy"

_NAMES_PLAYERS: Final = frozenset({"raw.player_boxscores", "raw.injuries", "raw.odds"})


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a processor reads and writes for a date. `code` is a digest of its statement or modules, and parameters.

    `collects` is the dataset that it takes from the source to a raw file, `raw` are the raw files that it reads;
    `aliases` says whether it reads the players' other names. It writes the partitions of the date plus `writes_at`
    days; `exports` says whether it writes the file for the site.
    """

    code: str
    collects: Dataset | None = None
    raw: tuple[Dataset, ...] = ()
    aliases: bool = False
    tables: Mapping[str, Window] = field(default_factory=dict)
    writes: tuple[str, ...] = ()
    writes_at: int = 0
    exports: bool = False


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
    return _recipe_of_predictions(name, code_of(module), schema_of, work.parameters)


def _recipe_of_predictions(
    name: str, code: Mapping[str, str], schema_of: Callable[[str], TableSchema], parameters: Mapping[str, Any]
) -> Recipe | None:
    day, day_before = Window(0, 0), Window(-1, -1)
    if name == "predictions.players":
        digest = _digest(code, normalised(table_sql(_INPUTS)), repr(schema_of(_PREDICTED)), parameters)
        return Recipe(digest, tables=windows(_INPUTS), writes=(_PREDICTED,))
    if name == "predictions.export":
        tables = {_PREDICTED: day, "nba_analytics.upcoming_player_game_context": day}
        return Recipe(_digest(code, parameters), tables=tables, exports=True)
    if name == "predictions.grade":
        tables = dict.fromkeys((_PREDICTED, "nba_raw.games", "nba_raw.player_boxscores"), day_before)
        digest = _digest(code, repr(schema_of(_GRADES)), parameters)
        return Recipe(digest, tables=tables, writes=(_GRADES,), writes_at=-1)
    return None


def _digest(*parts: Any) -> str:  # noqa: ANN401 - any JSON
    plain = json.dumps(
        [dict(part) if isinstance(part, Mapping) else part for part in parts], sort_keys=True, default=str
    )
    return hashlib.sha256(plain.encode()).hexdigest()
