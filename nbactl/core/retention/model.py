"""What a pruner is, and what it says of its work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nbactl.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime


@frozen
class Removal:
    """What one call removed, or in a dry run would remove.

    `examined` counts what was read to decide. `size` is in bytes, None where the store does not say. `resume` is where
    the next call continues, None if nothing is left.
    """

    removed: int = 0
    examined: int = 0
    size: int | None = None
    resume: str | None = None

    def and_then(self, other: Removal) -> Removal:
        """Return the sum of this call and the one that continued it."""
        sizes = [size for size in (self.size, other.size) if size is not None]
        return Removal(
            self.removed + other.removed, self.examined + other.examined, sum(sizes) if sizes else None, other.resume
        )


class Pruner(Protocol):
    """Removes one kind of what accumulates, but nothing that an undo or a data version still needs.

    A call that is killed leaves nothing half removed that anything reads; the same call does the rest. Several may run
    at the same time.
    """

    def prune(self, before: datetime, at_most: int, *, start: str | None, dry_run: bool) -> Removal:
        """Remove what is older than `before`, of about `at_most` that are examined, continuing from `start`.

        Raises UnavailableError when the store does not answer.
        """
        ...
