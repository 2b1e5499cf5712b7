"""What a source of NBA data offers to phase 1."""

from __future__ import annotations

from dataclasses import field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from nbactl.errors import DataError
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Dataset = Literal[
    "schedule", "player_boxscores", "injuries", "odds_events", "odds_player_props", "odds_game_lines", "referees"
]


@frozen
class RawRecord:
    """One record as the source gave it, with where it stood."""

    dataset: Dataset
    game_date: date
    shape: str
    """Which form `payload` has: sample, game, player_game_log, bdl, nbac, …"""
    origin: str
    """Where it stood: `file.csv.gz:17`, a request, or the seed."""
    payload: Mapping[str, Any] = field(default_factory=dict)


class GameSource(Protocol):
    """A supplier of raw records by game date."""

    @property
    def name(self) -> str:
        """As given to --source: `sample`, `path:DIR`, `nba_api`."""
        ...

    @property
    def key(self) -> str:
        """A folder name, different for different data: each source has its own raw files and local warehouse."""
        ...

    @property
    def has_history(self) -> bool:
        """Whether earlier dates cost next to nothing, so that phase 1 collects all that are still missing as well."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What was passed over and why, for the operator: for instance files without data."""
        ...

    def datasets(self) -> frozenset[Dataset]:
        """Return what this source can supply."""
        ...

    def latest(self) -> date:
        """Return the newest game date with finished games. Raises DataError if there is none."""
        ...

    def game_dates(self, first: date, last: date) -> list[date]:
        """Return the dates with games between `first` and `last`, both included, in order."""
        ...

    def collect(self, dataset: Dataset, days: Sequence[date]) -> Iterator[RawRecord]:
        """Yield the records of `days`.

        Raises DataError with file and line for input that cannot be read at all (truncated, wrong gzip, no JSON),
        UnavailableError for a server that does not answer.
        """
        ...

    def versions(self, dataset: Dataset, days: Sequence[date]) -> Mapping[date, str]:
        """Return a digest of the records that the source has of each date now.

        A source that would have to ask a server returns none. Raises what `collect` raises.
        """
        ...


@runtime_checkable
class LineSource(Protocol):
    """A source that keeps its records as lines of raw files."""

    def lines(self, dataset: Dataset, day: date) -> bytes:
        """Return what `collect` yields of a date, as the lines of its raw file. Raises what `collect` raises."""
        ...


def uncovered(source: GameSource, days: Sequence[date]) -> dict[date, str]:
    """Return those of `days` on which a source with a beginning and an end cannot know of games, and why.

    Raises DataError if it covers none of them (invariant 24).
    """
    if not source.has_history:
        return {}
    known = source.game_dates(date.min, date.max)
    outside = [day for day in days if not known or not known[0] <= day <= known[-1]]
    span = f"its games are from {known[0]} to {known[-1]}" if known else "it has no games"
    if outside and len(outside) == len(days):
        asked = str(days[0]) if len(days) == 1 else f"{min(days)} to {max(days)}"
        raise DataError(
            f"{source.name} does not cover {asked}: {span}",
            cause="Outside of them it is not known whether there were games.",
            next_step="Choose another --date, or give a --source that has it.",
        )
    return (
        {} if not outside else dict.fromkeys(outside, f"the games of {source.name} are from {known[0]} to {known[-1]}")
    )
