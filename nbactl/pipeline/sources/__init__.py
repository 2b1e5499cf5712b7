"""Where the data come from."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from nbactl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.config.timeouts import TimeoutsFile
    from nbactl.core._support.clock import Clock
    from nbactl.core.calls.policy import CallPolicy
    from nbactl.pipeline.sources.base import GameSource

_FORMS = ("sample", "path:DIR", "nba_api")


def open_source(
    spec: str,
    clock: Clock,
    timeouts: TimeoutsFile | None = None,
    *,
    policy: Callable[[], CallPolicy] | None = None,
    state: Path | None = None,
) -> GameSource:
    """Return the source that `--source` names; only `nba_api` needs the timeouts.

    `state` is the folder with a folder for each source, in which it may keep what it has found out. `policy` gives how
    it calls; without it each collection has a policy, with breaker and budget, of its own.
    Raises UsageError for a spec that names none, NotFoundError for a folder that is not there.
    """
    kind, _, rest = spec.partition(":")
    if spec == "sample":
        from nbactl.pipeline.sources.sample import SampleSource  # noqa: PLC0415 - only the source that is asked for

        return SampleSource()
    if kind == "path":
        if not rest:
            raise UsageError(f"--source {spec} names no folder", next_step="Write path:DIR, such as path:data/nba.")
        from nbactl.pipeline.sources.path import PathSource  # noqa: PLC0415 - only the source that is asked for

        folder = Path(rest).expanduser()
        if not folder.exists():
            raise NotFoundError(
                f"there is no folder {rest}",
                cause=f"--source {spec} means {folder.absolute()}.",
                next_step="Correct the folder, or choose another source with --source.",
            )
        if not folder.is_dir() and not folder.is_file():
            raise UsageError(
                f"{rest} is neither a folder nor a file", next_step="Write path:DIR, such as path:data/nba."
            )
        return PathSource(spec, folder, state)
    if spec == "nba_api":
        from nbactl.pipeline.sources.nba_api import NbaApiSource  # noqa: PLC0415 - only the source that is asked for

        if timeouts is None:
            raise ValueError("the source nba_api makes requests, so it has to be given the timeouts")
        shared = None if policy is None else policy()
        return NbaApiSource(clock=clock, timeouts=timeouts, rng=Random(), policy=shared)  # noqa: S311 - jitter is not a secret
    near = get_close_matches(kind, ("sample", "path", "nba_api"), n=1)
    raise UsageError(
        f"no source '{spec}'",
        next_step=f"Did you mean '{near[0]}'?" if near else f"Give one of: {', '.join(_FORMS)}.",
    )
