"""The start of a game date: its scrapers, asked for one after the other at the collector."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import httpx2

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.config.workflows import WorkflowsFile
    from nbactl.core._support.gamedate import GameDate

_OK, _LATER = 200, frozenset({409, 429, 503})
_UNDECLARED: Final = "declares no scraper in workflows.yaml"


def collect_date(
    workflows: WorkflowsFile,
    day: GameDate,
    url: str,
    *,
    timeout: float,
    pause: Callable[[], None],
    is_stopped: Callable[[], bool],
    say: Callable[..., None],
) -> None:
    """Have the collector at `url` run the tasks of phase 1.

    A request that gets no answer, or that comes too early, is made again after a `pause`: what is done is not done
    again. `timeout` is seconds for one request.
    """
    with httpx2.Client(trust_env=False, timeout=timeout) as client:
        for use in workflows.phases["phase1"].tasks:
            service = workflows.tasks[use.task].service
            scraper = None if service is None else service.body.get("scraper")
            if scraper is None:
                say(f"{use.task} {_UNDECLARED}", "WARNING")
                continue
            while not is_stopped():
                try:
                    answer = client.post(f"{url}/scrape", json={"scraper": scraper, "date": str(day)})
                except httpx2.TransportError:
                    pause()
                    continue
                if answer.status_code not in _LATER:
                    _say_answer(use.task, day, answer, say)
                    break
                pause()


def _say_answer(task: str, day: GameDate, answer: httpx2.Response, say: Callable[..., None]) -> None:
    try:
        body: dict[str, Any] = answer.json()
        problem = body["error"]["message"] if "error" in body else _failures(body)
    except (json.JSONDecodeError, KeyError, TypeError):
        problem = f"answer {answer.status_code}"
    if problem or answer.status_code != _OK:
        say(f"{task} for {day} was not collected: {problem}", "ERROR")


def _failures(body: dict[str, Any]) -> str:
    return "; ".join(str(result["error"]) for result in body.get("results", ()) if result.get("error"))
