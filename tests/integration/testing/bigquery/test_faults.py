from __future__ import annotations

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests
from google.api_core.exceptions import Forbidden, InternalServerError, ServiceUnavailable, TooManyRequests
from google.auth.exceptions import InvalidOperation
from google.cloud.bigquery import DEFAULT_RETRY

from nbactl.testing import bigquery_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from google.cloud import bigquery

    from nbactl.testing.bigquery import BigQueryServer

NO_RETRY: Any = None
"""The client takes None for no retry; its types do not say so."""


def call(client: bigquery.Client, **request: Any) -> Any:
    """Send a request as the client does, and return the answer as it came."""
    connection: Any = client._connection
    return connection.api_request(**request)


@pytest.fixture(autouse=True)
def _as_before(server: BigQueryServer) -> Iterator[None]:
    yield
    server.require_token(None)
    server.allow()


def test_the_next_request_that_matches_fails(client: bigquery.Client, server: BigQueryServer, dataset: str) -> None:
    server.fail(f"GET /bigquery/v2/projects/test-1/datasets/{dataset}", 503, "backendError")
    with pytest.raises(ServiceUnavailable) as caught:
        client.get_dataset(dataset, retry=NO_RETRY)
    assert caught.value.errors[0]["reason"] == "backendError"
    assert client.get_dataset(dataset, retry=NO_RETRY).dataset_id == dataset


def test_the_client_retries_what_may_be_retried(client: bigquery.Client, server: BigQueryServer, dataset: str) -> None:
    server.fail(dataset, 403, "rateLimitExceeded", times=2)
    before = len(server.requests)
    client.get_dataset(dataset, retry=DEFAULT_RETRY.with_delay(initial=0.01, maximum=0.01))
    assert len(server.requests) - before == 3


def test_a_request_is_matched_by_its_body(client: bigquery.Client, server: BigQueryServer) -> None:
    server.fail("SELECT 'this one'", 429, "rateLimitExceeded", message="slow down")
    client.query("SELECT 'another'").result()
    with pytest.raises(TooManyRequests, match="slow down"):
        client.query("SELECT 'this one'", retry=NO_RETRY, job_retry=None)
    server.fail("SELECT 'this one'", 500, "internalError")
    with pytest.raises(InternalServerError):
        client.query("SELECT 'this one'", retry=NO_RETRY, job_retry=None)


def test_a_request_can_be_answered_late(client: bigquery.Client, server: BigQueryServer, dataset: str) -> None:
    server.delay(dataset, 0.2)
    started = time.monotonic()
    client.get_dataset(dataset)
    assert time.monotonic() - started >= 0.2
    server.delay(dataset, 0.5)
    with pytest.raises(Exception, match="Read timed out"):
        client.get_dataset(dataset, timeout=0.05, retry=NO_RETRY)


def test_an_answer_can_be_lost(client: bigquery.Client, server: BigQueryServer, dataset: str) -> None:
    server.lose_answer("POST /bigquery/v2/projects/test-1/jobs")
    before = len(server.jobs())
    sql = f"CREATE TABLE {dataset}.once (n INT64)"
    client.query(sql, retry=DEFAULT_RETRY.with_delay(initial=0.01, maximum=0.01)).result()  # asked again, a conflict
    assert [one["sql"] for one in server.jobs()[before:]] == [sql]


def test_a_delay_does_not_outlive_the_server(
    connected: Callable[[BigQueryServer], AbstractContextManager[bigquery.Client]],
) -> None:
    started = time.monotonic()
    with bigquery_server("test-1", "us-west2") as server, connected(server) as client:
        server.delay("datasets", 60)
        with pytest.raises(requests.exceptions.ReadTimeout):
            client.get_dataset("any", timeout=0.05, retry=NO_RETRY)
    assert time.monotonic() - started < 20


def test_a_token_can_be_required(client: bigquery.Client, server: BigQueryServer, dataset: str) -> None:
    server.require_token("secret")
    with pytest.raises(InvalidOperation):  # the client asks its credentials for another token
        client.get_dataset(dataset, retry=NO_RETRY)
    path = f"/bigquery/v2/projects/test-1/datasets/{dataset}"
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=5)
    answers = []
    for token in ("wrong", "secret"):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answers.append((answer.status, json.loads(answer.read())))
    connection.close()
    assert answers[0][0] == 401
    assert answers[0][1]["error"]["status"] == "UNAUTHENTICATED"
    assert answers[0][1]["error"]["errors"][0]["reason"] == "authError"
    assert answers[1][0] == 200


def test_a_permission_can_be_denied(client: bigquery.Client, server: BigQueryServer, table: str) -> None:
    server.deny("bigquery.jobs.create")
    told = "Access Denied: Project test-1: User does not have bigquery.jobs.create permission in project test-1."
    with pytest.raises(Forbidden, match=told) as caught:
        client.query("SELECT 1")
    assert caught.value.errors[0]["reason"] == "accessDenied"
    with pytest.raises(Forbidden, match=told):
        client.load_table_from_json([{"n": 1}], table)
    server.allow()
    server.deny("bigquery.tables.get", table.partition(".")[2])
    with pytest.raises(Forbidden, match=f"Permission bigquery.tables.get denied on table test-1:{table}"):
        client.get_table(table)
    assert [row.one for row in client.query("SELECT 1 AS one").result()] == [1]


def test_data_that_may_not_be_read_fail_the_job(client: bigquery.Client, server: BigQueryServer, table: str) -> None:
    server.deny("bigquery.tables.getData", table)
    with pytest.raises(Forbidden, match=f"Permission bigquery.tables.getData denied on table test-1:{table}"):
        client.query(f"SELECT n FROM {table}").result()
    server.allow()
    server.deny("bigquery.tables.updateData", table)
    with pytest.raises(Forbidden, match=f"Permission bigquery.tables.updateData denied on table test-1:{table}"):
        client.query(f"DELETE FROM {table} WHERE TRUE").result()
    assert client.get_table(table).num_rows == 10


def test_unknown_addresses_are_not_found(client: bigquery.Client) -> None:
    for method, path in (("GET", "/projects/test-1/nothing"), ("PUT", "/projects/test-1/jobs")):
        with pytest.raises(Exception, match="Not found"):
            call(client, method=method, path=path)


def test_many_clients_are_served_at_once(client: bigquery.Client, table: str) -> None:
    def count(_: int) -> int:
        return int(next(iter(client.query(f"SELECT COUNT(*) AS n FROM {table}").result())).n)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(count, range(24))) == [10] * 24
    assert threading.active_count() < 60
