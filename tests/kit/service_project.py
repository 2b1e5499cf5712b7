"""Services over a project of phases 1 to 3 whose tasks are functions that a test controls."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from nbactl.bootstrap.service import ServiceContainer
from nbactl.bootstrap.services import make_services
from nbactl.config.loader import shipped_config_dir
from nbactl.config.settings import load_settings
from nbactl.ports.compute import TaskOutcome
from tests.kit.asgi_client import Answer, post, push

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.core._support.clock import Clock
    from nbactl.core.service.service import Service
    from nbactl.ports.compute import TaskContext

DAY: Final = "2025-01-15"
_TASK: Final = "{description: Works, timeout: task.worker, no_data: ok, call: 'tests.kit.service_project:work'"
WORKFLOWS: Final = f"""
version: 1
timezone: America/New_York
tasks:
  schedule: {_TASK}, with: {{dataset: schedule}}, service: {{name: nba-scrapers, path: /scrape, body: {{scraper: s_schedule, date: "{{game_date}}"}}}}}}
  injuries: {_TASK}, with: {{dataset: injuries}}, service: {{name: nba-scrapers, path: /scrape, body: {{scraper: s_injuries, date: "{{game_date}}"}}}}}}
  p2_schedule: {_TASK}, reads: [schedule], service: {{name: raw, body: {{processor_name: schedule, phase: phase_1_scrapers, output_table: schedule}}}}}}
  p2_injuries: {_TASK}, reads: [injuries], service: {{name: raw, body: {{processor_name: injuries, phase: phase_1_scrapers, output_table: injuries}}}}}}
  player_game_summary: {_TASK}}}
  team_summary: {_TASK}}}
  daily_cache: {_TASK}}}
phases:
  phase1: {{description: Collects, service: nba-scrapers, topic: one, tasks: [schedule, {{task: injuries, required: false}}]}}
  phase2: {{description: Raw, needs: [phase1], service: raw, topic: two, tasks: [p2_schedule, {{task: p2_injuries, needs: [p2_schedule], required: false}}]}}
  phase3: {{description: Sums, needs: [phase2], service: sums, topic: three, trigger_topic: three-trigger, tasks: [player_game_summary, {{task: team_summary, needs: [player_game_summary], required: false}}]}}
  phase4: {{description: Caches, needs: [phase3], service: caches, topic: four, trigger_topic: four-trigger, tasks: [daily_cache]}}
workflows: {{}}
alerts:
  run_failed: {{severity: critical, channels: [log]}}
  run_partial: {{severity: warning, channels: [log]}}
"""  # noqa: E501 - a table

_behaviour: dict[str, Callable[[TaskContext], int]] = {}
done: list[str] = []
"""The tasks that did their work, in order."""


def work(context: TaskContext) -> TaskOutcome:
    """Do what the test wants of a task; by default write three rows."""
    task = context.call.task
    behaviour = _behaviour.get(task)
    rows = 3 if behaviour is None else behaviour(context)
    done.append(task)
    return TaskOutcome(rows=rows)


def behave(task: str, behaviour: Callable[[TaskContext], int] | None) -> None:
    """Have a task do this from now on; None is the default."""
    if behaviour is None:
        _behaviour.pop(task, None)
    else:
        _behaviour[task] = behaviour


class ServedProject:
    """The services of one project, and what they announce."""

    def __init__(self, app: ServiceContainer, service: Service) -> None:
        self.app = app
        self.service = service

    def push(self, path: str, data: Any, **how: Any) -> Answer:
        return push(self.service, path, data, **how)

    def post(self, path: str, data: Any) -> Answer:
        return post(self.service, path, data)

    def collect(self, scraper: str) -> Any:
        return self.post("/scrape", {"scraper": scraper, "date": DAY}).json()

    def announced(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(message.data) for message in self.app.bus.messages(topic)]  # type: ignore[attr-defined]

    def statuses(self, topic: str) -> list[tuple[str, str]]:
        return [(one["processor_name"], one["status"]) for one in self.announced(topic)]

    def runs(self, name: str) -> list[str]:
        return [run.status.value for run in self.app.ledger.list(name=name)]


@contextmanager
def served(
    folder: Path, *names: str, environ: dict[str, str] | None = None, clock: Clock | None = None
) -> Iterator[ServedProject]:
    """Make the services of a project in a folder; nothing runs in the background."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "workflows.yaml").write_text(WORKFLOWS)
    for name in ("timeouts.yaml", "flags.yaml"):
        (folder / name).write_text((shipped_config_dir() / name).read_text())
    given = {"state_dir": str(folder / "state"), "config_dir": str(folder)}
    _behaviour.clear()
    done.clear()
    with ServiceContainer("test", load_settings(given, {}, folder), environ=environ or {}, clock=clock) as app:
        try:
            yield ServedProject(app, make_services(app, names))
        finally:
            _behaviour.clear()
