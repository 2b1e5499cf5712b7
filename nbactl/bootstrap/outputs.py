"""The grid of expected outputs, built from the container."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbactl.bootstrap.container import Container
    from nbactl.core.season.idle import IdleDates
    from nbactl.outputs.grids import Grids
    from nbactl.pipeline.recipes import Recipe
    from nbactl.ports.calendar import GameCalendar
    from nbactl.workflows.board import Boards


def make_grids(app: Container) -> Grids:
    """Return what draws grids, of the data of the source. Nothing is read yet."""
    from nbactl.outputs.grids import Grids

    deployed = app.settings.target == "gcp" and not app.in_process
    return Grids(
        app.config.workflows,
        app.settings.target,
        app.source.key,
        boards=make_boards(app),
        runs=app.ledger,
        expectations=app.expectations,
        open_calendar=lambda: _calendar(app),
        recipes=_recipes(app),
        raw=None if deployed else app.processor_resources.raw.held,
        warehouse=lambda: app.warehouse,
        timeout=app.config.timeouts["warehouse.query"],
        clock=app.clock,
    )


def _calendar(app: Container) -> tuple[GameCalendar, IdleDates]:
    from nbactl.bootstrap.season import make_game_calendar, make_halts, make_seasons
    from nbactl.core.season.dates import SeasonIdleDates
    from nbactl.outputs.asked import AskedOnce

    calendar = AskedOnce(make_game_calendar(app))
    return calendar, SeasonIdleDates(make_seasons(app), lambda: make_halts(app).all(), calendar)


def make_boards(app: Container) -> Boards:
    """Return what draws boards."""
    from nbactl.workflows.board import Boards

    limits = {name: deadline.limit for name, deadline in app.config.timeouts.deadlines.items()}
    target = app.settings.target
    return Boards(app.config.workflows, limits, app.ledger, target, app.leases.held, app.freshness, app.production)


def _recipes(app: Container) -> dict[str, Recipe]:
    """Return what the tasks of phases read and write in process, as far as they say."""
    from nbactl.pipeline.recipes import recipe_of
    from nbactl.workflows.works import work_of

    workflows, schema_of = app.config.workflows, app.processor_resources.schema_of
    names = [use.task for phase in workflows.phases.values() for use in phase.tasks]
    works = {name: work_of(workflows.tasks[name], "process") for name in names}
    found = {name: recipe_of(work, schema_of) for name, work in works.items() if work is not None}
    return {name: recipe for name, recipe in found.items() if recipe is not None}
