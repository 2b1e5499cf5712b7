"""The orchestrator's route for the scheduled job that notices that ticks have stopped."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nbactl.bootstrap.service import ServiceContainer
from nbactl.bootstrap.services import make_services
from nbactl.cli.main import main
from nbactl.config.settings import load_settings
from nbactl.core.alerts import CONDITIONS
from nbactl.ports.documents import Query
from nbactl.testing import FakeClock
from tests.kit.asgi_client import ask

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tick_beats_and_its_absence_is_an_alert(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    assert main(["schedule", "tick", "--only", "outbox", "--state-dir", state, "--quiet"]) == 0
    clock = FakeClock(datetime.now(UTC))
    app = ServiceContainer("orchestrator", load_settings({"state_dir": state}, {}, tmp_path), clock=clock, environ={})
    with closing(app):
        service = make_services(app, ["orchestrator"])

        def look() -> str:
            answer = ask(service, "/heartbeat", "POST")
            assert answer.status == 200, answer.body
            return str(answer.json()["status"])

        assert look() == "beating"
        clock.advance(app.config.timeouts["schedule.silence"] + 60)
        assert [look(), look()] == ["silent", "silent"]
        [condition] = app.documents.query(Query(CONDITIONS))
        assert (condition.data["messages"], condition.data["said"]) == (1, "alert")
        app.idempotency.close()


def test_a_tick_that_changes_nothing_is_no_tick(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    assert main(["schedule", "tick", "--dry-run", "--only", "outbox", "--state-dir", state, "--quiet"]) == 0
    app = ServiceContainer("orchestrator", load_settings({"state_dir": state}, {}, tmp_path), environ={})
    with closing(app):
        answer = ask(make_services(app, ["orchestrator"]), "/heartbeat", "POST")
        assert answer.json() == {"status": "never", "last_tick_at": None}
        app.idempotency.close()
