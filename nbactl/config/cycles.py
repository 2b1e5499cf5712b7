"""Find cycles among things that need each other."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def find_cycles(needs: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """Yield circles that share no member: each name needs the next one, and the first is repeated at the end."""
    left = dict(needs)
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1][::-1]  # graphlib lists each before what needs it
            yield circle
            left = {
                name: [needed for needed in after if needed not in circle]
                for name, after in left.items()
                if name not in circle
            }
        else:
            return
