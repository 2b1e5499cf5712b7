"""The collector: production's `nba-scrapers`. A request names a scraper; its task runs here and is announced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.core._support.gamedate import GameDate
from nbactl.core.service.service import Service
from nbactl.errors import NotFoundError, UsageError
from nbactl.services.http import JsonRoute, JsonRoutes
from nbactl.services.results import results_of
from nbactl.workflows.model import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core.service.service import Parts
    from nbactl.services.runs import ServiceRuns

_TIMEOUT = "task.scraper"


def make_collector(
    parts: Parts, runs: ServiceRuns, workflows: WorkflowsFile, *, probe: Callable[[], object], name: str = "collector"
) -> Service:
    """Return the service. `probe` does what a run does without changing anything."""

    async def scrape(body: dict[str, Any]) -> dict[str, Any]:
        task, day = scraper_task(workflows, body), _date(body, parts)
        request = request_of(workflows, runs.phase_of(task), task, day)
        ended = await runs.execute(request, turn=f"{runs.phase_of(task)}/{day}")
        return results_of(ended, {task: task})

    route = JsonRoute("POST", "/scrape", scrape, parts.timeouts[_TIMEOUT], probe)
    return Service(name, parts, JsonRoutes([route], clock=parts.clock, failures=parts.failures))


def scraper_task(workflows: WorkflowsFile, body: dict[str, Any]) -> str:
    """Return the task that runs a scraper. Raises UsageError without one, NotFoundError for an unknown one.

    Of several the one is meant whose request has what this one has: a game, an event, a team.
    """
    scraper = body.get("scraper")
    if not isinstance(scraper, str) or not scraper:
        raise UsageError("the request names no scraper", next_step='Send {"scraper": NAME, "date": "YYYY-MM-DD"}.')
    bodies = {name: task.service.body for name, task in workflows.tasks.items() if task.service is not None}
    found = {name: declared for name, declared in bodies.items() if declared.get("scraper") == scraper}
    if not found:
        known = ", ".join(sorted({str(declared["scraper"]) for declared in bodies.values() if "scraper" in declared}))
        raise NotFoundError(f"there is no scraper '{scraper}'", next_step=f"Known: {known}.")
    return max(found, key=lambda name: len(found[name].keys() & body.keys()) - len(found[name].keys() - body.keys()))


def request_of(workflows: WorkflowsFile, phase: str | None, task: str, day: GameDate) -> RunRequest:
    """Return the request that runs one task: as part of its phase where it has one, so that the phase is finished."""
    if phase is not None and any(use.task == task for use in workflows.phases[phase].tasks):
        return RunRequest((phase,), (day,), only=(task,), upstream="skip")
    return RunRequest((task,), (day,), upstream="skip")


def _date(body: dict[str, Any], parts: Parts) -> GameDate:
    text = body.get("game_date") if body.get("date") is None else body["date"]
    if text is None:
        return GameDate.of(parts.clock.now())
    return GameDate.iso(str(text))
