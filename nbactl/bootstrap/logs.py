"""Logs of services, built from the container."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbactl.adapters.locallogs.files import ServiceLogFiles
    from nbactl.bootstrap.container import Container
    from nbactl.ports.logs import Logs


def make_logs(app: Container) -> Logs:
    """Return what services logged on this target."""
    return app.target.logs(app)


def make_log_files(app: Container) -> ServiceLogFiles:
    """Return what keeps the lines of the services of `nbactl up`."""
    from nbactl.adapters.locallogs.files import ServiceLogFiles
    from nbactl.bootstrap.local import service_logs_folder

    return ServiceLogFiles(service_logs_folder(app))


def logging_services(app: Container) -> Collection[str]:
    """Return the names of the services that can have logs. Raises what the services port raises."""
    if app.target.HAS_DEPLOYED_SERVICES:
        return [service.name for service in app.deployed_services.list()]
    from nbactl.services.instance import OWN
    from nbactl.services.routes import SERVICES

    return (*SERVICES, OWN)
