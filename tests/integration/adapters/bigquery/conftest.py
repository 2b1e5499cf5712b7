"""A BigQuery server for each module; a test that writes uses a dataset of its own."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.ports.warehouse import Column, TableSchema
from nbactl.testing import bigquery_server
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.adapters.bigquery.warehouse import BigQueryWarehouse
    from nbactl.core.observe.events import Event
    from nbactl.testing.bigquery import BigQueryServer


@pytest.fixture(scope="module")
def server() -> Iterator[BigQueryServer]:
    with bigquery_server(project=PROJECT, location=LOCATION) as server:
        yield server


@pytest.fixture
def events() -> list[Event]:
    """The events of the calls of the warehouse."""
    return []


@pytest.fixture
def warehouse(server: BigQueryServer, events: list[Event]) -> Iterator[BigQueryWarehouse]:
    with closing(bigquery_warehouse(server.address, hook=events.append)) as warehouse:
        yield warehouse


@pytest.fixture
def lines(warehouse: BigQueryWarehouse) -> TableSchema:
    """An empty table, partitioned by `day`, in a dataset of its own."""
    schema = TableSchema(
        f"nba_{uuid.uuid4().hex[:8]}.lines",
        (Column("day", "DATE", required=True), Column("id", "STRING"), Column("points", "INT64")),
        partition_by="day",
    )
    warehouse.create_table(schema)
    return schema
