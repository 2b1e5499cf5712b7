"""The engines of deployed services: one is held to the suite of the port by one entry in SERVICE_ENGINES.

The fixture `place` (tests/conformance/conftest.py) gives one place of each engine after the other. What an engine
cannot do it says in `lacks`, with the reason; a test that needs it (`@pytest.mark.needs("split")`) is not made for it.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, cast

from tests.kit.cloud_run import client
from tests.kit.cloud_run_server import cloud_run_server
from tests.kit.local_up import LocalUp, open_services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from nbactl.ports.services import DeployedServices

ServiceAbility = Literal["secrets", "settings", "split", "tags"]
"""Variables come from secrets; all settings can be changed; requests go to several revisions; these have tags."""


class Arranged(Protocol):
    """What tests do to services behind the back of the port."""

    def deploy(self, service: str, env: dict[str, str] | None = None) -> object:
        """Deploy a service for the first time. Where there are secrets, API_KEY is one."""
        ...

    def set_env(self, service: str, **values: str) -> None:
        """Change variables as somebody else would: to a new revision."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """An empty place for services: what arranges them, and the port."""

    region: Arranged
    services: DeployedServices
    crash: dict[str, str | None] = field(default_factory=lambda: {"CRASH": "1"})
    """Variables with which a revision does not start."""


@dataclass(frozen=True, slots=True)
class ServiceEngine:
    """How an empty place is opened, in a folder of its own, and what the engine cannot do."""

    open: Callable[[Path], AbstractContextManager[Place]]
    lacks: Mapping[ServiceAbility, str] = field(default_factory=dict)


@contextmanager
def _cloud_run(_: Path) -> Iterator[Place]:
    with cloud_run_server() as server, closing(client(server.address)) as services:
        yield Place(server, cast("DeployedServices", services))


@contextmanager
def _local_run(folder: Path) -> Iterator[Place]:
    with LocalUp(folder) as up:
        yield Place(up, cast("DeployedServices", open_services(folder)), {"BROKEN": "1"})


SERVICE_ENGINES: Final[dict[str, ServiceEngine]] = {
    "cloudrun": ServiceEngine(_cloud_run),
    "localrun": ServiceEngine(
        _local_run,
        lacks={
            "settings": "its services have no timeout of a request; tests/integration/services has the others",
            "split": "its processes share one socket",
            "tags": "a revision has no address of its own",
        },
    ),
}
