"""The engines that the suites run on, one after the other. A new adapter adds one entry and no test."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from nbactl.adapters.duckdb.warehouse import DuckDbWarehouse
from nbactl.core._support import faults
from nbactl.core._support.clock import SystemClock
from nbactl.testing import bigquery_server
from nbactl.warehouse.gateway import QueryGateway
from tests.kit.bigquery import LOCATION, PROJECT, bigquery_warehouse
from tests.kit.engines import ENGINES, Engine, engine_at
from tests.kit.handoffs import Night
from tests.kit.service_engines import SERVICE_ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbactl.ports.documents import DocumentStore
    from nbactl.ports.services import DeployedServices
    from nbactl.ports.warehouse import Warehouse
    from tests.kit.service_engines import Arranged, Place


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each engine that can do what the test needs."""
    if "engine" in metafunc.fixturenames:
        needs = {need for mark in metafunc.definition.iter_markers("needs") for need in mark.args}
        variants = metafunc.definition.get_closest_marker("variants") is not None
        kinds = [
            name for name, kind in ENGINES.items() if needs.isdisjoint(kind.lacks) and (variants or not kind.variant)
        ]
        metafunc.parametrize("engine", kinds, indirect=True)
    if "warehouse" in metafunc.fixturenames:
        variants = metafunc.definition.get_closest_marker("variants") is not None
        metafunc.parametrize("warehouse", [*WAREHOUSES, *(GATEWAYS if variants else ())], indirect=True)
    if "place" in metafunc.fixturenames:
        needs = {need for mark in metafunc.definition.iter_markers("needs") for need in mark.args}
        able = [name for name, kind in SERVICE_ENGINES.items() if needs.isdisjoint(kind.lacks)]
        metafunc.parametrize("place", able, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An empty document store of each kind in turn (tests/kit/engines.py)."""
    return engine_at(request.param, tmp_path, partial(request.getfixturevalue, "firestore_address"))


@pytest.fixture
def open_client(engine: Engine) -> Iterator[Callable[[], DocumentStore]]:
    """Open clients of one store; without several clients all get the same one."""
    with ExitStack() as stack:
        if "clients" in engine.capabilities.lacks:
            store = stack.enter_context(closing(engine.open()))
            yield lambda: store
        else:
            yield lambda: stack.enter_context(closing(engine.open()))


@pytest.fixture
def store(open_client: Callable[[], DocumentStore]) -> DocumentStore:
    return open_client()


def _duckdb(folder: Path) -> DuckDbWarehouse:
    return DuckDbWarehouse(folder / "w.duckdb", clock=SystemClock(), lock_wait=5.0, holder="test")


def _gateway(folder: Path, *, caches: bool) -> QueryGateway:
    return QueryGateway(_duckdb(folder), SystemClock(), enabled=lambda _: caches, ttl=lambda _: 3600.0)


@contextmanager
def _bigquery(folder: Path) -> Iterator[Warehouse]:  # noqa: ARG001 - the server keeps the data in memory
    with (
        bigquery_server(project=PROJECT, location=LOCATION) as server,
        closing(bigquery_warehouse(server.address)) as warehouse,
    ):
        yield warehouse


WAREHOUSES: dict[str, Callable[[Path], Warehouse | AbstractContextManager[Warehouse]]] = {
    "duckdb": _duckdb,
    "bigquery": _bigquery,
}
GATEWAYS: dict[str, Callable[[Path], Warehouse]] = {
    "gateway-caching": partial(_gateway, caches=True),
    "gateway-passing": partial(_gateway, caches=False),
}
"""Queries go through a gateway and all other calls are passed on: held to the tests marked `variants`."""


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """An empty warehouse of each engine in turn."""
    with ExitStack() as stack:
        made = (WAREHOUSES | GATEWAYS)[request.param](tmp_path)
        yield stack.enter_context(made if isinstance(made, AbstractContextManager) else closing(made))


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place of each engine of deployed services in turn (tests/kit/service_engines.py)."""
    with SERVICE_ENGINES[request.param].open(tmp_path) as place:
        yield place


@pytest.fixture
def region(place: Place) -> Arranged:
    """What tests do to services behind the back of the port."""
    return place.region


@pytest.fixture
def services(place: Place) -> DeployedServices:
    """The port."""
    return place.services


@pytest.fixture
def night(store: DocumentStore) -> Iterator[Night]:
    yield Night(store)
    faults.disarm_all()
