"""`nbactl bq quotas` and the alert of `schedule tick`, on the loopback BigQuery server and Google's emulator."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.cli.bq.quotas.view import quotas_view
from nbactl.cli.main import main
from nbactl.testing import emulator_documents
from nbactl.warehouse.costs import quota_alerts, quotas
from tests.integration.cli.data.conftest import Done
from tests.kit.bigquery import LOCATION
from tests.kit.job_days import DECISIONS, TIMEOUT, JobDays, job_days

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.ports.alerts import Alert
    from nbactl.ports.documents import DocumentStore

LOADS = 9


@pytest.fixture
def days() -> Iterator[JobDays]:
    """Nine load jobs into one table, within the last day."""
    with job_days(1) as made:
        made.go_to(0.5)
        client = made.warehouse._calls.client.get()
        for _ in range(LOADS):
            rows = [{"game_date": "2024-01-15", "workflow_name": "a"}]
            client.load_table_from_json(rows, f"{made.project}.{DECISIONS}").result(timeout=TIMEOUT)
        yield made


@contextmanager
def load_limit(folder: Path, loads: int) -> Iterator[None]:
    """Have a table take so many load jobs a day."""
    text = quotas.QUOTAS_FILE.read_text().replace("limit: 1500", f"limit: {loads}", 1)
    file = folder / f"quotas-{loads}.yaml"
    file.write_text(text)
    small = quotas.load_quotas(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quotas, "load_quotas", lambda: small)
        yield


@pytest.fixture
def call(days: JobDays, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", days.server.address)

    def run(*words: str, loads: int = 1500) -> Done:
        with load_limit(tmp_path, loads):
            code = main([*words, "--target", "gcp", "--project", days.project, "--region", LOCATION])
        return Done(code, *capsys.readouterr())

    return run


def test_a_table_near_a_limit_is_named_and_the_exit_code_says_so(call: Any) -> None:
    assert call("bq", "quotas").code == 0
    near = call("bq", "quotas", "-o", "json", loads=11)
    assert near.code == 3
    [first, *_] = near.data["quotas"]
    assert (first["table"], first["name"], first["used"], first["state"]) == (DECISIONS, "load_jobs", LOADS, "warn")
    assert (near.data["summary"]["warn"], near.data["limits_as_of"]) == (1, "2026-11-30")
    over = call("bq", "quotas", loads=LOADS)
    assert over.code == 1
    assert f"at a limit of BigQuery: {DECISIONS}" in over.err
    assert "exceeded" in over.out


def test_a_job_that_bigquery_refused_is_seen(days: JobDays, call: Any) -> None:
    days.server.limits.table_modifications = LOADS
    client = days.warehouse._calls.client.get()
    with pytest.raises(Exception, match="quota"):
        client.load_table_from_json([{"workflow_name": "a"}], f"{days.project}.{DECISIONS}").result(timeout=TIMEOUT)
    done = call("bq", "quotas", "-o", "json")
    assert done.code == 1
    assert done.data["refused"] == [{"table": DECISIONS, "jobs": 1}]


def test_a_limit_of_the_project_is_not_called_one_of_a_table(days: JobDays) -> None:
    refused = replace(days.jobs()[0], kind="query", destination=None, error="quotaExceeded")
    view = quotas_view(quotas.count_quotas([refused], (), now=days.clock.now()))
    assert view.exit_code == 1
    assert "queries that write no table" in str(view.error)
    assert "project" in str(view.error.next_step if view.error else "")


@pytest.fixture
def firestore(firestore_address: str, days: JobDays, monkeypatch: pytest.MonkeyPatch) -> Iterator[DocumentStore]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    with closing(emulator_documents(firestore_address, days.project)) as store:
        yield store


def test_a_tick_alerts_once_a_table_and_day_and_asks_once_an_hour(
    call: Any, days: JobDays, firestore: DocumentStore
) -> None:
    before = len(days.server.jobs())
    first = call("schedule", "tick", "--only", "quotas", loads=11)
    assert first.code == 0
    assert f"alert (warning): {DECISIONS} has used 9 of 11 load jobs in 24 hours" in first.err
    assert len(days.server.jobs()) == before + 1
    again = call("schedule", "tick", "--only", "quotas", "-o", "json", loads=11)
    assert again.data["quotas"] is None
    assert len(days.server.jobs()) == before + 1, "no second query within the hour"
    now = datetime.now(UTC)
    sent: list[Alert] = []
    tables = [
        quota_alerts.alert_of_quotas(
            days.history,
            firestore,
            sent.append,
            (),
            now=now + timedelta(minutes=minutes),
            every=3600.0,
            timeout=TIMEOUT,
        )
        for minutes in (58, 62)
    ]
    assert tables == [None, ()]
    assert sent == []


def test_an_alert_is_sent_again_on_the_next_day_alone(days: JobDays, firestore: DocumentStore, tmp_path: Path) -> None:
    sent: list[str] = []
    start = datetime(2030, 1, 1, 15, 0, tzinfo=UTC)

    def look(hours: float) -> None:
        days.clock.set(start + timedelta(hours=hours, minutes=-5))
        client = days.warehouse._calls.client.get()
        client.load_table_from_json([{"workflow_name": "a"}], f"{days.project}.{DECISIONS}").result(timeout=TIMEOUT)
        with load_limit(tmp_path, 1):
            quota_alerts.alert_of_quotas(
                days.history, firestore, lambda alert: sent.append(alert.key), (),
                now=start + timedelta(hours=hours), every=3600.0, timeout=TIMEOUT,
            )  # fmt: skip

    assert quotas.measure_quotas(days.history, (), now=start, timeout=TIMEOUT).uses == (), "a day counts, no more"
    for hours in (0, 2, 24):
        look(hours)
    assert sent == [f"bq_quota/{DECISIONS}/2030-01-01", f"bq_quota/{DECISIONS}/2030-01-02"]


@pytest.mark.usefixtures("firestore")
def test_a_tick_without_the_right_says_so_and_goes_on(call: Any, days: JobDays) -> None:
    days.server.deny("bigquery.jobs.listAll")
    try:
        done = call("schedule", "tick", "--skip", "workflows")
    finally:
        days.server.allow()
    assert done.code == 0
    assert "quotas of BigQuery were not looked at" in done.err
