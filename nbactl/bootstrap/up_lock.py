"""One `nbactl up` a state directory."""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING

from nbactl.bootstrap.localrun import state_file
from nbactl.errors import LeaseHeldError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbactl.bootstrap.container import Container


@contextlib.contextmanager
def only_one(app: Container) -> Iterator[None]:
    """Hold the lock of this state directory; the kernel releases it when this process ends."""
    import json

    from nbactl.core._support.sqlite_failures import translated

    folder = app.settings.state_dir
    with translated(str(folder / "up.lock")):
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / "up.lock").open("a")
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = ""
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                holder = f" as process {json.loads(state_file(app).read_text())['pid']}"
            raise LeaseHeldError(
                f"`nbactl up` is running on {folder} already{holder}",
                next_step="Stop it with Ctrl-C, or use another --state-dir.",
            ) from error
        yield
