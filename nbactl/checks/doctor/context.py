"""What a check of `nbactl doctor` is given and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbactl.config.settings import Settings
    from nbactl.core._support.clock import Clock

Status = Literal["ok", "warn", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `fix` is what to do about it."""

    name: str
    status: Status
    message: str
    cause: str | None = None
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined."""

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock
    busy_timeout: float
    """Seconds to wait for another process's commit."""

    @property
    def documents(self) -> Path:
        """The file of the embedded document store."""
        return self.settings.state_dir / "documents.db"


def unread(name: str) -> Finding:
    """Return the finding of a check that had nothing to read; the check of the documents says why."""
    return Finding(name, "skipped", "the documents cannot be read")


def busy_timeout(config_dir: Path | None, environ: Mapping[str, str]) -> float:
    """Return `documents.busy` of timeouts.yaml; of the file that comes with nbactl where the operator's is wrong."""
    try:
        config = load_config(config_dir, environ)
    except ConfigError:
        config = load_config(shipped_config_dir(), {})
    return config.timeouts["documents.busy"]


Check = Callable[[Patient], Iterator[Finding]]
