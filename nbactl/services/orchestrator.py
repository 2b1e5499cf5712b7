"""The orchestrator: takes what processors announce, and hands a game date on from phase to phase.

Its sweep runs in the background (`bootstrap/services.py`), so that deadlines need no message.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbactl.core.outbox.outbox import KEY_ATTRIBUTE
from nbactl.core.phases.messages import parse_completion
from nbactl.core.service.service import Service
from nbactl.services.http import JsonRoute, JsonRoutes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbactl.core.phases.recording import PhaseRecorder
    from nbactl.core.service.push import PushMessage
    from nbactl.core.service.service import Parts
    from nbactl.reporting.heartbeat import Pulse
    from nbactl.services.routes import PushRoute

NAME: Final = "orchestrator"
_PATH: Final = "/completions/"


def make_orchestrator(
    name: str,
    parts: Parts,
    recorder: PhaseRecorder,
    routes: Iterable[PushRoute],
    *,
    probe: Callable[[str], object] | None = None,
    heartbeat: Callable[[], Pulse] | None = None,
) -> Service:
    """Return the service with an endpoint for the completions of each phase that `routes` push to it.

    A message that no retry will mend is answered 400, so that the subscription's dead letter keeps it: one that is not
    a completion, and one of a processor that is not declared. What may pass is answered 503. `probe` does for a phase
    what recording a completion does, without changing anything. `heartbeat` looks whether ticks still come.
    """
    service = Service(name, parts, None if heartbeat is None else _heartbeat(parts, heartbeat))
    for route in routes:
        if route.service == NAME and route.path.startswith(_PATH):
            phase = route.path.removeprefix(_PATH)
            tested = None if probe is None else partial(probe, phase)
            service.push(route.path, timeout=route.timeout, key=_key, probe=tested)(_recording(recorder, phase))
    return service


def _heartbeat(parts: Parts, look: Callable[[], Pulse]) -> JsonRoutes:
    """Return `POST /heartbeat`, which a scheduled job calls: it alerts if ticks have stopped, and says what it saw."""

    def answer(_: dict[str, Any]) -> dict[str, Any]:
        pulse = look()
        return {"status": pulse.state, "last_tick_at": pulse.last_tick_at}

    route = JsonRoute("POST", "/heartbeat", answer, parts.timeouts["service.message"])
    return JsonRoutes([route], clock=parts.clock, failures=parts.failures)


def _recording(recorder: PhaseRecorder, phase: str) -> Callable[[PushMessage], None]:
    def record(message: PushMessage) -> None:
        # The topic says the phase; what messages say of it has many spellings.
        recorder.record(replace(parse_completion(message.json()), phase=phase))

    return record


def _key(message: PushMessage) -> str:
    """Return what names the work: the outbox publishes a message under the same key when it publishes it again."""
    return message.attributes.get(KEY_ATTRIBUTE) or message.message_id
