"""Which messages are pushed to which endpoint of which service: the subscriptions of the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from nbactl.config.workflows import WorkflowsFile

SERVICES: Final = ("collector", "processors", "orchestrator", "coordinator", "worker", "exporter")
"""The services in the order in which a game date passes through them."""
DEAD_LETTER: Final = "-dead-letter"
"""What is appended to a topic's name for its dead-letter topic, and for the subscription that keeps what is in it."""


@frozen
class PushRoute:
    """A subscription that pushes to an endpoint. `timeout` is a name in timeouts.yaml.

    A message that is refused `attempts` times goes to the dead-letter topic.
    """

    subscription: str
    topic: str
    service: str
    path: str
    timeout: str
    ordered: bool = False
    attempts: int = 10

    @property
    def dead_letter_topic(self) -> str:
        """The topic that gets what cannot be delivered."""
        return f"{self.topic}{DEAD_LETTER}"


def push_routes(file: WorkflowsFile) -> tuple[PushRoute, ...]:
    """Return the subscriptions of all services. A phase that is missing in the file has none."""
    found = []
    for name, phase in file.phases.items():
        if name == "phase1":
            found.append(_route(phase.topic, "processors", "/process", "service.phase"))
        else:
            found.append(_route(phase.topic, "orchestrator", f"/completions/{name}", "service.message"))
        if phase.trigger_topic is not None and name in _STARTS:
            found += [_route(phase.trigger_topic, *start) for start in _STARTS[name]]
        if phase.fan_out is not None:
            found.append(_route(phase.fan_out.request_topic, "worker", "/predict", "task.worker"))
            found.append(_route(phase.fan_out.ready_topic, "coordinator", "/complete", "service.phase"))
    return tuple(found)


_STARTS: Final = {
    "phase3": [("processors", "/phase3", "service.phase")],
    "phase4": [("processors", "/phase4", "service.phase")],
    "phase5": [("coordinator", "/trigger", "service.phase")],
    "phase6": [("exporter", "/export", "service.phase"), ("exporter", "/grade", "service.phase")],
}
"""Where the trigger of a phase is pushed to: service, path, time limit."""


_LONG: Final = "service.phase"
_ATTEMPTS_OF_LONG: Final = 50
"""A phase that another process works on is refused meanwhile: with pauses of a minute that is most of an hour."""


def _route(topic: str, service: str, path: str, timeout: str) -> PushRoute:
    name = f"{topic}-{service}{path.replace('/', '-')}"
    if timeout == _LONG:
        return PushRoute(name, topic, service, path, timeout, attempts=_ATTEMPTS_OF_LONG)
    return PushRoute(name, topic, service, path, timeout)
