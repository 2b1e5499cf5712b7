"""The coordinator: production's `prediction-coordinator`. Triggers and ready messages are pushed, starts are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.messages import parse_trigger
from nbactl.core.service.service import Service
from nbactl.errors import UsageError
from nbactl.services.batches import parse_ready
from nbactl.services.http import JsonRoute, JsonRoutes, flag

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core.completions.batches import Batches
    from nbactl.core.service.push import PushMessage
    from nbactl.core.service.service import Parts
    from nbactl.services.batches import BatchCoordinator

_TIMEOUT = "service.phase"
"""Also of a ready message: the last one of a batch merges it."""
_STATUS_TIMEOUT = "service.message"


def make_coordinator(
    parts: Parts,
    coordinator: BatchCoordinator,
    batches: Batches,
    *,
    probe: Callable[[], object],
    name: str = "coordinator",
) -> Service:
    """Return the service. `probe` does what a start does before its first effect."""

    def start(body: dict[str, Any]) -> dict[str, Any]:
        day, force = body.get("game_date"), flag(body, "force")
        if not isinstance(day, str):
            raise UsageError(
                "the request names no game date", next_step='Send {"game_date": "YYYY-MM-DD", "force": false}.'
            )
        started = coordinator.start_date(GameDate.iso(day), force=force)
        return {
            "status": started.outcome,
            "batch_id": started.batch_id,
            "game_date": day,
            "expected_players": started.players,
        }

    def status(query: dict[str, Any]) -> dict[str, Any]:
        return _status(batches, str(query.get("batch_id") or "last"))

    limit = parts.timeouts[_TIMEOUT]
    routes = [
        JsonRoute("POST", "/start", start, limit, probe),
        JsonRoute("GET", "/status", status, parts.timeouts[_STATUS_TIMEOUT]),
    ]
    service = Service(name, parts, JsonRoutes(routes, clock=parts.clock, failures=parts.failures))

    # Messages of one key may differ, in their time for example, and mean the same.
    @service.push("/trigger", timeout=_TIMEOUT, key=_trigger_key, payload=lambda _: None)
    def trigger(message: PushMessage) -> None:
        coordinator.start(parse_trigger("phase5", message.json()))

    @service.push("/complete", timeout=_TIMEOUT, key=_ready_key, payload=lambda _: None)
    def complete(message: PushMessage) -> None:
        coordinator.ready(message.json())

    return service


def _trigger_key(message: PushMessage) -> str:
    return parse_trigger("phase5", message.json()).key


def _ready_key(message: PushMessage) -> str:
    batch_id, player, _ = parse_ready(message.json())
    return f"complete/{batch_id}/{player}"


def _status(batches: Batches, name: str) -> dict[str, Any]:
    entry = batches.entry(batches.find(name))
    if entry.progress is None:
        return {"batch_id": entry.batch_id, "status": "unknown", "error": str(entry.error)}
    progress = entry.progress
    return {
        "batch_id": progress.batch_id,
        "game_date": str(progress.game_date),
        "status": "complete" if progress.is_complete else "running",
        "expected_players": progress.expected,
        "completed_count": progress.completed,
        "failed_players": list(progress.failed),
        "missing_players": progress.missing,
        "total_predictions": progress.predictions,
        "completion_percentage": round(progress.percent, 1),
        "start_time": progress.start_time,
        "completion_time": progress.completion_time,
        "correlation_id": progress.correlation_id,
    }
