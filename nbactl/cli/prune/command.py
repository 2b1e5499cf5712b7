"""Pruning: what is kept longer than timeouts.yaml says is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.bootstrap.retention import make_retention
from nbactl.cli.ask import Question, proceed
from nbactl.core._support.names import check_known
from nbactl.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbactl.bootstrap import Container
    from nbactl.cli.ask import Confirm
    from nbactl.core.retention.retention import KindSpec, Pruned


@frozen
class PruneRequest:
    """Which kinds to prune, by default all. `older_than` is how many seconds are kept, by default as declared."""

    kinds: tuple[str, ...] = ()
    older_than: float | None = None
    dry_run: bool = False


@frozen
class PruneResult:
    """What was removed of each kind; of a dry run what would be."""

    request: PruneRequest
    pruned: tuple[Pruned, ...]
    specs: Mapping[str, KindSpec]

    @property
    def removed(self) -> int:
        """How much was removed of all kinds."""
        return sum(pruned.removed for pruned in self.pruned)

    @property
    def size(self) -> int:
        """How many bytes of files and of the bus that was; the document store does not say."""
        return sum(pruned.size or 0 for pruned in self.pruned)


def prune(app: Container, request: PruneRequest, *, confirm: Confirm = proceed) -> PruneResult:
    """Remove what is kept too long, but nothing that an undo or a data version needs. Asks always.

    Raises UsageError for an unknown kind.
    """
    retention = make_retention(app)
    for kind in request.kinds:
        check_known("--kind", kind, app.config.timeouts.retention)
    now = app.clock.now()

    def result(*, dry_run: bool) -> PruneResult:
        pruned = retention.prune(now, dry_run=dry_run, kinds=request.kinds, older_than=request.older_than)
        return PruneResult(request, tuple(pruned), retention.kinds)

    planned = result(dry_run=True)
    if request.dry_run or not planned.removed:
        return planned
    kinds = [f"{pruned.kind}: {amount(pruned)}" for pruned in planned.pruned if pruned.removed]
    confirm(Question(f"Remove {', '.join(kinds)}?", always=True, then="Nothing brings it back."))
    return result(dry_run=False)


def amount(pruned: Pruned) -> str:
    """Return `1,200 (3.4 MB)`."""
    size = "" if pruned.size is None else f" ({pruned.size / 1e6:.1f} MB)"
    return f"{pruned.removed:,}{size}"
