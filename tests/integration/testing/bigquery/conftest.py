"""One server a module, and Google's own client that talks to it over HTTP."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from nbactl.testing import FakeClock, bigquery_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from nbactl.testing.bigquery import BigQueryServer

PROJECT, LOCATION = "test-1", "us-west2"


@contextmanager
def _connected(server: BigQueryServer) -> Iterator[bigquery.Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIGQUERY_EMULATOR_HOST", server.address)
        anonymous: Any = AnonymousCredentials
        client = bigquery.Client(project=PROJECT, credentials=anonymous(), location=LOCATION)
    try:
        yield client
    finally:
        closing: Any = client.close  # untyped
        closing()


@pytest.fixture(scope="session")
def connected() -> Callable[[BigQueryServer], AbstractContextManager[bigquery.Client]]:
    return _connected


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def server(clock: FakeClock) -> Iterator[BigQueryServer]:
    with bigquery_server(PROJECT, LOCATION, clock=clock) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: BigQueryServer) -> Iterator[bigquery.Client]:
    with _connected(server) as connected:
        yield connected


@pytest.fixture
def dataset(client: bigquery.Client, request: pytest.FixtureRequest) -> str:
    """A dataset of the test's own."""
    name = f"d_{abs(hash(request.node.nodeid)):x}"
    client.create_dataset(name)
    return name


@pytest.fixture
def table(client: bigquery.Client, dataset: str) -> str:
    """A table of ten days, partitioned by day: day, n and a text of three letters."""
    client.query(
        f"CREATE TABLE {dataset}.games (day DATE, n INT64, name STRING) PARTITION BY day AS "
        "SELECT day, EXTRACT(DAY FROM day) AS n, 'abc' AS name "
        "FROM UNNEST(GENERATE_DATE_ARRAY('2026-01-01', '2026-01-10')) AS day"
    ).result()
    return f"{dataset}.games"
