"""The directed acyclic graph of a run's tasks: its order, and which tasks may start next."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from nbactl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nbactl.workflows.model import PlannedTask


def topological_order(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the nodes so that each comes after what it needs, else in the order given.

    Raises ConfigError naming the nodes of a cycle, or an unknown need.
    """
    frontier = Frontier(needs)
    order = []
    while (name := frontier.pop()) is not None:
        order.append(name)
        frontier.done(name)
    if len(order) < len(needs):
        rest = ", ".join(name for name in needs if name not in order)
        raise ConfigError(f"tasks form a cycle: {rest}", next_step="Remove one of their `needs`.")
    return order


class Frontier:
    """Which tasks may start: all of whose needs are done, earliest declared first."""

    def __init__(
        self, needs: Mapping[str, Iterable[str]], done: Collection[str] = (), passable: Collection[str] = ()
    ) -> None:
        """`needs` maps every task, in declared order; tasks in `done` are not handed out.

        Those in `passable` block nobody: if they will not do their work, what needs them goes on without it.
        Raises ConfigError for an unknown need.
        """
        self._names = tuple(needs)
        self._position = {name: position for position, name in enumerate(self._names)}
        self._dependants: dict[str, list[str]] = {name: [] for name in needs}
        self._missing: dict[str, int] = {}
        self._ready: list[int] = []
        self._passable = frozenset(passable)
        self._passed: set[str] = set()
        for name, required in needs.items():
            if name in done:
                continue
            open_needs = {need for need in required if need not in done}
            for need in open_needs:
                if need not in self._dependants:
                    raise ConfigError(f"task {name} needs {need}, which is not among the tasks of the run")
                self._dependants[need].append(name)
            self._missing[name] = len(open_needs)
            if not open_needs:
                self._ready.append(self._position[name])

    def pop(self) -> str | None:
        """Take the next task that may start, or None while there is none."""
        return self._names[heapq.heappop(self._ready)] if self._ready else None

    def done(self, name: str) -> None:
        """Note that a task did its work: what waited for it alone may start."""
        if name in self._passed:
            return
        for dependant in self._dependants[name]:
            if dependant in self._missing:
                self._missing[dependant] -= 1
                if self._missing[dependant] == 0:
                    heapq.heappush(self._ready, self._position[dependant])

    def pass_by(self, name: str) -> None:
        """Note that nothing waits for a task any longer, whether it does its work or not."""
        self.done(name)
        self._passed.add(name)

    def block(self, name: str) -> dict[str, str]:
        """Note that a task will not do its work.

        Returns every task that can no longer run with the need that blocks it, in the order of the graph.
        """
        blocked: dict[str, str] = {}
        waiting = [name]
        if name in self._passable:
            waiting = []
            self.pass_by(name)
        while waiting:
            need = waiting.pop(0)
            for dependant in self._dependants[need]:
                if self._missing.get(dependant, 0) > 0:
                    del self._missing[dependant]
                    blocked[dependant] = need
                    if dependant in self._passable:
                        self.pass_by(dependant)
                    else:
                        waiting.append(dependant)
        return blocked


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
