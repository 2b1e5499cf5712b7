"""The services that `nbactl up` runs: as deployed services, as measurements, and what `up` starts them with."""

from __future__ import annotations

import getpass
import os
import socket
from functools import partial
from typing import TYPE_CHECKING, Final

from nbactl.core.observe.masking import is_secret_name, mask
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbactl.adapters.localrun.deployments import LocalDeployments
    from nbactl.adapters.localrun.measurements import LocalMeasurements
    from nbactl.adapters.localrun.services import LocalServices
    from nbactl.bootstrap.container import Container
    from nbactl.ports.measurements import Backlog

_NOT_HERE: Final = ("PORT", "NBACTL_OUTPUT", "NBACTL_PUSH_AUDIENCE", "NBACTL_PUSH_ACCOUNTS")
"""Variables that the services do not get: they are on loopback, where callers have no identity token."""


@frozen
class ServiceEnvironment:
    """The environment of the services. `variables` belong to their first revision; all processes get `common`.

    `secrets` are names in `common`: their values are passed on, and never stored.
    """

    common: Mapping[str, str]
    variables: Mapping[str, str]
    secrets: frozenset[str]


def split_environment(app: Container) -> ServiceEnvironment:
    """Return our environment for the services: variables are those that nbactl and the flags read, with the source.

    A variable whose name or value looks like a secret is one.
    """
    flags = app.config.flags.flags.values()
    read = {name for flag in flags for name in (flag.env, *flag.parameters)}
    common: dict[str, str] = {"PYTHONUNBUFFERED": "1"}
    variables: dict[str, str] = {}
    secrets = frozenset(name for name, value in app.environ.items() if is_secret_name(name) or mask(value) != value)
    for name, value in app.environ.items():
        if name in _NOT_HERE:
            continue
        ours = name.startswith("NBACTL_") or name.endswith("_EMULATOR_HOST") or name in read
        (variables if ours and name not in secrets else common)[name] = value
    variables["NBACTL_SOURCE"] = app.settings.source
    return ServiceEnvironment(common, variables, secrets - set(_NOT_HERE))


def state_file(app: Container) -> Path:
    """Return the file in which `up` says what it runs."""
    return app.settings.state_dir / "up.json"


def is_up(app: Container) -> bool:
    """Say whether `nbactl up` runs here."""
    from nbactl.adapters.localrun.running import read_running

    return read_running(state_file(app)) is not None


def make_deployments(app: Container) -> LocalDeployments:
    """Return what `up` reads and writes of its services."""
    from nbactl.adapters.localrun.deployments import LocalDeployments

    return LocalDeployments(app.documents, clock=app.clock, who=_who())


def make_services(app: Container) -> LocalServices:
    """Return the services of this machine as deployed ones."""
    from nbactl.adapters.localrun.running import read_running
    from nbactl.adapters.localrun.services import LocalServices, Patience

    timeouts = app.config.timeouts
    return LocalServices(
        app.documents,
        running=partial(read_running, state_file(app)),
        clock=app.clock,
        who=_who(),
        patience=Patience(deploy=timeouts["service.deploy"], poll=timeouts["up.poll"]),
    )


def make_measurements(app: Container) -> LocalMeasurements:
    """Return what the processes of `up` counted, and the backlog of the embedded bus."""
    from nbactl.adapters.localrun.measurements import LocalMeasurements
    from nbactl.adapters.localrun.running import read_running

    return LocalMeasurements(
        running=partial(read_running, state_file(app)),
        backlogs=partial(_backlogs, app),
        request=app.config.timeouts["up.request"],
    )


def _backlogs(app: Container) -> Mapping[str, Backlog]:
    from nbactl.bootstrap.local import bus_history

    found = bus_history(app)
    return {} if found is None else found.backlogs()


def _who() -> str:
    """Return `user@host` for the record of a change; a user without a name is shown by number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid{os.getuid()}"
    return f"{user}@{socket.gethostname()}"
