"""Clients of the loopback Cloud Run for tests."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from nbactl.adapters.cloudrun.api import Api
from nbactl.adapters.cloudrun.changing import Waiting
from nbactl.adapters.cloudrun.region import Region
from nbactl.adapters.cloudrun.services import CloudRunServices
from nbactl.core.calls.policy import CallPolicy, CallSettings
from nbactl.core.calls.retry import RetryPolicy
from nbactl.testing import FakeClock
from tests.kit.cloud_run_server import PROJECT, REGION

if TYPE_CHECKING:
    from nbactl.core._support.clock import Clock

RETRY = RetryPolicy("cloud_run", attempts=4, base=0.5, cap=10.0)


def client(
    address: str | None,
    *,
    clock: Clock | None = None,
    project: str = PROJECT,
    region: str = REGION,
    deploy: float = 60.0,
) -> CloudRunServices:
    """Return the services of a loopback region; without a clock it gets a FakeClock, and never waits."""
    settings = CallSettings("cloud_run", 90.0, RETRY, 30.0)
    policy = CallPolicy(settings, clock=clock or FakeClock(), rng=random.Random(1))
    api = Api(Region(project, region, address), policy, connect=5.0, request=10.0)
    return CloudRunServices(api, Waiting(deploy=deploy, poll=2.0))
