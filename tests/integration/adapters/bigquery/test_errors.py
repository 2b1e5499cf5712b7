"""What BigQuery refuses, as nbactl says it: what happened, why, and what to do next."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from google.auth.credentials import Credentials  # noqa: TID253 - of the adapter that is tested
from google.auth.exceptions import DefaultCredentialsError, RefreshError  # noqa: TID253 - as above

from nbactl.adapters.bigquery.calls import Calls
from nbactl.adapters.bigquery.client import ClientHolder, Project
from nbactl.adapters.bigquery.jobs import BigQueryJobs
from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
from nbactl.errors import NotAuthorisedError, NotFoundError, PreconditionError, UnavailableError
from nbactl.ports.warehouse import Rows
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from nbactl.core.observe.events import Event
    from nbactl.ports.warehouse import TableSchema
    from nbactl.testing.bigquery import BigQueryServer

DAY = date(2024, 1, 15)
TIMEOUT = 20.0


@pytest.fixture(autouse=True)
def _as_before(server: BigQueryServer) -> Iterator[None]:
    yield
    server.allow()
    server.require_token(None)


def with_credentials(warehouse: BigQueryWarehouse, server: BigQueryServer, credentials: Any) -> BigQueryWarehouse:
    """Return a warehouse like the given one that calls with these credentials."""
    calls = warehouse._calls
    holder = ClientHolder(Project(PROJECT, LOCATION, server.address), connect=5.0, credentials=credentials)
    return BigQueryWarehouse(Calls(holder, reads=calls.reads, writes=calls.writes, ids=calls.ids), metadata=5.0)


class Expired(Credentials):
    """Credentials of a service account that cannot be refreshed."""

    service_account_email = "robot@test-1.iam.gserviceaccount.com"

    def refresh(self, request: Any) -> None:  # noqa: ARG002
        raise RefreshError("invalid_grant: Token has been expired or revoked.")  # type: ignore[no-untyped-call]


def test_a_missing_permission_names_it_the_caller_and_the_role(
    server: BigQueryServer, warehouse: BigQueryWarehouse, events: list[Event]
) -> None:
    server.deny("bigquery.jobs.create")
    with pytest.raises(NotAuthorisedError) as caught:
        warehouse.query("SELECT 1", timeout=TIMEOUT)
    assert caught.value.exit_code == 5
    assert "bigquery.jobs.create" in caught.value.message
    assert f"project {PROJECT}" in caught.value.message
    assert "roles/bigquery.jobUser" in (caught.value.next_step or "")
    assert events == []  # it is not tried again


def test_a_table_that_may_not_be_read_asks_for_the_role_of_readers(
    server: BigQueryServer, warehouse: BigQueryWarehouse, lines: TableSchema
) -> None:
    server.deny("bigquery.tables.get")
    with pytest.raises(NotAuthorisedError) as caught:
        warehouse.table(lines.name)
    assert "roles/bigquery.dataViewer" in (caught.value.next_step or "")


def test_the_history_of_jobs_needs_its_own_role(server: BigQueryServer, warehouse: BigQueryWarehouse) -> None:
    server.deny("bigquery.jobs.listAll")
    with pytest.raises(NotAuthorisedError, match=r"bigquery\.jobs\.listAll"):
        list(BigQueryJobs(warehouse._calls).jobs(datetime.now(UTC), datetime.now(UTC), timeout=TIMEOUT))


def test_credentials_that_are_refused_or_expired_say_how_to_log_in(
    server: BigQueryServer, warehouse: BigQueryWarehouse
) -> None:
    server.require_token("another")
    with pytest.raises(NotAuthorisedError) as caught:
        warehouse.query("SELECT 1", timeout=TIMEOUT)
    assert "gcloud auth application-default login" in (caught.value.next_step or "")
    with (
        closing(with_credentials(warehouse, server, Expired)) as other,
        pytest.raises(NotAuthorisedError, match=r"robot@test-1.*expired"),
    ):
        other.query("SELECT 1", timeout=TIMEOUT)


def test_no_credentials_at_all(server: BigQueryServer, warehouse: BigQueryWarehouse) -> None:
    def none() -> None:
        raise DefaultCredentialsError("File nowhere.json was not found.")  # type: ignore[no-untyped-call]

    with (
        closing(with_credentials(warehouse, server, none)) as other,
        pytest.raises(NotAuthorisedError, match="no Google credentials were found"),
    ):
        other.list_tables()


def test_a_wrong_project_is_named(server: BigQueryServer) -> None:
    with (
        closing(bigquery_warehouse(server.address, project="test-9")) as other,
        pytest.raises(NotAuthorisedError, match="project test-9") as caught,
    ):
        other.query("SELECT 1", timeout=TIMEOUT)
    assert caught.value.exit_code == 5


def test_a_wrong_location_is_named_with_the_one_of_the_dataset(server: BigQueryServer, lines: TableSchema) -> None:
    with (
        closing(bigquery_warehouse(server.address, location="EU")) as other,
        pytest.raises(PreconditionError, match=f"in {LOCATION}, not in EU") as caught,
    ):
        other.query(f"SELECT * FROM {lines.name}", timeout=TIMEOUT)  # noqa: S608 - a name of ours
    assert "--location us-west2" in (caught.value.next_step or "")


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "quotaExceeded", "backendError"])
def test_what_passes_is_tried_again_and_what_lasts_is_unavailable(
    server: BigQueryServer, warehouse: BigQueryWarehouse, events: list[Event], reason: str
) -> None:
    status = 503 if reason == "backendError" else 403
    sql = f"SELECT '{reason}'"
    server.fail(sql, status, reason, times=2)
    assert warehouse.query(sql, timeout=TIMEOUT).scalar() == reason
    assert [event.kind for event in events] == ["retry.again", "retry.again"]
    server.fail(sql, status, reason, times=4)
    with pytest.raises(UnavailableError) as caught:
        warehouse.query(sql, timeout=TIMEOUT)
    assert caught.value.exit_code == 7
    assert events[-1].kind == "retry.gave_up"
    assert events[-1].name == "bigquery"


def test_a_write_is_tried_again_under_the_policy_of_writes(
    server: BigQueryServer, warehouse: BigQueryWarehouse, lines: TableSchema, events: list[Event]
) -> None:
    server.fail("DELETE FROM", 503, "backendError")
    rows = Rows(("day", "id"), [(DAY, "a")])
    assert warehouse.replace_partitions(lines.name, [DAY], rows, timeout=TIMEOUT).rows == 1
    assert [(event.kind, event.name) for event in events] == [("retry.again", "bigquery_dml")]


def test_a_query_above_its_limit_of_bytes_says_how_many_it_needs(
    warehouse: BigQueryWarehouse, lines: TableSchema
) -> None:
    warehouse.load(lines.name, Rows(("day", "id"), [(DAY, "a")]), timeout=TIMEOUT)
    sql = f"SELECT * FROM {lines.name}"  # noqa: S608 - a name of ours
    with pytest.raises(PreconditionError, match="10,485,760 bytes") as caught:
        warehouse.query(sql, max_bytes=1_000_000, timeout=TIMEOUT)
    assert caught.value.exit_code == 6
    assert "--max-bytes 10485760" in (caught.value.next_step or "")
    assert warehouse.dry_run(sql, timeout=TIMEOUT).bytes_processed
    assert len(warehouse.query(sql, max_bytes=10_485_760, timeout=TIMEOUT).rows) == 1


def test_a_missing_dataset_is_named_with_its_nearest_neighbour(
    warehouse: BigQueryWarehouse, lines: TableSchema
) -> None:
    dataset = lines.name.partition(".")[0]
    with pytest.raises(NotFoundError) as caught:
        warehouse.apply_ddl([f"CREATE TABLE {dataset}x.t (a INT64)"], timeout=TIMEOUT)
    assert dataset in (caught.value.next_step or "")


def test_jobs_carry_the_labels_of_the_run_as_bigquery_takes_them(
    server: BigQueryServer, warehouse: BigQueryWarehouse
) -> None:
    since = datetime.now(UTC) - timedelta(seconds=5)
    labels = {"Run_ID": "Run-1:Abc", "task": "nba_raw.games", "9": "x" * 70}
    warehouse.query("SELECT 'labelled'", labels=labels, timeout=TIMEOUT)
    expected = {"run_id": "run-1_abc", "task": "nba_raw_games", "l9": "x" * 63}
    (job,) = [job for job in server.jobs() if job["sql"] == "SELECT 'labelled'"]
    assert job["labels"] == expected
    found = BigQueryJobs(warehouse._calls).jobs(since, datetime.now(UTC), timeout=TIMEOUT)
    (seen,) = [one for one in found if one.job_id == job["id"]]
    assert (seen.labels, seen.error, seen.user) == (expected, None, server.user)
    assert seen.created_at >= since


def test_a_view_and_a_table_with_streamed_rows_have_no_time_of_change(
    warehouse: BigQueryWarehouse, lines: TableSchema
) -> None:
    dataset = lines.name.partition(".")[0]
    warehouse.apply_ddl([f"CREATE VIEW {dataset}.seen AS SELECT id FROM {lines.name}"], timeout=TIMEOUT)  # noqa: S608
    assert warehouse.table(f"{dataset}.seen").modified is None
    assert warehouse.table(lines.name).modified is not None
    client = warehouse._calls.client.get()
    assert not client.insert_rows_json(f"{PROJECT}.{lines.name}", [{"day": "2024-01-15", "id": "s"}])
    assert warehouse.table(lines.name).modified is None
    assert warehouse.versions([lines.name], DAY, DAY, timeout=TIMEOUT)[lines.name, DAY].rows == 1
