from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.conformance.services import DeployedServicesConformance
from tests.kit.cloud_run import client
from tests.kit.cloud_run_server import CloudRun, cloud_run_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.ports.services import DeployedServices


class TestCloudRun(DeployedServicesConformance):
    server: CloudRun

    @pytest.fixture
    def services(self) -> Iterator[DeployedServices]:
        with cloud_run_server() as server, closing(client(server.address)) as services:
            self.server = server
            yield services

    def deploy(self, name: str, env: dict[str, str]) -> None:
        self.server.deploy(name, env)

    def change_elsewhere(self, name: str, variable: str, value: str) -> None:
        self.server.set_env(name, **{variable: value})
