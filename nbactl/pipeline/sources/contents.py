"""What a folder of files has by dataset and date, made of the segments of its files."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from nbactl.pipeline.sources.segments import GAMES_OF_LOGS, Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbactl.pipeline.sources.base import Dataset
    from nbactl.pipeline.sources.segments import Segment

DATASETS: Final[tuple[Dataset, ...]] = ("schedule", "player_boxscores")


@dataclass(frozen=True, slots=True)
class FileState:
    """What changes when a file does: its status, and the SHA-256 of its bytes. `note` is why it was passed over."""

    stat: tuple[int, ...]
    content: str
    note: str | None = None


@dataclass(slots=True)
class Contents:
    """What a folder has: a digest of each date's records, and the names of the files that have them."""

    files: dict[str, FileState]
    digests: dict[Dataset, dict[date, str]] = field(default_factory=dict)
    sources: dict[Dataset, dict[date, list[str]]] = field(default_factory=dict)
    games_of_logs: dict[date, list[tuple[str, list[int]]]] = field(default_factory=dict)
    """The games that only players' rows know of: by date the files, and which of their GAMES_OF_LOGS."""


def merged(files: dict[str, FileState], segment_of: Callable[[str, FileState], Segment]) -> Contents:
    """Return what files have together, of which these are the segments. Raises DamagedSegmentError."""
    contents = Contents(files)
    segments = {name: segment_of(name, state) for name, state in files.items() if state.note is None}
    for dataset in DATASETS:
        digests: dict[date, str] = {}
        sources: defaultdict[date, list[str]] = defaultdict(list)
        for name, segment in segments.items():
            for iso, digest in segment.digests(dataset):
                day = date.fromisoformat(iso)
                digests[day] = digest
                sources[day].append(name)
        contents.digests[dataset], contents.sources[dataset] = digests, dict(sources)
    listed = {game_id for segment in segments.values() for game_id in segment.listed}
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for name, segment in segments.items():
        for iso, games in segment.games.items():
            # Where a record of games has the id, its date is the right one.
            rows = [row for row, (game, game_id) in enumerate(games) if game_id not in listed and game not in seen[iso]]
            seen[iso].update(game for game, _ in games)
            if rows:
                contents.games_of_logs.setdefault(date.fromisoformat(iso), []).append((name, rows))
    for dataset in DATASETS:
        together = {day for day, names in contents.sources[dataset].items() if len(names) > 1}
        for day in together | (contents.games_of_logs.keys() if dataset == "schedule" else set()):
            of_day = Digest()
            of_day.add_lines(lines_of(contents, dataset, day, segment_of))
            contents.digests[dataset][day] = of_day.hexdigest()
    return contents


def lines_of(contents: Contents, dataset: Dataset, day: date, segment_of: Callable[[str, FileState], Segment]) -> bytes:
    """Return the records of a date as lines of raw files. Raises DamagedSegmentError."""
    iso = day.isoformat()
    names = contents.sources[dataset].get(day, ())
    parts = [segment_of(name, contents.files[name]).lines(dataset, iso) for name in names]
    for name, rows in contents.games_of_logs.get(day, ()) if dataset == "schedule" else ():
        lines = segment_of(name, contents.files[name]).lines(GAMES_OF_LOGS, iso).splitlines(keepends=True)
        parts += [lines[row] for row in rows]
    return b"".join(parts)


def contents_json(contents: Contents) -> dict[str, Any]:
    """Return the contents for `contents_from`. Files are numbered: a name for each date would be most of it."""
    number = {name: n for n, name in enumerate(contents.files)}
    return {
        "files": {name: [state.stat, state.content, state.note] for name, state in contents.files.items()},
        "dates": {
            dataset: {
                day.isoformat(): [digest, [number[name] for name in contents.sources[dataset].get(day, ())]]
                for day, digest in days.items()
            }
            for dataset, days in contents.digests.items()
        },
        "games_of_logs": {
            day.isoformat(): [(number[name], rows) for name, rows in of_day]
            for day, of_day in contents.games_of_logs.items()
        },
    }


def contents_from(kept: Mapping[str, Any]) -> Contents:
    """Return the contents that `contents_json` was given."""
    found = Contents({name: FileState(tuple(stat), *rest) for name, (stat, *rest) in kept["files"].items()})
    names = list(found.files)
    for dataset, days in kept["dates"].items():
        found.digests[dataset] = {date.fromisoformat(day): digest for day, (digest, _) in days.items()}
        found.sources[dataset] = {date.fromisoformat(day): [names[n] for n in ns] for day, (_, ns) in days.items()}
    for day, of_day in kept["games_of_logs"].items():
        found.games_of_logs[date.fromisoformat(day)] = [(names[number], rows) for number, rows in of_day]
    return found
