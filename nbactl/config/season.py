"""The model of `season:` in workflows.yaml, and its checks: when seasons begin and end, and their breaks."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from nbactl.config.base import Convert, Strict, characters
from nbactl.core._support.gamedate import FIRST_DAY, LAST_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.config.problems import Problem
    from nbactl.config.source import ConfigFile
    from nbactl.config.workflows import WorkflowsFile

_NAME = re.compile(r"(?P<first>\d{4})-(?P<last>\d{2})")


def _day(value: Any) -> date:  # noqa: ANN401 - raw YAML
    """Read `YYYY-MM-DD`. Raises ValueError for every other form."""
    if not isinstance(value, str) or len(value) != len("YYYY-MM-DD"):
        raise ValueError("write a date as YYYY-MM-DD")
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("write a date of the calendar as YYYY-MM-DD") from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"write a date from {FIRST_DAY} to {LAST_DAY}")
    return day


Day = Annotated[date, Convert(_day)]


class SeasonBreak(Strict):
    """Dates within a season on which no games are expected, both included."""

    first: Day
    last: Day
    reason: Annotated[str, characters(3)]


class SeasonSpec(Strict):
    """The first and the last date of a season on which games are expected."""

    first: Day
    last: Day
    breaks: tuple[SeasonBreak, ...] = ()


def check_season(file: ConfigFile[WorkflowsFile]) -> Iterator[Problem]:
    """Yield the problems: names, dates out of order, seasons or breaks that overlap, breaks outside of their season."""
    seasons = file.model.season
    for name, season in seasons.items():
        path = ("season", name)
        match = _NAME.fullmatch(name)
        if match is None or (int(match["first"]) + 1) % 100 != int(match["last"]):
            message = f"'{name}' is not the name of a season: write its two years, such as 2024-25"
            yield file.positions.problem(path, message, key=True)
        elif season.first.year != int(match["first"]):
            yield file.positions.problem((*path, "first"), f"season {name} does not begin in {season.first.year}")
        if season.last < season.first:
            message = f"season {name} ends on {season.last}, before it begins on {season.first}"
            yield file.positions.problem((*path, "last"), message)
        yield from _breaks(file, name, season)
    ordered = sorted(seasons.items(), key=lambda item: item[1].first)
    for (name, season), (later, following) in pairwise(ordered):
        if following.first <= season.last:
            message = f"season {later} begins on {following.first}, and season {name} ends on {season.last}"
            yield file.positions.problem(("season", later, "first"), message)


def _breaks(file: ConfigFile[WorkflowsFile], name: str, season: SeasonSpec) -> Iterator[Problem]:
    for index, pause in enumerate(season.breaks):
        path = ("season", name, "breaks", index)
        if pause.last < pause.first:
            message = f"the break ends on {pause.last}, before it begins on {pause.first}"
            yield file.positions.problem((*path, "last"), message)
        elif not season.first <= pause.first <= pause.last <= season.last:
            message = f"the break from {pause.first} to {pause.last} is not within season {name}"
            yield file.positions.problem((*path, "first"), message)
    ordered = sorted(enumerate(season.breaks), key=lambda item: item[1].first)
    for (_, earlier), (index, later) in pairwise(ordered):
        if later.first <= earlier.last:
            message = f"the break from {later.first} overlaps the one that ends on {earlier.last}"
            yield file.positions.problem(("season", name, "breaks", index, "first"), message)
