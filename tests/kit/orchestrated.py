"""The orchestrator as a service composes it, with a clock and a bus of the test; messages come over ASGI."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.bootstrap.phases import make_phase_recorder
from nbactl.bootstrap.service import ServiceContainer
from nbactl.config.settings import load_settings
from nbactl.core.outbox.outbox import KEY_ATTRIBUTE
from nbactl.services.orchestrator import make_orchestrator
from nbactl.services.routes import push_routes
from nbactl.testing import FakeClock, memory_bus
from tests.kit.handoffs import TOPICS
from tests.kit.production import DAY, NIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.core.phases.recording import PhaseRecorder
    from nbactl.core.service.service import Service
    from nbactl.ports.alerts import Alert
    from tests.kit.engines import Engine


@dataclass
class Orchestrated:
    """A running orchestrator."""

    app: ServiceContainer
    clock: FakeClock
    service: Service
    recorder: PhaseRecorder
    bus: Any
    alerts: list[Alert]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def push(self, phase: str, processor: str, *, status: str = "success", rows: int | None = 120, **more: Any) -> int:
        """Push a completion as a processor announces it, and return the status of the answer."""
        number = next(self._numbers)
        data = {
            "processor_name": processor,
            "phase": f"phase_{phase[-1]}",
            "game_date": DAY,
            "status": status,
            "record_count": rows,
            "execution_id": f"exec-{number}",
            "timestamp": self.clock.now().isoformat(),
            **more,
        }
        return self.push_raw(phase, json.dumps(data).encode())

    def push_raw(self, phase: str, data: bytes) -> int:
        """Push a message, whatever is in it."""
        message = {"data": base64.b64encode(data).decode(), "messageId": f"m-{next(self._numbers)}"}
        body = json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()
        return asyncio.run(self._post(f"/completions/{phase}", body))

    async def _post(self, path: str, body: bytes) -> int:
        given, status = [{"type": "http.request", "body": body, "more_body": False}], []

        async def receive() -> Any:
            if given:
                return given.pop()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])

        await self.service({"type": "http", "path": path, "method": "POST", "headers": []}, receive, send)
        return int(status[0])

    def keys(self, topic: str) -> list[str]:
        """Return the keys of what was published to start a phase."""
        return [message.attributes[KEY_ATTRIBUTE] for message in self.bus.messages(topic)]

    def later(self, **of: float) -> list[str]:
        """Let time pass and sweep; returns the steps."""
        minutes = of.get("minutes", 0) + 60 * of.get("hours", 0)
        self.clock.advance(60.0 * minutes + of.get("seconds", 0))
        swept = self.recorder.sweep()
        assert not swept.failed
        return [step.what for step in swept.steps]


@contextmanager
def orchestrator(engine: Engine, folder: Path, config: Path | None = None, **environ: str) -> Iterator[Orchestrated]:
    """Compose the orchestrator on an engine; `config` is the folder of its YAML files, by default the shipped ones."""
    given: dict[str, Any] = {"state_dir": str(folder / "state")}
    if config is not None:
        given["config_dir"] = str(config)
    if engine.capabilities.emulator:
        given |= {"target": "gcp", "project": engine.place}
    clock = FakeClock(NIGHT)
    variables = {**os.environ, **engine.environment(), **environ}
    app = ServiceContainer("orchestrator", load_settings(given, {}, folder), clock=clock, environ=variables)
    app.engine = engine.open(clock)
    # The run history of production, which is asked on gcp, is in a warehouse that is empty.
    app.warehouse = DuckDbWarehouse(folder / "w.duckdb", clock=clock, lock_wait=5.0, holder="test")
    app.bus = bus = memory_bus(clock, *TOPICS)
    alerts: list[Alert] = []
    recorder = make_phase_recorder(app, alerts.append)
    service = make_orchestrator("orchestrator", app, recorder, push_routes(app.config.workflows))
    try:
        yield Orchestrated(app, clock, service, recorder, bus, alerts)
    finally:
        app.idempotency.close()
        app.close()
