"""Digests of what sources have."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.pipeline.sources.base import RawRecord

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def records_digest(records: Iterable[RawRecord]) -> str:
    """Return a digest of records in their order. Where a record stood in its file does not matter."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(_encode([record.shape, record.payload]).encode() + b"\n")
    return digest.hexdigest()
