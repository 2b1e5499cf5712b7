"""Sticky bucketing: which of 100,000 buckets an entity falls into, for ever.

The bucket is the 32-bit MurmurHash3 (x86, seed 0) of `salt:entity` in UTF-8, modulo the number of buckets. It is
version 1 and stored with each flag, so that another one can be added beside it without moving anybody.
"""

from __future__ import annotations

from typing import Final

from mmh3 import mmh3_32_uintdigest

BUCKETS: Final = 100_000
"""One bucket is 0.001 %."""
HASH_VERSION: Final = 1
_PER_PERCENT: Final = BUCKETS // 100


def bucket_of(salt: str, entity: str) -> int:
    """Return the bucket, 0 to 99,999. Raises UnicodeEncodeError for text that is no Unicode (lone surrogates)."""
    return mmh3_32_uintdigest(f"{salt}:{entity}".encode()) % BUCKETS


def limit_of(percent: float) -> int:
    """Return the number of buckets inside `percent` (0 to 100, in steps of 0.001)."""
    return round(percent * _PER_PERCENT)
