"""Where the data come from."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from nbactl.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from nbactl.core.clock import Clock
    from nbactl.pipeline.sources.base import Source

_FORMS = ("sample", "path:DIR")


def open_source(spec: str, clock: Clock) -> Source:  # noqa: ARG001 - live sources ask for the time
    """Return the source that `--source` names. Raises UsageError for a spec that names none."""
    kind, _, rest = spec.partition(":")
    if spec == "sample":
        from nbactl.pipeline.sources.sample import SampleSource  # noqa: PLC0415 - only the source that is asked for

        return SampleSource()
    if kind == "path" and rest:
        from nbactl.pipeline.sources.path import PathSource  # noqa: PLC0415 - only the source that is asked for

        folder = Path(rest).expanduser()
        if not folder.exists():
            raise NotFoundError(f"there is no folder {rest}", cause=f"--source {spec} looked for {folder.absolute()}.")
        return PathSource(spec, folder)
    near = get_close_matches(kind, ("sample", "path"), n=1)
    raise UsageError(
        f"there is no source '{spec}'",
        next_step=f"Did you mean '{near[0]}'?" if near else f"Give one of: {', '.join(_FORMS)}.",
    )
