"""Opens the deployed services of a Google Cloud project. Importing this module loads nothing of Google's."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from nbactl.core.calls.policy import CallPolicy
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from nbactl.adapters.cloudrun.services import CloudRunServices
    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.core._support.clock import Clock


def open_services(
    project: str | None, region: str, *, emulator: str | None, timeouts: TimeoutsFile, clock: Clock
) -> CloudRunServices:
    """Return the services of a region; `emulator` is the host:port of a server to be asked instead of Google.

    Nothing is sent yet. Raises ConfigError where the project or Google's authentication is missing.
    """
    if project is None:
        raise ConfigError("target gcp needs a project", next_step="Give --project or set NBACTL_PROJECT.")
    try:
        from nbactl.adapters.cloudrun.api import Api, Region  # noqa: PLC0415 - loads Google's authentication
        from nbactl.adapters.cloudrun.services import CloudRunServices, Waiting  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "target gcp needs Google's authentication",
            cause=f"It cannot be imported: {error}",
            next_step="Install it: pip install 'nbactl[gcp]'",
        ) from error
    rng = random.SystemRandom()
    policy = CallPolicy(timeouts.call_policies["cloud_run"].settings("cloud_run", timeouts), clock=clock, rng=rng)
    api = Api(
        Region(project, region, emulator or None),
        policy,
        connect=timeouts["http.connect"],
        request=timeouts["service.admin"],
    )
    return CloudRunServices(api, Waiting(deploy=timeouts["service.deploy"], poll=timeouts["service.poll"]))
