"""What is declared of a deployed service: its region, settings, variables, image, and the route that shows it works."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from nbactl.config.base import NO_ENTRIES, Strict, at_least, at_most


class SmokeSpec(Strict):
    """A request that does the service's real work, without changing anything that is not repeatable."""

    path: str
    method: Literal["GET", "POST"] = "POST"
    body: dict[str, Any] = NO_ENTRIES
    push: bool = False
    """Whether the service takes the body as Pub/Sub pushes it, base64-encoded in an envelope."""
    expect: Annotated[int, at_least(200), at_most(499)] = 200
    """The status of a service that works; a route that refuses an empty request on purpose answers 400."""


class DeployedSpec(Strict):
    """A Cloud Run service or gen-2 function as it should be; what is left out is not compared."""

    region: str | None = None
    """Where it is deployed, if not in the region of the settings."""
    min_instances: Annotated[int, at_least(0), at_most(1000)] | None = None
    max_instances: Annotated[int, at_least(1), at_most(1000)] | None = None
    concurrency: Annotated[int, at_least(1), at_most(1000)] | None = None
    """Requests that one instance takes at once."""
    timeout: str | None = None
    """A name in timeouts.yaml: the time that a request may take."""
    env: dict[str, str] = NO_ENTRIES
    """Variables that it must have, with their values; all others are not compared."""
    image_tag: str | None = None
    smoke: SmokeSpec | None = None
    """The route that `nbactl services smoke` calls."""
