"""What identifies a configuration: two processes with the same digest go by the same values."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nbactl.config.loader import Config

_SHOWN: Final = 12


def config_digest(config: Config) -> str:
    """Return a digest of every value in force; comments and the order of keys do not count."""
    digest = hashlib.sha256()
    for file in (config.workflows, config.timeouts, config.flags):
        digest.update(file.model_dump_json(by_alias=True).encode())
    return digest.hexdigest()[:_SHOWN]
