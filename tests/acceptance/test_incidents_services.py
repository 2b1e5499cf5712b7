"""Incidents 6 and 11 of docs/production.md: refused for ever, and healthy while nothing works."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.bootstrap.service import ServiceContainer
from nbactl.bootstrap.services import make_services
from nbactl.config.settings import load_settings
from nbactl.errors import DataError, UnavailableError
from nbactl.services.routes import SERVICES
from tests.kit.asgi_client import Answer, ask
from tests.kit.service_project import DAY, behave, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.core.service.service import Service


def raising(error: Exception) -> Any:
    def fail(_: Any) -> int:
        raise error

    return fail


def test_incident_6_a_permanent_failure_is_recorded_announced_counted_and_acknowledged(tmp_path: Path) -> None:
    with served(tmp_path, "processors") as project:
        behave("player_game_summary", raising(DataError("a row without a player")))
        assert project.push("/phase3", {"game_date": DAY, "attempt": 1}).status == 204
        assert project.runs("phase3") == ["failed"]
        assert dict(project.statuses("three")) == {"player_game_summary": "failed", "team_summary": "skipped"}
        metrics = ask(project.service, "/metrics").body.decode()
        assert 'nbactl_tasks_total{status="failed",task="player_game_summary"} 1.0' in metrics


def test_incident_6_a_transient_failure_is_delivered_again_until_it_is_over(tmp_path: Path) -> None:
    with served(tmp_path, "processors") as project:
        behave("player_game_summary", raising(UnavailableError("the warehouse is busy")))
        assert project.push("/phase3", {"game_date": DAY, "attempt": 1}).status == 503
        behave("player_game_summary", None)
        assert project.push("/phase3", {"game_date": DAY, "attempt": 1}).status == 204
        assert {name for name, status in project.statuses("three") if status == "success"} == {
            "player_game_summary",
            "team_summary",
        }


@pytest.fixture
def app(tmp_path: Path) -> Iterator[ServiceContainer]:
    settings = load_settings({"state_dir": str(tmp_path / "state")}, {}, tmp_path)
    with ServiceContainer("test", settings, environ={}) as made:
        yield made


def checked(app: ServiceContainer, service: Service, path: str) -> Answer:
    """Answer a probe of the platform after all checks have run once more."""
    before = app.health.results()
    app.health.run()
    end = time.monotonic() + 60
    while any(
        result is None or ((known := before[name]) is not None and result.at == known.at)
        for name, result in app.health.results().items()
    ):
        assert time.monotonic() < end
        time.sleep(0.01)
    service._app = None  # an answer is at most a second old: here none is
    return ask(service, path)


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_ready_when_its_routes_work(app: ServiceContainer, name: str) -> None:
    service = make_services(app, [name])
    assert service.probed
    assert checked(app, service, "/ready").json() == {"ready": True, "reasons": []}


def test_incident_11_a_service_whose_routes_cannot_import_what_they_need_is_not_ready(
    app: ServiceContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_services(app, ["processors"])
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, "nbactl.pipeline.transform", None)
        assert ask(service, "/live").status == 200
        answer = checked(app, service, "/ready")
        assert answer.status == 503
        [reason] = answer.json()["reasons"]
        assert "/phase3 does not work" in reason
        assert "nbactl.pipeline.transform" in reason
        assert checked(app, service, "/health").status == 503
    assert checked(app, service, "/ready").status == 200
