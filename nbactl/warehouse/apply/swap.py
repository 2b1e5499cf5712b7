"""Swapping two tables by name, while others use the name.

BigQuery has no exchange of names: https://cloud.google.com/bigquery/docs/managing-tables#renaming-table. The name is
missing between two renames; what was written just before the first one is found by a comparison and copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbactl.core._support.faults import reach
from nbactl.errors import PreconditionError
from nbactl.frozen import frozen
from nbactl.warehouse.apply.copying import copy_all, state_of
from nbactl.warehouse.plan import ddl

if TYPE_CHECKING:
    from nbactl.ports.warehouse import TableLayout
    from nbactl.warehouse.apply.copying import Copy
    from nbactl.warehouse.apply.work import TableWork


@frozen
class Swap:
    """`name` becomes `parked`, and `replacement` becomes `name`. `copy` is from the one to the other.

    `seen` is the state of the table that the last comparison saw.
    """

    name: str
    replacement: str
    parked: str
    copy: Copy
    seen: str | None


def swap_names(table: TableWork, swap: Swap) -> None:
    """Swap the tables, from wherever an earlier try has stopped.

    Raises PreconditionError where the tables are not as any try leaves them.
    """
    current, replacement, parked = (table.find(name) for name in (swap.name, swap.replacement, swap.parked))
    if current is not None and replacement is None and parked is not None:
        return
    if current is not None and replacement is not None and parked is None:
        _check_streaming(swap, current)
        table.pause_point()
        reach("apply.before_swap")
        table.define(ddl.rename(swap.name, swap.parked))
        reach("apply.name_missing")
        current, parked = None, table.find(swap.parked)
    if current is not None or replacement is None or parked is None:
        raise _by_hand(swap, current, replacement, parked)
    if swap.seen is None or state_of(parked) != swap.seen:
        copy_all(table, swap.copy.named(swap.parked, swap.replacement), fill=False)
    table.define(ddl.rename(swap.replacement, swap.name))


def _check_streaming(swap: Swap, current: TableLayout) -> None:
    if current.streaming_rows:
        raise PreconditionError(
            f"{swap.name} has {current.streaming_rows:,} rows in its streaming buffer",
            cause="A table with a streaming buffer cannot be renamed, and these rows cannot be copied.",
            next_step="Stop the streaming, wait half an hour, then run the same command again.",
        )


def _by_hand(
    swap: Swap, current: TableLayout | None, replacement: TableLayout | None, parked: TableLayout | None
) -> PreconditionError:
    states = {swap.name: current, swap.replacement: replacement, swap.parked: parked}
    seen = ", ".join(f"{name} {'is there' if found else 'is missing'}" for name, found in states.items())
    return PreconditionError(
        f"the tables beside {swap.name} are not as nbactl left them: {seen}",
        cause="Another program or person created, renamed or dropped one of them during the swap.",
        next_step=f"Bring back {swap.replacement} and either {swap.name} or {swap.parked}, not both. "
        "Then run the same command again.",
        details={name: found is not None for name, found in states.items()},
    )
