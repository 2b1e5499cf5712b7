"""The calendar of games and the season, built from the container."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from nbactl.bootstrap.container import Container
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.season.halts import Halts
    from nbactl.core.season.idle import IdleDates
    from nbactl.core.season.seasons import Seasons
    from nbactl.pipeline.calendar import ListsGames
    from nbactl.ports.calendar import GameCalendar

_NEWEST = 5
"""How many runs of a name are looked at for one that read the schedule."""


def make_game_calendar(app: Container) -> GameCalendar:
    """Return the calendar of games: of the source, and on gcp of the deployed schedule. Nothing is read yet."""
    from nbactl.pipeline.calendar import DeployedCalendar, FilesCalendar, ServerCalendar
    from nbactl.pipeline.keptgames import KeptGames

    timeouts = app.config.timeouts
    if app.settings.target == "gcp" and not app.in_process:
        return DeployedCalendar(
            lambda: app.warehouse, app.clock, timeouts["warehouse.query"], lambda: _schedule_read_at(app)
        )
    kept = KeptGames(app.data_dir / "calendar.json")
    if app.source.has_history:
        return FilesCalendar(app.source, kept)
    return ServerCalendar(cast("ListsGames", app.source), kept, app.clock, timeouts["calendar.keep"])


def make_idle_dates(app: Container) -> IdleDates:
    """Return what says of which dates nothing is expected. Nothing is read yet."""
    from nbactl.core.season.dates import SeasonIdleDates

    return SeasonIdleDates(make_seasons(app), lambda: make_halts(app).all(), make_game_calendar(app))


def make_seasons(app: Container) -> Seasons:
    """Return the seasons that workflows.yaml declares."""
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.season.seasons import Break, Season, Seasons
    from nbactl.pipeline.season import season_of

    declared = [
        Season(
            name,
            GameDate(season.first),
            GameDate(season.last),
            tuple(Break(GameDate(one.first), GameDate(one.last), one.reason) for one in season.breaks),
        )
        for name, season in app.config.workflows.season.items()
    ]
    return Seasons(declared, lambda day: season_of(None, day.day))


def make_halts(app: Container) -> Halts:
    """Return the halts by hand."""
    from nbactl.core.season.halts import Halts

    return Halts(app.documents, app.clock, app.ids, notice=app.notice)


def notice_halts(app: Container, dates: Sequence[GameDate]) -> None:
    """Say which of the dates are halted, though what is run by hand is not stopped by that."""
    if app.settings.target == "gcp" and app.settings.project is None:
        return  # a plan from the configuration alone
    for halt in make_halts(app).all():
        halted = [date for date in dates if date in halt]
        if halted:
            what = f"{halted[0]} is" if len(halted) == 1 else f"{len(halted)} dates from {halted[0]} on are"
            until = f" until {halt.last}" if halt.last is not None else ""
            app.notice(f"{what} halted{until} ({halt.reason}), which stops only what ticks start")


def _schedule_read_at(app: Container) -> datetime | None:
    """Return when a run of nbactl wrote the schedule last."""
    workflows = app.config.workflows
    writers = {name for name, task in workflows.tasks.items() if task.processor == "raw.games"}
    executables = {**workflows.phases, **workflows.workflows}
    names = [name for name, one in executables.items() if any(use.task in writers for use in one.tasks)]
    ended = [
        task.finished_at
        for name in (*names, *writers)
        for run in app.ledger.list(name=name, limit=_NEWEST)
        for task in run.tasks
        if task.name in writers and task.status.done and task.carried_from is None and task.finished_at is not None
    ]
    return max(ended, default=None)
