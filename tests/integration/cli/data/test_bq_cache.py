"""`nbactl bq cache`: what BigQuery's cache and that of the gateway answered, and why queries are not cached."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.sqlite.documents import SqliteDocuments
from nbactl.cli.main import main
from nbactl.core._support.clock import SystemClock
from nbactl.core.observe.daily_counts import FLUSH
from nbactl.ports.documents import Set
from nbactl.ports.warehouse import Column, Rows, TableLayout, TableSchema
from nbactl.testing import FakeClock, emulator_documents
from nbactl.warehouse.costs.cache import measure_cache
from nbactl.warehouse.costs.cache_counts import CacheCounts, read_counts
from nbactl.warehouse.gateway import QueryGateway
from tests.integration.cli.data.conftest import Done
from tests.integration.warehouse.counted_gateway import AskedWarehouse
from tests.kit.bigquery import LOCATION
from tests.kit.job_days import DECISIONS, GIB, TIMEOUT, JobDays, job_days

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOG = "nba_orchestration.phase_execution_log"
BUFFERED = "nba_orchestration.streamed"
OTHER = "bigquery-public-data"
COUNT = "SELECT COUNT(*) FROM nba_raw.game_decisions"


@pytest.fixture
def days() -> Iterator[JobDays]:
    with job_days(2) as made:

        def stream(row: str) -> None:
            made.warehouse._calls.client.get().insert_rows_json(f"{made.project}.{BUFFERED}", [{"a": row}])

        for name in (LOG, BUFFERED):
            made.warehouse.create_table(TableSchema(name, (Column("a", "STRING"),)))
            made.warehouse.load(name, Rows(("a",), [("x",)]), timeout=TIMEOUT)
        for day in (0.0, 0.1, 0.2):
            made.go_to(day)
            made.read(GIB, cache=True)
            stream("y")
            made.warehouse.query(f"SELECT a, CURRENT_TIMESTAMP() FROM {LOG}", timeout=TIMEOUT)  # noqa: S608
            made.warehouse.query(f"SELECT a FROM {BUFFERED}", timeout=TIMEOUT)  # noqa: S608
        made.go_to(0.5)
        made.warehouse.load(DECISIONS, Rows(("workflow_name",), [("b",)]), timeout=TIMEOUT)
        made.read(GIB, cache=True)
        made.go_to(0.6)
        stream("z")
        yield made


def test_hits_are_counted_by_kind_and_reasons_are_found(
    days: JobDays,
    firestore_address: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", days.server.address)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)

    def call(*words: str) -> Done:
        code = main(["bq", "cache", *words, "--target", "gcp", "--project", days.project, "--region", LOCATION])
        return Done(code, *capsys.readouterr())

    with closing(emulator_documents(firestore_address, days.project)) as store:
        counts = CacheCounts(lambda: store, SystemClock())
        for outcome in ("hits", "hits", "hits", "misses", "bypassed"):
            counts.add("decisions", outcome)
        counts.flush()
    for name in ((f"{OTHER}.samples", "games"), ("nba_raw", "INFORMATION_SCHEMA.TABLES")):
        job = next(job for job in days.server._jobs.all() if LOG in str(job.sql) and job.statement == "SELECT")
        job.references.append(name)  # neither can be described
    data = call("-o", "json").data
    kinds = {kind["kind"]: kind for kind in data["kinds"]}
    assert kinds["decisions"]["engine"] == {"asked": 4, "hits": 2, "percent": 50.0}
    assert kinds["logs"]["engine"]["hits"] == 0
    assert kinds["decisions"]["own"] == {"asked": 4, "hits": 3, "percent": 75.0, "bypassed": 1}
    assert {name: kind["ttl_seconds"] for name, kind in kinds.items()} == {
        "decisions": 86_400.0, "logs": 3_600.0, "other": 3_600.0,
    }  # fmt: skip
    reasons = {query["text"].partition("FROM ")[2].split()[0]: query["reasons"] for query in data["queries"]}
    assert reasons[DECISIONS] == ["its tables were changed 2 times meanwhile"]
    assert reasons[LOG][0] == "CURRENT_TIMESTAMP() answers differently each time"
    assert f"{BUFFERED} has rows in the streaming buffer" in reasons[BUFFERED]
    again = {kind["kind"]: kind["engine"] for kind in call("-o", "json").data["kinds"]}
    assert again == {name: kind["engine"] for name, kind in kinds.items()}, "a look counts itself"
    shown = call()
    assert "why: CURRENT_TIMESTAMP() answers differently each time" in shown.out
    assert "75 %" in shown.out


def test_without_a_reason_the_report_says_what_may_be(days: JobDays, tmp_path: Path) -> None:
    for text in ("x", "y"):
        days.read(GIB, text, cache=True)
    with closing(SqliteDocuments(tmp_path / "d.db", clock=days.clock, busy_timeout=5.0, indexes=())) as store:
        days.go_to(0.7)
        report = measure_cache(
            days.history, store, lambda name: TableLayout(TableSchema(name, ()), kind="external table"),
            since=timedelta(hours=3), now=days.clock.now(), timeout=TIMEOUT,
        )  # fmt: skip
    [query] = [query for query in report.queries if query.kind == "decisions"]
    assert query.jobs == 2
    assert "external table" in query.reasons[0]
    assert (report.engine["decisions"].asked, report.own["logs"].percent) == (2, None)


class Lab:
    """A process with the gateway and a state that others share."""

    def __init__(self, folder: Path, clock: FakeClock, busy: float = 5.0) -> None:
        self.engine = AskedWarehouse(folder / "w.duckdb", clock=clock, lock_wait=5.0, holder="test")
        self.store = SqliteDocuments(folder / "d.db", clock=clock, busy_timeout=busy, indexes=())
        self.ttl = {"decisions": 86_400.0, "logs": 3_600.0, "other": 60.0}
        self.gateway = QueryGateway(
            self.engine, clock, enabled=lambda _: True, ttl=self.ttl.__getitem__,
            counts=CacheCounts(lambda: self.store, clock),
        )  # fmt: skip

    def close(self) -> None:
        self.gateway.close()
        self.store.close()


def test_our_hit_rate_survives_processes_and_each_kind_has_its_time(tmp_path: Path) -> None:
    clock = FakeClock()
    with closing(Lab(tmp_path, clock)) as one:
        for name in ("game_decisions", "game_log", "games"):
            one.gateway.create_table(TableSchema(f"nba_raw.{name}", (Column("a", "STRING"),)))
            one.engine.load(f"nba_raw.{name}", Rows(("a",), [("x",)]), timeout=TIMEOUT)
        clock.advance(1.0)
        for pause in (2, 21, 0):  # hours until the next round
            for name in ("game_decisions", "game_log", "games"):
                one.gateway.query(f"SELECT a FROM nba_raw.{name}", timeout=TIMEOUT)  # noqa: S608
            clock.advance(3600.0 * pause)
        one.gateway.query("SELECT CURRENT_DATE()", timeout=TIMEOUT)
    with closing(Lab(tmp_path, clock)) as two:
        for _ in range(2):
            two.gateway.query("SELECT a FROM nba_raw.game_decisions", timeout=TIMEOUT)
    with closing(SqliteDocuments(tmp_path / "d.db", clock=clock, busy_timeout=5.0, indexes=())) as store:
        counts = read_counts(store, clock.now() - timedelta(days=2), clock.now())
    assert counts == {
        "decisions_misses": 2, "decisions_hits": 3, "logs_misses": 3, "other_misses": 3, "other_bypassed": 1,
    }  # fmt: skip


def test_a_store_that_does_not_answer_fails_no_query(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    with closing(Lab(tmp_path, clock, busy=0.05)) as lab, closing(sqlite3.connect(tmp_path / "d.db")) as other:
        lab.store.commit([Set("a/b", {})])
        other.execute("BEGIN IMMEDIATE")
        for _ in range(FLUSH):
            lab.gateway.query("SELECT CURRENT_DATE()", timeout=TIMEOUT)
        assert f"{FLUSH} of query_cache are not counted" in caplog.text
