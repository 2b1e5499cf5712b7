"""The exporter and grader: production's `phase6-export`. One trigger is pushed to both, and each runs its task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core.phases.messages import parse_trigger
from nbactl.core.service.service import Service
from nbactl.services.runs import check_ended
from nbactl.workflows.model import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.core.service.push import PushMessage
    from nbactl.core.service.service import Parts
    from nbactl.services.runs import ServiceRuns

_PHASE = "phase6"
_TASKS = {"/export": "predictions_export", "/grade": "prediction_accuracy"}


def make_exporter(parts: Parts, runs: ServiceRuns, *, probe: Callable[[], object], name: str = "exporter") -> Service:
    """Return the service. `probe` does what a run does without changing anything."""
    service = Service(name, parts)
    for path, task in _TASKS.items():
        _serve(service, runs, path, task, probe)
    return service


def _serve(service: Service, runs: ServiceRuns, path: str, task: str, probe: Callable[[], object]) -> None:
    def key(message: PushMessage) -> str:
        return f"{parse_trigger(_PHASE, message.json()).key}{path}"

    @service.push(path, timeout="service.phase", key=key, payload=lambda _: None, probe=probe)
    async def run(message: PushMessage) -> None:
        trigger = parse_trigger(_PHASE, message.json())
        day = trigger.game_date
        # Both tasks are of one phase and date, whose lease one run has at a time.
        request = RunRequest((_PHASE,), (day,), only=(task,), upstream="skip")
        ended = await runs.execute(request, turn=f"{_PHASE}/{day}", since=trigger.decided_at)
        check_ended(ended, frozenset((task,)))
