from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.adapters.pubsub.bus import PubSubBus
from nbactl.bootstrap import Container
from nbactl.config.settings import load_settings
from nbactl.core._support.gamedate import GameDate
from nbactl.errors import BreakerOpenError, ConfigError, NotFoundError
from nbactl.workflows.model import RunRequest
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from nbactl.core.observe.events import Event

DAY = GameDate(date(2024, 12, 1))


def application(folder: Path, **flags: Any) -> Container:
    return Container(load_settings({"state_dir": str(folder / "state"), **flags}, {}, folder))


def test_nothing_is_made_before_it_is_asked_for(tmp_path: Path) -> None:
    with application(tmp_path) as made:
        assert made.config.workflows.phases
        assert made.runner.planner is made.planner
    assert not (tmp_path / "state").exists()


def test_each_source_has_a_folder_of_its_own(tmp_path: Path) -> None:
    with application(tmp_path) as made:
        assert made.data_dir == tmp_path / "state" / "data" / made.source.key


def test_on_gcp_runs_need_a_project_and_plans_do_not(tmp_path: Path) -> None:
    with application(tmp_path, target="gcp") as made:
        with pytest.raises(ConfigError, match="target gcp needs a project") as refused:
            _ = made.runner
        assert refused.value.exit_code == 2
    settings = load_settings({"state_dir": str(tmp_path / "state"), "target": "gcp"}, {}, tmp_path)
    with Container(settings, reads_only=True) as made:
        (plan,) = made.planner.plan(RunRequest(("phase1",), (DAY,)))
        assert {task.work.kind for task in plan.tasks} == {"service"}


@pytest.mark.parametrize(
    ("expression", "forbidden"),
    [
        (
            "from nbactl.bootstrap import Container",
            ("pydantic", "yaml", "duckdb", "sqlglot", "sqlite3", "asyncio", "rich"),
        ),
        (
            "import nbactl.bootstrap as b; a = b.Container(load()); a.config; a.ledger.list()",
            ("duckdb", "sqlglot", "rich"),
        ),
        ("import nbactl.bootstrap as b; a = b.Container(load()); a.runner", ("duckdb", "sqlglot", "rich")),
    ],
)
def test_modules_are_loaded_only_when_needed(tmp_path: Path, expression: str, forbidden: tuple[str, ...]) -> None:
    program = f"""
import sys
def load():
    from pathlib import Path
    from nbactl.config.settings import load_settings
    return load_settings({{"state_dir": {str(tmp_path)!r}}}, {{}}, Path({str(tmp_path)!r}))
{expression}
print(*[name for name in {forbidden!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


def test_policies_breakers_idempotency_and_outbox_are_built_from_timeouts_yaml(tmp_path: Path) -> None:
    heard: list[Event] = []
    settings = load_settings({"state_dir": str(tmp_path / "state")}, {}, tmp_path)
    environ = {"NBACTL_TIMEOUT_HTTP_REQUEST": "29s", "ENABLE_IDEMPOTENCY_KEYS": "true"}
    with Container(settings, environ=environ, hook=heard.append) as made:
        assert made.policies["scraper"].settings.attempt == 29.0
        made.breaker_beat.start()
        made.policies.breakers["stats_nba"].open("broken")
        keeper = made.idempotency_of("worker")
        assert [keeper.run("key", lambda: "done") for _ in range(2)] == ["done", "done"]
        made.documents.commit([made.outbox.message("decision/1", "nba-phase3-trigger", {})])
        assert made.outbox.drive("decision/1")
        bus = made.bus
        assert isinstance(bus, LocalBus)
        [message] = bus.messages("nba-phase3-trigger")
        assert message.attributes == {"outbox_key": "decision/1"}
        record = made.documents.get("message_dedup/key")
        assert record is not None
        assert (record.data["expires_at"] - record.data["processed_at"]).days == 7
    assert {event.kind for event in heard} >= {"breaker.open", "idempotency.replayed", "outbox.published"}
    with Container(settings) as later:
        assert [(each.name, each.state) for each in later.shared_breakers.known()] == [("stats_nba", "open")]
        later.breaker_beat.start()
        assert later.policies["scraper"].breaker is not None
        later.breaker_beat.sync()
        with pytest.raises(BreakerOpenError):
            later.policies["scraper"].call(int)


def test_on_gcp_the_bus_is_pubsub_under_its_policy(tmp_path: Path) -> None:
    with application(tmp_path, target="gcp", project="p-1") as made:
        assert made.policies["pubsub"].settings.total == 150.0
        assert isinstance(made.bus, PubSubBus)


def test_the_embedded_bus_has_the_topics_of_the_phases(tmp_path: Path) -> None:
    with application(tmp_path) as made:
        assert isinstance(made.bus, LocalBus)
        assert "nba-phase3-analytics-complete" in made.bus.topics()
        assert set(made.bus.topics()) == made.config.workflows.topics


def test_on_local_the_services_are_those_that_up_runs(tmp_path: Path) -> None:
    with application(tmp_path) as made:
        assert not made.target.HAS_DEPLOYED_SERVICES, "commands of flags see to those of Cloud Run only"
        assert list(made.deployed_services.list()) == []
        with pytest.raises(NotFoundError, match="there is no service worker on this machine") as refused:
            made.deployed_services.get("worker")
        assert refused.value.next_step == "Start the services: nbactl up"


def test_on_local_measurements_are_empty_without_up_and_its_bus(tmp_path: Path) -> None:
    with application(tmp_path) as made:
        measured, now = made.target.measurements(made), made.clock.now()
        assert measured.requests("worker", now, now) == {}
        assert measured.instances("worker", now, now) is None
        assert measured.backlogs() == {}


def test_what_cannot_be_closed_keeps_nothing_else_open(tmp_path: Path) -> None:
    made = application(tmp_path)
    _ = made.documents

    def fail() -> None:
        raise OSError("it will not close")

    made.closing.callback(fail)
    with pytest.raises(OSError, match="it will not close"):
        made.close()
    with pytest.raises(RuntimeError, match="is closed"):
        made.documents.get("a/b")
