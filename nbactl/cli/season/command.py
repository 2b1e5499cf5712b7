"""The season: on which dates games are expected, and halts by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nbactl.bootstrap.season import make_game_calendar, make_halts, make_seasons
from nbactl.cli.ask import Question, operator, proceed
from nbactl.core._support.gamedate import GameDate
from nbactl.core.season.dates import SeasonIdleDates
from nbactl.errors import UsageError
from nbactl.outputs.asked import AskedOnce

if TYPE_CHECKING:
    from datetime import datetime

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core.season.halts import Halt
    from nbactl.core.season.idle import Idle
    from nbactl.core.season.seasons import Season
    from nbactl.ports.calendar import GameDay


@dataclass(frozen=True, slots=True)
class SeasonDay:
    """A date. `known` is whether the schedule covers it, `game_day` what it has, `idle` why nothing is expected."""

    date: GameDate
    known: bool
    game_day: GameDay | None
    idle: Idle | None


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What comes next on a date. `detail` says more in words."""

    date: GameDate
    what: Literal["games", "break", "halt", "resume", "season_start", "season_end"]
    detail: str


@dataclass(frozen=True, slots=True)
class SeasonShown:
    """The dates from `first` to `last`. `season` is the declared one of the first date, `declared` has all.

    `as_of` is when the schedule was read last, None where it cannot be out of date or was never read.
    """

    first: GameDate
    last: GameDate
    today: GameDate
    season: Season | None
    declared: tuple[Season, ...]
    days: tuple[SeasonDay, ...]
    halts: tuple[Halt, ...]
    coming: tuple[Upcoming, ...]
    as_of: datetime | None

    @property
    def unknown(self) -> tuple[GameDate, ...]:
        """The dates of which nobody can say whether they have games."""
        return tuple(day.date for day in self.days if not day.known and day.idle is None)


@dataclass(frozen=True, slots=True)
class HaltRequest:
    """A halt from `first` to `until`, both included; `until` is None for one that ends when it is resumed."""

    first: GameDate
    until: GameDate | None
    reason: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """Which halt to end: `halt_id`, or the only one that is not over. `on` is the first date with games again."""

    halt_id: str | None
    on: GameDate
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class HaltChanged:
    """A halt as it is now, or with `dry_run` as it would be. `halt` is None if there was nothing to resume.

    `undo` are the words of the command that takes it back.
    """

    halt: Halt | None
    changed: bool
    dry_run: bool
    undo: tuple[str, ...] = ()


def show_season(app: Container, first: GameDate, last: GameDate) -> SeasonShown:
    """Return what is expected of the dates from `first` to `last`."""
    dates = tuple(first.until(last))
    seasons, halts = make_seasons(app), make_halts(app).all()
    calendar = AskedOnce(make_game_calendar(app))
    known = calendar.games(first.day, last.day)
    idle = SeasonIdleDates(seasons, lambda: halts, calendar).idle(dates)
    days = tuple(
        SeasonDay(date, date.day not in known.unknown, known.days.get(date.day), idle.get(date)) for date in dates
    )
    coming = (*_games(days, first), *_breaks(seasons.declared, first), *_halts(halts, first))
    return SeasonShown(
        first,
        last,
        GameDate.of(app.clock.now()),
        seasons.on(first),
        seasons.declared,
        days,
        tuple(halts),
        tuple(sorted(coming, key=lambda event: event.date)),
        known.as_of,
    )


def halt_season(app: Container, request: HaltRequest, *, confirm: Confirm = proceed) -> HaltChanged:
    """Expect no games on dates. A halt of the same dates that holds already is not made again."""
    halts = make_halts(app)
    span = (request.first, request.until)
    same = next((halt for halt in halts.all() if halt.resumed_on is None and (halt.first, halt.until) == span), None)
    if same is not None:
        return HaltChanged(same, changed=False, dry_run=request.dry_run)
    draft = halts.draft(request.first, request.until, request.reason, by=operator())
    if request.dry_run:
        return HaltChanged(draft, changed=True, dry_run=True)
    confirm(Question(f"Expect no games {span_text(request.first, request.until)}?", (f"Reason: {request.reason}",)))
    made = halts.halt(request.first, request.until, request.reason, by=operator())
    undo = ("season", "resume", made.id, "--date", str(made.first))
    return HaltChanged(made, changed=True, dry_run=False, undo=undo)


def resume_season(app: Container, request: ResumeRequest, *, confirm: Confirm = proceed) -> HaltChanged:
    """End a halt, so that games are expected again from a date on. Without a halt that holds there is nothing to do.

    Raises NotFoundError for a halt that is not there, UsageError if it is not clear which one is meant,
    PreconditionError if it ends before.
    """
    halts = make_halts(app)
    halt = _chosen(halts.all(), request) if request.halt_id is None else halts.find(request.halt_id)
    if halt is None or halt.resumed_on == request.on:
        return HaltChanged(halt, changed=False, dry_run=request.dry_run)
    draft = halts.resumed(halt, request.on, by=operator())
    if request.dry_run:
        return HaltChanged(draft, changed=True, dry_run=True)
    confirm(Question(f"End {halt.id} ({halt.reason}), and expect games from {request.on} on?"))
    ended = halts.resume(halt, request.on, by=operator())
    until = ("--open-ended",) if halt.last is None else ("--until", str(halt.last))
    first = max(request.on, halt.first)
    undo = ("season", "halt", "--from", str(first), *until, "--reason", halt.reason)
    return HaltChanged(ended, changed=True, dry_run=False, undo=undo)


def span_text(first: GameDate, until: GameDate | None) -> str:
    """Return `from 2025-01-08 to 2025-01-10`, `on 2025-01-08` or `from 2025-01-08 onward`."""
    if until is None:
        return f"from {first} onward"
    return f"on {first}" if first == until else f"from {first} to {until}"


def _chosen(halts: list[Halt], request: ResumeRequest) -> Halt | None:
    """Return the halt that is meant where none is named: the only one with dates from `on` on."""
    held = [halt for halt in halts if halt.last is None or halt.last >= max(halt.first, request.on)]
    if len(held) > 1:
        raise UsageError(
            f"{len(held)} halts hold on {request.on} or later",
            next_step=f"Name one: {', '.join(halt.id for halt in held)}.",
        )
    return held[0] if held else None


def _games(days: tuple[SeasonDay, ...], first: GameDate) -> list[Upcoming]:
    day = next((day for day in days if day.game_day is not None and day.idle is None and day.date >= first), None)
    if day is None or day.game_day is None:
        return []
    number = day.game_day.games
    return [Upcoming(day.date, "games", f"{number} game{'' if number == 1 else 's'}")]


def _breaks(seasons: tuple[Season, ...], first: GameDate) -> list[Upcoming]:
    """Return the next break, and the next start and end of a season."""
    breaks = [pause for season in seasons for pause in season.breaks if pause.last >= first]
    starts = [season for season in seasons if season.first > first]
    ends = [season for season in seasons if season.last >= first]
    found = [Upcoming(one.first, "break", f"{one.reason} until {one.last}") for one in breaks[:1]]
    found += [Upcoming(one.first, "season_start", f"season {one.name} begins") for one in starts[:1]]
    return [*found, *(Upcoming(one.last, "season_end", f"season {one.name} ends") for one in ends[:1])]


def _halts(halts: list[Halt], first: GameDate) -> list[Upcoming]:
    found = []
    for halt in halts:
        if halt.last is not None and halt.last < max(halt.first, first):
            continue
        if halt.first > first:
            found.append(Upcoming(halt.first, "halt", f"{halt.reason} ({halt.id})"))
        if halt.last is not None:
            found.append(Upcoming(halt.last.plus(1), "resume", f"{halt.id} is over"))
    return found
