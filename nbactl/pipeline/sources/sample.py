"""The bundled season: thirty teams, 450 invented players, made from a seed when it is asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, get_args

from nbactl.pipeline.sources.base import Dataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from nbactl.pipeline.sources.base import RawRecord
    from nbactl.pipeline.sources.synthetic.season import SyntheticSeason


class SampleSource:
    """A season that never was. Its modules are loaded when its games are asked for: every command opens a source."""

    name = "sample"
    key = "sample"
    has_history = True
    notes: tuple[str, ...] = ()

    def datasets(self) -> frozenset[Dataset]:
        return frozenset(get_args(Dataset))

    def latest(self) -> date:
        from nbactl.pipeline.sources.synthetic.calendar import LAST_PLAYED  # noqa: PLC0415

        return LAST_PLAYED

    def game_dates(self, first: date, last: date) -> list[date]:
        from nbactl.pipeline.sources.synthetic.calendar import calendar  # noqa: PLC0415

        return [day for day in calendar() if first <= day <= last]

    def collect(self, dataset: Dataset, days: Sequence[date]) -> Iterator[RawRecord]:
        return self._season.records(dataset, days)

    def versions(self, dataset: Dataset, days: Sequence[date]) -> Mapping[date, str]:  # noqa: ARG002 - all made alike
        from nbactl.pipeline.sources.synthetic.draw import GENERATOR, SEED  # noqa: PLC0415

        return dict.fromkeys(days, f"{SEED}:{GENERATOR}")

    @cached_property
    def _season(self) -> SyntheticSeason:
        from nbactl.pipeline.sources.synthetic.season import SyntheticSeason  # noqa: PLC0415

        return SyntheticSeason()
