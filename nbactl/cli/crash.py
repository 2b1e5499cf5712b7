"""Crash reports: what is kept of an unexpected error."""

from __future__ import annotations

import platform
import shlex
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from nbactl import __version__
from nbactl.core.observe.masking import mask
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class BugError(NbactlError):
    """An unexpected exception."""

    code: ClassVar[str] = "bug"
    exit_code: ClassVar[int] = 70


def report_crash(error: BaseException, argv: Sequence[str], origins: Mapping[str, str], state_dir: Path) -> BugError:
    """Write the crash report and return the error that names its file; try a second place if the first is refused."""
    now = datetime.now(UTC)
    text = _crash_text(error, argv, origins, now)
    name = f"{now:%Y%m%dT%H%M%S.%fZ}.txt"
    refusals = []
    for folder in (state_dir / "crash", Path(tempfile.gettempdir()) / "nbactl-crash"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as refusal:
            refusals.append(str(refusal))
        else:
            return _bug(error, f"The crash report is {path}: please attach it to a bug report.")
    return _bug(error, f"Run it again with --debug; no crash report could be written ({'; '.join(refusals)}).")


def _bug(error: BaseException, next_step: str) -> BugError:
    return BugError(
        "nbactl has a bug: an error that it did not expect",
        cause=f"{type(error).__name__}: {error}".rstrip(": "),
        next_step=next_step,
    )


def _crash_text(error: BaseException, argv: Sequence[str], origins: Mapping[str, str], now: datetime) -> str:
    lines = [
        f"nbactl {__version__} crashed at {now.isoformat(timespec='milliseconds')}",
        f"command: nbactl {shlex.join(argv)}",
        f"python:  {platform.python_version()} ({sys.executable})",
        f"system:  {platform.platform()}",
        "settings that are not defaults: "
        + (", ".join(f"{name} ({origin})" for name, origin in origins.items() if origin != "default") or "none"),
        "",
        *traceback.format_exception(error),
    ]
    return mask("\n".join(lines)) + "\n"
