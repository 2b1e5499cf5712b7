"""Deployed services, and changes of their environment."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from nbactl.bootstrap.stores import Stores
from nbactl.core._support.ids import TimeSortedIds

if TYPE_CHECKING:
    from nbactl.deployments.changes import EnvChanges
    from nbactl.deployments.log import DocumentLog, FileLog
    from nbactl.ports.services import DeployedServices


class DeploymentRoom(Stores):
    """Deployed services, and changes of their environment."""

    @property
    def has_deployed_services(self) -> bool:
        """Whether the target has any: on `local` tasks run in process."""
        return self.settings.target == "gcp"

    @cached_property
    def deployed_services(self) -> DeployedServices:
        """The services of the region. Raises ConfigError where target gcp lacks its project or Google's packages."""
        from nbactl.adapters.cloudrun.opening import open_services  # noqa: PLC0415

        return open_services(
            self.settings.project,
            self.settings.region,
            emulator=os.environ.get("CLOUD_RUN_EMULATOR_HOST"),
            timeouts=self.config.timeouts,
            clock=self.clock,
        )

    @property
    def declared_services(self) -> list[str]:
        """The services that workflows.yaml names, in its order."""
        file = self.config.workflows
        named = [task.service.name for task in file.tasks.values() if task.service is not None]
        return list(dict.fromkeys([*named, *(phase.service for phase in file.phases.values())]))

    @cached_property
    def env_changes(self) -> EnvChanges:
        """What changes the variables of services, and brings them back."""
        from nbactl.deployments.changes import EnvChanges  # noqa: PLC0415

        place = f"{self.settings.project}/{self.settings.region}"
        return EnvChanges(self.deployed_services, clock=self.clock, ids=TimeSortedIds(self.clock), place=place)

    @cached_property
    def env_change_log(self) -> DocumentLog:
        """Where changes are kept."""
        from nbactl.deployments.log import DocumentLog  # noqa: PLC0415

        return DocumentLog(self.documents)

    @cached_property
    def env_change_files(self) -> FileLog:
        """Where changes are kept that are made while the store is down."""
        from nbactl.deployments.log import FileLog  # noqa: PLC0415
        from nbactl.deployments.records import COLLECTION  # noqa: PLC0415

        return FileLog(self.settings.state_dir / COLLECTION)

    def gcloud(self, verb: str, service: str, *options: str) -> str:
        """Return the command of Google's own tool for a service."""
        from nbactl.adapters.cloudrun.api import Region  # noqa: PLC0415

        return Region(self.settings.project or "", self.settings.region).gcloud(verb, service, *options)
