"""The levels of a graph: which tasks could start together if there were workers enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbactl.workflows.model import PlannedTask


def level_of_tasks(tasks: Iterable[PlannedTask]) -> dict[str, int]:
    """Return for each task how many must be done one after the other before it; 0 may start at once."""
    needs = {task.name: task.needs for task in tasks}
    levels: dict[str, int] = {}
    while len(levels) < len(needs):
        ready = [
            name
            for name in needs
            if name not in levels and all(need in levels or need not in needs for need in needs[name])
        ]
        levels |= {name: 1 + max((levels.get(need, -1) for need in needs[name]), default=-1) for name in ready}
    return levels
