"""What a check of `nbactl doctor` is given and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nbactl.config.settings import Settings
    from nbactl.core.clock import Clock

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

    @property
    def documents(self) -> Path:
        """The file of the embedded document store."""
        return self.settings.state_dir / "documents.db"


Check = Callable[[Patient], Iterator[Finding]]
