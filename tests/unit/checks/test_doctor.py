from __future__ import annotations

import dataclasses
import gc
import importlib
import shutil
import sqlite3
import subprocess
import tomllib
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.bootstrap import Container
from nbactl.bootstrap.doctor import check_context
from nbactl.checks import declared
from nbactl.checks.doctor import CHECKS, examine, machine, pipeline, state
from nbactl.checks.doctor.configs import running_services
from nbactl.checks.doctor.context import ServiceConfigs
from nbactl.config.loader import load_config
from nbactl.config.settings import load_settings
from nbactl.core.lease.holder import process_identity
from nbactl.core.lease.leases import Leases
from nbactl.errors import UnavailableError
from nbactl.pipeline.registry import PROCESSORS
from nbactl.ports.bus import Subscription
from nbactl.ports.documents import Set
from nbactl.ports.warehouse import Column, Rows, TableSchema
from nbactl.testing import FakeClock
from tests.kit.batches import open_documents
from tests.kit.bus import bus_at
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from nbactl.checks.doctor.context import CheckContext, Finding

NOW = datetime(2025, 1, 8, 17, tzinfo=UTC)


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., CheckContext]:
    def make(environ: dict[str, str] | None = None, now: datetime = NOW, **flags: str) -> CheckContext:
        settings = load_settings({"state_dir": str(tmp_path / "state"), **flags}, environ or {}, tmp_path)
        limits = {"NBACTL_TIMEOUT_DOCUMENTS_BUSY": "1s"}
        return check_context(Container(settings, clock=FakeClock(now), environ={**limits, **(environ or {})}))

    return make


def _one(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


def _dead_owner() -> str:
    host, boot, _, _, run = process_identity("run-1").split(":")
    return f"{host}:{boot}:4194304:1:{run}"  # above the largest process id there can be


def test_a_healthy_installation_has_nothing_to_complain_of_and_is_not_changed(
    context: Callable[..., CheckContext], tmp_path: Path
) -> None:
    findings = list(examine(context()))
    assert {finding.status for finding in findings} == {"ok", "skipped"}
    assert len(findings) == len(CHECKS) + 2  # and the services and jobs of `up`
    assert list(tmp_path.iterdir()) == []


def test_incident_12_a_timer_that_does_not_call_any_more_is_named(
    context: Callable[..., CheckContext], tmp_path: Path
) -> None:
    def look(now: datetime = NOW) -> Finding:
        return _one(state.ticks(context(now=now)))

    assert look().status == "skipped"
    (tmp_path / "state").mkdir()
    with closing(open_documents(tmp_path / "state")) as store:
        store.commit([Set("workflow_decisions/one", {"decided_at": NOW - timedelta(days=3)})])
        store.commit([Set("workflow_decisions/two", {"decided_at": NOW - timedelta(hours=20)})])
    assert (look().status, look().message) == ("ok", "the last decision was made 20h00m ago")
    found = look(NOW + timedelta(hours=10))
    assert (found.status, found.message) == ("warn", "the last decision was made 30h00m ago")
    assert "nbactl schedule tick" in (found.fix or "")


def test_incident_4_a_file_that_differs_from_what_is_committed_is_named(
    context: Callable[..., CheckContext], tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        shutil.copy(ROOT / name, folder)

    def look() -> Finding:
        return _one(pipeline.configuration(context(config_dir=str(folder))))

    assert look().status == "ok", "there is no git to ask"
    git = ["git", "-C", str(folder), "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "As deployed"]):
        subprocess.run([*git, *words], check=True)
    assert look().status == "ok"
    with (folder / "workflows.yaml").open("a") as file:
        file.write("# tried on this machine\n")
    found = look()
    assert (found.status, found.message) == ("warn", f"workflows.yaml of {folder} differs from what is committed")
    subprocess.run([*git, "commit", "-qam", "Keep it"], check=True)
    assert look().status == "ok"


def test_every_complaint_says_what_to_do(context: Callable[..., CheckContext], tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    environ = {"NBACTL_TARGTE": "gcp", "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"}
    sick = context(config_dir="/nowhere", source="path:/nowhere", target="gcp", environ=environ)
    findings = list(examine(sick))
    wrong = {finding.name: finding for finding in findings if finding.status in ("warn", "failed")}
    assert set(wrong) == {"environment", "configuration", "source", "target", "state directory"}
    assert all(finding.fix for finding in wrong.values())
    assert wrong["environment"].fix == "Did you mean NBACTL_TARGET?"
    assert {f.status for f in wrong.values() if f.name not in {"environment", "target"}} == {"failed"}


def test_dependencies_are_those_of_the_package_with_their_ranges() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {name + machine._range(package) for name, package in machine.PACKAGES.items()} == set(
        project["dependencies"]
    )
    assert project["requires-python"] == f">={'.'.join(map(str, machine.PYTHON))}"


@pytest.mark.parametrize(("version", "status"), [("0.29.1", "failed"), ("0.29.2", "ok"), ("0.30.0", "failed")])
def test_a_dependency_out_of_its_range_is_found(
    context: Callable[..., CheckContext], monkeypatch: pytest.MonkeyPatch, version: str, status: str
) -> None:
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version if name == "typer" else real(name))
    findings = list(machine.dependencies(context()))
    assert findings[0].status == status
    if status == "failed":
        assert findings[0].fix == "Install it again: pip install 'typer>=0.29.2,<0.30'"


def test_a_dependency_that_cannot_be_imported_is_found(
    context: Callable[..., CheckContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(machine.PACKAGES, "nothing-such", machine.Package("nothing_such", (1,)))
    broken = next(finding for finding in machine.dependencies(context()) if finding.status == "failed")
    assert broken.message == "nothing-such cannot be imported"
    assert broken.cause == "No module named 'nothing_such'"


@pytest.mark.parametrize(("free", "status"), [(50, "failed"), (500, "warn"), (5000, "ok")])
def test_little_room_is_reported(
    context: Callable[..., CheckContext], monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    usage = type("Usage", (), {"free": free * 1024 * 1024})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert _one(state.state_dir(context())).status == status


def test_a_damaged_document_store_is_found(context: Callable[..., CheckContext]) -> None:
    ill = context()
    with closing(ill.open_embedded()) as store:
        Leases(store, ill.clock, is_dead=lambda _: False).acquire("phase3/2025-01-07", "somebody", 30.0)
    assert _one(state.documents(ill)).status == "ok"
    raw = ill.documents_file.read_bytes()
    ill.documents_file.write_bytes(raw[:4096] + b"\xff" * (len(raw) - 4096))
    found = _one(state.documents(ill))
    assert found.status == "failed"
    assert found.fix
    assert [_one(check(ill)).status for check in (pipeline.interrupted_runs, state.leases)] == ["skipped", "skipped"]
    gc.collect()  # a connection that a failed read left open is a warning now


def test_a_damaged_warehouse_is_found_whatever_source_it_belongs_to(context: Callable[..., CheckContext]) -> None:
    ill = context()
    assert _one(state.warehouses(ill)).status == "skipped"
    for source in ("path-nba-1", "sample"):
        file = ill.settings.state_dir / "data" / source / "warehouse.duckdb"
        with closing(DuckDbWarehouse(file, clock=ill.clock, lock_wait=1.0, holder="test")) as warehouse:
            warehouse.create_table(TableSchema("nba_raw.games", (Column("game_id", "STRING"),)))
    assert [finding.status for finding in state.warehouses(ill)] == ["ok", "ok"]
    file.write_text("garbage")
    healthy, damaged = state.warehouses(ill)
    assert "path-nba-1" in healthy.message
    assert healthy.message.endswith("1 tables")
    assert (damaged.status, bool(damaged.cause), bool(damaged.fix)) == ("failed", True, True)


def test_rows_that_another_program_changed_are_found(context: Callable[..., CheckContext]) -> None:
    ill = context()
    file = ill.settings.state_dir / "data" / "sample" / "warehouse.duckdb"
    table = TableSchema("nba_raw.games", (Column("day", "DATE"), Column("points", "INT64")), partition_by="day")
    days = [date(2025, 1, day) for day in (1, 2, 3)]
    with closing(DuckDbWarehouse(file, clock=ill.clock, lock_wait=1.0, holder="test")) as warehouse:
        warehouse.create_table(table)
        rows = Rows(("day", "points"), [(days[0], 1), (days[1], 2)])
        warehouse.replace_partitions(table.name, days, rows, timeout=5.0)
        warehouse.create_table(TableSchema("nba_raw.flat", (Column("a", "INT64"),)))
    assert _one(state.warehouses(ill)).status == "ok"
    changed = {
        "UPDATE nba_raw.games SET points = 7 WHERE points = 2": "another program changed nba_raw.games 2025-01-02 in ",
        "DELETE FROM nba_raw.games": "another program changed nba_raw.games 2025-01-01, nba_raw.games 2025-01-02 in ",
        "INSERT INTO nba_raw.games SELECT DATE '2025-01-01' + r::INT, 1 FROM range(3) t(r)": "2025-01-02, nba_raw",
    }
    for statement, said in changed.items():
        import duckdb

        with duckdb.connect(str(file)) as connection:
            connection.execute(statement)
        found = _one(state.warehouses(ill))
        assert found.status == "failed"
        assert said in found.message
        assert found.fix
    assert "--from 2025-01-02 --to 2025-01-03 --force" in (_one(state.warehouses(ill)).fix or "")


def test_a_file_that_is_no_document_store_is_found(context: Callable[..., CheckContext]) -> None:
    ill = context()
    ill.documents_file.parent.mkdir()
    with closing(sqlite3.connect(ill.documents_file)) as other:
        other.execute("CREATE TABLE theirs (x)")
    assert _one(state.documents(ill)).status == "failed"


def test_a_damaged_or_foreign_message_bus_is_found(context: Callable[..., CheckContext]) -> None:
    looked_at = context()
    file = looked_at.settings.state_dir / "bus.db"
    with closing(bus_at(file, "work", "dead")) as bus:
        bus.create_subscription(Subscription("worker", "work", "dead"))
        bus.publish("work", b"waits")
    finding = _one(state.bus(looked_at))
    assert (finding.status, "1 deliveries waiting" in finding.message) == ("ok", True)
    raw = file.read_bytes()
    file.write_bytes(raw[:4096] + b"\xff" * (len(raw) - 4096))
    damaged = _one(state.bus(looked_at))
    assert (damaged.status, bool(damaged.cause), bool(damaged.fix)) == ("failed", True, True)
    file.unlink()
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("CREATE TABLE players (name TEXT)")
    foreign = _one(state.bus(looked_at))
    assert (foreign.status, "deliveries" in str(foreign.cause)) == ("failed", True)


def test_leases_of_the_dead_are_reported_with_what_takes_them_over(context: Callable[..., CheckContext]) -> None:
    ill = context()
    with closing(ill.open_embedded()) as store:
        leases = Leases(store, ill.clock, is_dead=lambda _: False)
        leases.acquire("phase2/2025-01-07", process_identity("run-2"), 30.0)
        leases.acquire("phase3/2025-01-07", _dead_owner(), 30.0)
    found = _one(state.leases(ill))
    assert (found.status, found.cause) == ("warn", "Its process is dead.")
    assert found.message.startswith("phase3/2025-01-07 was left behind by pid 4194304")
    assert "`nbactl run phase3 --date 2025-01-07` takes it over" in str(found.fix)


def test_dead_letters_that_nobody_decided_on_are_counted(context: Callable[..., CheckContext]) -> None:
    ill = context()
    assert _one(state.dead_letters(ill)).status == "ok"
    with closing(ill.open_embedded()) as store:
        store.commit([Set(f"dead_letters/{name}", {"open_since": NOW}) for name in ("a", "b")])
        store.commit([Set("dead_letters/archived", {"state": "archived"})])
    found = _one(state.dead_letters(ill))
    assert (found.status, found.message) == ("warn", "2 wait for a decision")
    assert "nbactl dlq list" in str(found.fix)


def test_a_lease_that_ran_out_is_reported(context: Callable[..., CheckContext]) -> None:
    ill = context()
    with closing(ill.open_embedded()) as store:
        Leases(store, ill.clock, is_dead=lambda _: False).acquire("phase3/2025-01-07", "somebody", 30.0)
    later = context(now=NOW + timedelta(minutes=1))
    assert _one(state.leases(ill)).status == "ok"
    assert _one(state.leases(later)).status == "warn"


def test_crash_reports_are_named(context: Callable[..., CheckContext]) -> None:
    ill = context()
    (ill.settings.state_dir / "crash").mkdir(parents=True)
    (ill.settings.state_dir / "crash" / "20250108T170000Z.txt").write_text("Traceback")
    assert _one(state.crash_reports(ill)).status == "warn"


def _changed(folder: Path, old: str, new: str) -> Path:
    for name in ("workflows.yaml", "timeouts.yaml", "flags.yaml"):
        (folder / name).write_text((ROOT / name).read_text())
    text = (folder / "workflows.yaml").read_text()
    assert old in text
    (folder / "workflows.yaml").write_text(text.replace(old, new, 1))
    return folder


def test_inv_10_a_task_whose_processor_is_not_registered_is_refused_where_it_stands(
    context: Callable[..., CheckContext], tmp_path: Path
) -> None:
    folder = _changed(tmp_path, "processor: raw.games", "processor: raw.game")
    (problem,) = declared.undone_declarations(load_config(folder), PROCESSORS)
    assert "'raw.game', which is not registered" in problem.message
    assert problem.suggestion == "Did you mean 'raw.games'?"
    assert problem.line is not None
    line = (folder / "workflows.yaml").read_text().splitlines()[problem.line - 1]
    assert line.strip() == "processor: raw.game"
    found = _one(pipeline.tasks(context(config_dir=str(folder))))
    assert (found.status, found.fix) == ("failed", "Did you mean 'raw.games'?")


@pytest.mark.parametrize(
    ("work", "told"),
    [("call: no_such_module:f", "cannot be found"), ("command: [no-such-program]", "is not on the PATH")],
)
def test_inv_10_a_task_that_nothing_can_do_is_refused(tmp_path: Path, work: str, told: str) -> None:
    folder = _changed(tmp_path, "processor: raw.games", work)
    (problem,) = declared.undone_declarations(load_config(folder), PROCESSORS)
    assert told in problem.message


def configs(
    reported: dict[str, str],
    unanswered: Mapping[str, str] = MappingProxyType({}),
    silent: tuple[str, ...] = (),
    *,
    in_repository: bool = False,
) -> ServiceConfigs:
    return ServiceConfigs("aa", in_repository, reported, unanswered, silent)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, [("skipped", "no service runs")]),
        (configs({"worker": "aa", "exporter": "aa"}), [("ok", "2 services use that of the files here")]),
        (
            configs({"worker": "bb", "exporter": "aa"}, {"collector": "no answer"}, ("old",), in_repository=True),
            [
                ("warn", "worker: another configuration than that of the last commit"),
                ("warn", "not known of collector"),
                ("ok", "1 service uses that of the last commit; not reported by old"),
            ],
        ),
    ],
)  # fmt: skip
def test_services_of_up_with_another_configuration_are_named(
    context: Callable[..., CheckContext], found: ServiceConfigs | None, expected: list[tuple[str, str]]
) -> None:
    findings = list(running_services(dataclasses.replace(context(), service_configs=lambda: found)))
    assert [(finding.status, finding.message) for finding in findings] == expected


def test_a_store_that_cannot_be_read_does_not_end_the_check_of_services(context: Callable[..., CheckContext]) -> None:
    def refuse() -> None:
        raise UnavailableError("the store is locked")

    finding = _one(running_services(dataclasses.replace(context(), service_configs=refuse)))
    assert (finding.status, finding.message) == ("skipped", "the services cannot be read: the store is locked")
