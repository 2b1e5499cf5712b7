from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from nbactl.testing import FakeClock
from tests.kit.cloud_run import client
from tests.kit.cloud_run_server import CloudRun, cloud_run_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.adapters.cloudrun.services import CloudRunServices


@pytest.fixture
def server() -> Iterator[CloudRun]:
    with cloud_run_server() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def services(server: CloudRun, clock: FakeClock) -> Iterator[CloudRunServices]:
    with closing(client(server.address, clock=clock)) as services:
        yield services
