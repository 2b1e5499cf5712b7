"""Digests of what sources have."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.pipeline.sources.base import RawRecord

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


def records_digest(records: Iterable[RawRecord]) -> str:
    """Return a digest of records in their order. Where a record stood in its file does not matter."""
    return hashlib.sha256(_encode([[record.shape, record.payload] for record in records]).encode()).hexdigest()


NOTHING: Final = records_digest(())
"""The digest of no records."""
