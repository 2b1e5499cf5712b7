"""How the system breaks in the situations of docs/runbook.md: what other programs, people and clouds did to it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import yaml

from nbactl.adapters.localbus.bus import LocalBus
from nbactl.bootstrap import Container
from nbactl.bootstrap.service import ServiceContainer
from nbactl.bootstrap.services import make_services
from nbactl.config.loader import shipped_config_dir
from nbactl.config.settings import load_settings
from nbactl.core._support.clock import SystemClock
from nbactl.core._support.gamedate import GameDate
from nbactl.ports.documents import Filter, Query, Set, Update
from nbactl.ports.warehouse import Rows, TableSchema
from nbactl.warehouse.tables import declared_table
from tests.integration.cli.conftest import environment
from tests.kit.asgi_client import ask
from tests.kit.batches import open_documents
from tests.kit.called import call_nbactl
from tests.kit.dead_letters import DEAD, GIVEN_UP, QUEUE, SOURCE, TOPIC, GivenIds
from tests.kit.production import report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from nbactl.ports.documents import FieldPath

DAY: Final = date(2025, 1, 6)
"""The date of the games of the page."""
DONE: Final = datetime(2025, 1, 7, 9, 0, tzinfo=UTC)
"""04:00 in New York: when the night was run."""
NOW: Final = datetime(2025, 1, 7, 14, 0, tzinfo=UTC)
"""09:00 in New York: when somebody looks."""


def nbactl(folder: Path, *words: str, code: int | None = 0, env: Mapping[str, str] | None = None) -> str:
    """Run a command of which the page does not speak; returns what it printed."""
    done = call_nbactl([*words], cwd=folder, env=environment({"COLUMNS": "200", **(env or {})}))
    assert code in (None, done.returncode), done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def opened(folder: Path) -> Iterator[Container]:
    """Open the state of a folder, as another program on this machine would."""
    with Container(load_settings({"state_dir": str(folder / ".nbactl")}, {}, folder)) as app:
        yield app


def config_with(folder: Path, **changes: Any) -> None:
    """Write the shipped files into a folder; `changes` replace keys of workflows.yaml, with dots as `__`."""
    for file in shipped_config_dir().glob("*.yaml"):
        shutil.copy(file, folder / file.name)
    if changes:
        found = yaml.safe_load((folder / "workflows.yaml").read_text())
        for path, value in changes.items():
            *parents, last = path.split("__")
            place = found
            for parent in parents:
                place = place[parent]
            place[last] = value
        (folder / "workflows.yaml").write_text(yaml.safe_dump(found, sort_keys=False))


def phase_reported(folder: Path, phase: str, names: Sequence[str], **fields: Any) -> None:
    """Write a phase document as production's programs leave it; each name reported at the end of the night."""
    document = {
        **{name: report() | {"completed_at": DONE} for name in names},
        "_completed_count": len(names),
        "_mode": "overnight",
        "_first_completion_at": DONE,
        "_last_update": DONE,
        **fields,
    }
    with closing(open_documents(folder / ".nbactl")) as store:
        store.commit([Set(f"{phase}_completion/{DAY}", document)])


def without_column(folder: Path, table: str, column: str) -> None:
    """Make a table as a program made it that does not know of a column."""
    declared = declared_table(table)
    columns = tuple(one for one in declared.columns if one.name != column)
    schema = TableSchema(declared.name, columns, declared.partition_by, declared.cluster_by)
    with opened(folder) as app:
        app.warehouse.create_table(schema)


def wrote_nothing(folder: Path, phase: str, task: str, table: str, status: str = "succeeded") -> None:
    """Leave what a processor leaves that wrote no row, and reported that all is well."""
    with opened(folder) as app:
        columns = tuple(column.name for column in app.warehouse.table(table).schema.columns)
        written = app.warehouse.replace_partitions(table, [DAY], Rows(columns, []), timeout=30.0)
        run = app.ledger.latest(phase, GameDate(DAY), app.source.key)
        assert run is not None
        changes: dict[FieldPath, Any] = {"status": status, ("versions", "writes", table): written.versions[DAY].digest}
        if status == "no_data":
            changes["rows"] = 0
        app.documents.commit([Update(f"runs/{run.run_id}/tasks/{task}", changes)])


def dead_letter(folder: Path, message: str, data: Mapping[str, Any]) -> None:
    """Leave a message in a dead-letter topic, after the deliveries that its subscription makes."""
    clock = SystemClock()
    with closing(LocalBus(folder / ".nbactl/bus.db", clock=clock, ids=GivenIds(message), busy_timeout=10.0)) as bus:
        for topic in (TOPIC, DEAD):
            bus.create_topic(topic)
        for subscription in (SOURCE, QUEUE):
            bus.create_subscription(subscription)
        bus.publish(DEAD, json.dumps(data).encode(), GIVEN_UP)


def saved_letter(folder: Path, message: str) -> dict[str, Any]:
    """Return a dead letter as it is saved, without what happened to it."""
    with closing(open_documents(folder / ".nbactl")) as store:
        (found,) = store.query(Query("dead_letters", (Filter("message_id", "==", message),)))
    return {name: value for name, value in found.data.items() if name != "history"}


def published(folder: Path, topic: str) -> int:
    """Return how many messages a topic of the local bus holds."""
    with closing(sqlite3.connect(folder / ".nbactl/bus.db")) as bus:
        tables = {name for (name,) in bus.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert "messages" in tables, tables
        (count,) = bus.execute("SELECT COUNT(*) FROM messages WHERE topic = ?", (topic,)).fetchone()
    return int(count)


def expecting(folder: Path, name: str) -> None:
    """Have phase 3 wait for a critical name that nobody sends."""
    config_with(folder)
    found = yaml.safe_load((folder / "workflows.yaml").read_text())
    phase = found["phases"]["phase3"]
    phase["expected"]["overnight"]["critical"].append(name)
    phase["tasks"].append({"task": name, "required": False})
    found["tasks"][name] = found["tasks"]["player_game_summary"]
    (folder / "workflows.yaml").write_text(yaml.safe_dump(found, sort_keys=False))


def beat(folder: Path) -> str:
    """Send what `nbactl-heartbeat` sends to the orchestrator; returns what that says of the ticks."""
    settings = load_settings({"state_dir": str(folder / ".nbactl")}, {}, folder)
    with ServiceContainer("orchestrator", settings, environ={}) as app:
        answer = ask(make_services(app, ["orchestrator"]), "/heartbeat", "POST")
        app.idempotency.close()
    return str(answer.json()["status"])
