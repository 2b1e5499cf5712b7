from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud.bigquery import LoadJobConfig, QueryJobConfig, SchemaField

from nbactl.testing import bigquery_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from google.cloud import bigquery

    from nbactl.testing import FakeClock
    from nbactl.testing.bigquery import BigQueryServer

NO_RETRY: Any = None
"""The client takes None for no retry; its types do not say so."""


def call(client: bigquery.Client, **request: Any) -> Any:
    """Send a request as the client does, and return the answer as it came."""
    connection: Any = client._connection
    return connection.api_request(**request)


@pytest.fixture
def held(server: BigQueryServer) -> Iterator[BigQueryServer]:
    server.hold_jobs("held")
    yield server
    server.release_jobs()


def test_a_job_that_is_held_runs_until_it_is_released(client: bigquery.Client, held: BigQueryServer) -> None:
    before = {one.job_id for one in client.list_jobs(state_filter="running")}  # of tests that gave theirs up
    job = client.query("SELECT 'held' AS word")
    assert client.get_job(job.job_id).state == "RUNNING"
    assert not job.done()
    assert {one.job_id for one in client.list_jobs(state_filter="running")} - before == {job.job_id}
    assert [row.word for row in client.query("SELECT 'other' AS word").result()] == ["other"]
    held.release_jobs()
    assert [row.word for row in job.result()] == ["held"]


def test_a_job_that_is_cancelled_is_stopped(client: bigquery.Client, held: BigQueryServer) -> None:
    job = client.query("SELECT 'held'")
    assert client.cancel_job(job.job_id).job_id == job.job_id
    job.reload()
    assert job.state == "DONE"
    assert job.error_result == {
        "reason": "stopped",
        "message": "Job execution was cancelled: User requested cancellation",
    }
    client.cancel_job(job.job_id)  # again: the job stays as it is
    assert held.jobs()[-1]["error"]["reason"] == "stopped"


def test_a_statement_that_computes_is_cancelled_too(client: bigquery.Client) -> None:
    job = client.query(
        "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 1000000)) AS a, UNNEST(GENERATE_ARRAY(1, 100000)) AS b "
        "WHERE MOD(a * b, 7) = 3"
    )
    started = time.monotonic()
    client.cancel_job(job.job_id)
    while not job.done():
        assert time.monotonic() - started < 10
        time.sleep(0.01)
    assert job.error_result is not None
    assert job.error_result["reason"] == "stopped"


def test_a_load_can_be_held_and_cancelled(client: bigquery.Client, held: BigQueryServer, table: str) -> None:
    held.hold_jobs(table.partition(".")[0])
    job = client.load_table_from_json([{"n": 1}], table, job_config=LoadJobConfig(schema=[SchemaField("n", "INT64")]))
    client.cancel_job(job.job_id)
    held.release_jobs()
    job.reload()
    assert (job.state, job.error_result["reason"]) == ("DONE", "stopped")
    assert client.get_table(table).num_rows == 10


@pytest.mark.usefixtures("held")
def test_a_job_ends_when_its_time_is_over(client: bigquery.Client) -> None:
    job = client.query("SELECT 'held'", job_config=QueryJobConfig(job_timeout_ms=50))
    while not job.done():
        time.sleep(0.01)
    assert job.error_result is not None
    assert job.error_result["reason"] == "stopped"
    assert "Job timed out after 0.05s" in job.error_result["message"]


def test_a_query_that_is_not_done_in_time_is_answered_without_rows(
    client: bigquery.Client, held: BigQueryServer
) -> None:
    job = client.query("SELECT 'held'")
    path = f"/projects/test-1/queries/{job.job_id}"
    started = time.monotonic()
    answer = call(client, method="GET", path=path, query_params={"timeoutMs": 50, "location": "us-west2"})
    assert (answer["jobComplete"], "rows" in answer, time.monotonic() - started < 5) == (False, False, True)
    held.release_jobs()


def test_a_job_id_is_used_once(client: bigquery.Client) -> None:
    client.query("SELECT 1", job_id="mine", job_retry=None).result()
    with pytest.raises(Conflict, match=r"Already Exists: Job test-1:us-west2.mine") as caught:
        client.query("SELECT 2", job_id="mine", retry=NO_RETRY, job_retry=None)
    assert caught.value.errors[0]["reason"] == "duplicate"


def test_a_job_is_in_its_location_only(client: bigquery.Client, table: str) -> None:
    job = client.query(f"SELECT 1 FROM {table}")
    job.result()
    with pytest.raises(NotFound, match=r"Not found: Job test-1:EU."):
        client.get_job(job.job_id, location="EU")
    path = f"/projects/test-1/jobs/{job.job_id}"
    with pytest.raises(NotFound):  # a region must be named
        call(client, method="GET", path=path)
    assert client.get_job(job.job_id, location="US-WEST2").job_id == job.job_id
    with pytest.raises(NotFound, match=f"Dataset test-1:{table.partition('.')[0]} was not found in location EU"):
        client.query(f"SELECT 1 FROM {table}", location="EU").result()
    with pytest.raises(NotFound, match=r"Not found: Job test-1:us-west2.nobody"):
        client.get_job("nobody")


def test_in_a_multi_region_the_location_may_be_left_out(
    connected: Callable[[BigQueryServer], AbstractContextManager[bigquery.Client]],
) -> None:
    with bigquery_server("test-1", "US") as server, connected(server) as client:
        client.query("SELECT 1", job_id="one", job_retry=None, location="US").result()
        answer = call(client, method="GET", path="/projects/test-1/jobs/one")
        assert answer["jobReference"]["location"] == "US"


def test_jobs_are_listed_newest_first(client: bigquery.Client, clock: FakeClock) -> None:
    begin = clock.now()
    for number in range(3):
        clock.advance(1)
        client.query(f"SELECT {number}", job_id=f"listed_{number}", job_retry=None).result()
    found = [one.job_id for one in client.list_jobs(min_creation_time=begin, max_results=2)]
    assert found == ["listed_2", "listed_1"]
    assert [one.job_id for one in client.list_jobs(min_creation_time=clock.now())] == ["listed_2"]


def test_labels_times_and_the_account_are_kept(
    client: bigquery.Client, server: BigQueryServer, clock: FakeClock
) -> None:
    client.query(
        "SELECT 1", job_id="labelled", job_retry=None, job_config=QueryJobConfig(labels={"run": "r1"})
    ).result()
    job = client.get_job("labelled")
    assert (job.labels, job.user_email) == ({"run": "r1"}, "tester@test-1.iam.gserviceaccount.com")
    assert job.created == job.ended == clock.now()
    kept = server.jobs()[-1]
    assert {key: kept[key] for key in ("id", "type", "statement", "labels", "state", "error", "parent")} == {
        "id": "labelled", "type": "QUERY", "statement": "SELECT", "labels": {"run": "r1"}, "state": "DONE",
        "error": None, "parent": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"run": "R1"}, 'Label value "R1" has invalid characters'),
        ({"run:id": "r"}, 'Label key "run:id" has invalid characters'),
        ({"1run": "r"}, 'Label key "1run" does not begin with a letter'),
        ({"run": "x" * 64}, "is too long"),
        ({f"k{n}": "v" for n in range(65)}, "number of labels"),
    ],
)
def test_labels_that_the_service_does_not_take(
    client: bigquery.Client, table: str, labels: dict[str, str], message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        client.query("SELECT 1", job_config=QueryJobConfig(labels=labels))
    found = client.get_table(table)
    found.labels = labels
    with pytest.raises(BadRequest, match=message):
        client.update_table(found, ["labels"])
    assert client.get_table(table).labels == {}


def test_names_and_texts_that_the_service_does_not_take(client: bigquery.Client) -> None:
    with pytest.raises(BadRequest, match='Invalid job ID "a:b"'):
        client.query("SELECT 1", job_id="a:b", job_retry=None)
    with pytest.raises(BadRequest, match="The query is too large"):
        client.query("SELECT 1 --" + "x" * 2**20)
    with pytest.raises(BadRequest, match='Invalid dataset ID "a-b"'):
        client.create_dataset("a-b")


def test_a_job_is_forgotten(client: bigquery.Client) -> None:
    client.query("SELECT 1", job_id="old", job_retry=None).result()
    client.delete_job_metadata("old", location="us-west2")
    with pytest.raises(NotFound):
        client.get_job("old")


def test_legacy_sql_and_other_jobs_are_refused(client: bigquery.Client) -> None:
    with pytest.raises(Exception, match="does not know legacy SQL"):
        client.query("SELECT 1", job_config=QueryJobConfig(use_legacy_sql=True)).result()
    with pytest.raises(BadRequest, match=r"configuration\.query or configuration\.load"):
        client.copy_table("d.a", "d.b")


def test_a_request_is_answered_once(client: bigquery.Client, server: BigQueryServer) -> None:
    body = {"query": "SELECT 1 AS one", "requestId": "r-1", "useLegacySql": False, "location": "us-west2"}
    answers = [call(client, method="POST", path="/projects/test-1/queries", data=body) for _ in range(2)]
    assert answers[0]["jobReference"] == answers[1]["jobReference"]
    assert answers[0]["rows"] == [{"f": [{"v": "1"}]}]
    assert [one["id"] for one in server.jobs()].count(answers[0]["jobReference"]["jobId"]) == 1


def test_times_are_microseconds_where_the_client_asks(client: bigquery.Client) -> None:
    body = {"query": "SELECT TIMESTAMP '2026-01-15 12:00:00.5+00' AS at", "useLegacySql": False, "location": "us-west2"}

    def value(**options: object) -> object:
        path = "/projects/test-1/queries"
        return call(client, method="POST", path=path, data=body | options)["rows"][0]["f"][0]["v"]

    assert value(formatOptions={"useInt64Timestamp": True}) == "1768478400500000"
    assert value() == "1768478400.5"


def test_a_server_that_is_closed_leaves_no_thread(
    connected: Callable[[BigQueryServer], AbstractContextManager[bigquery.Client]],
) -> None:
    before = set(threading.enumerate())
    started = time.monotonic()
    with bigquery_server("test-1", "us-west2") as server, connected(server) as client:
        server.hold_jobs()
        client.query("SELECT 1")
        client.query(
            "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 1000000)) AS a, UNNEST(GENERATE_ARRAY(1, 100000)) AS b "
            "WHERE MOD(a * b, 7) = 3"
        )
        server.release_jobs()
    assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before
    assert time.monotonic() - started < 10
